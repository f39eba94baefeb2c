"""The tutorial, and the example of the README, run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_block_runs(here: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "DYNAMARK_STORE"}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    blocks = _BLOCK.findall(TUTORIAL.read_text())
    assert len(blocks) >= 6
    for language, name, text in blocks:
        if name:
            (here / name).write_text(text)
            continue
        command = {"bash": ["bash", "-ec", text], "python": [sys.executable, "-c", text]}[language]
        done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def test_the_method_of_the_readme_passes_its_check(here: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (here / "mine.py").write_text(example)
    command = [sys.executable, "-m", "dynamark", "check", "mine.py:Mine"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
