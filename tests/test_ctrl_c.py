"""Ctrl-C at any moment, once or twice: exit code 130 and one line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import LINE, write_suite

CODE = "import sys; from dynamark import cli; sys.stdout.write('up\\n'); sys.stdout.flush(); sys.exit(cli.main())"


def _listens() -> None:
    """What a shell starts in the background ignores Ctrl-C, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize(
    ("words", "delay", "times"),
    [
        (["claims", "list"], 0.1, 1),
        (["claims", "list"], 0.6, 2),
        (["data", "verify"], 0.3, 2),
        (["data", "verify"], 2.0, 1),
        (["run"], 0.1, 1),
        (["run"], 0.8, 2),
        (["run"], 2.5, 2),
    ],
)
def test_ctrl_c_is_one_line_and_130(words: list[str], delay: float, times: int, tmp_path: Path) -> None:
    if words == ["run"]:
        words = [
            "run",
            write_suite(tmp_path / "s.toml", [LINE, "persistence"], seeds=500),
            "--store",
            str(tmp_path / "s"),
        ]
    child = subprocess.Popen(
        [sys.executable, "-c", CODE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_listens,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    for _ in range(times):
        time.sleep(delay)
        child.send_signal(signal.SIGINT)
        delay = 0.01
    out, err = child.communicate(timeout=120)
    assert child.returncode == 130, err
    assert "Traceback" not in err + out
    (line,) = [line for line in err.splitlines() if line.strip() and "run/s" not in line and "?run" not in line]
    assert line.startswith("dynamark: ")
