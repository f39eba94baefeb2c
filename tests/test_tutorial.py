"""The tutorial and the examples of the README run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "least"), [("docs/tutorial.md", 6), ("README.md", 3), ("docs/own-data.md", 10)])
def test_every_block_runs(page: str, least: int, here: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "DYNAMARK_STORE"}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert len(blocks) >= least
    for language, name, text in blocks:
        if language == "text":
            continue
        if name:
            (here / name).write_text(text)
            continue
        command = {"bash": ["bash", "-ec", text], "python": [sys.executable, "-c", text]}[language]
        done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
