"""The tutorial, run as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"
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
