"""Whatever kills the command, a resume ends with the rows of an undisturbed run, and no process stays."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from forked import alive, descendants
from support import DRAWN, LINE, PLUGINS, write_suite

from dynamark.results.store import Store
from dynamark.runners.run import run


def command(suite: str, store: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "dynamark", "run", suite, "--store", str(store), "--workers", "2", "--quiet", *more]


def scores(store: Path) -> dict[str, tuple[str, str]]:
    """What must not depend on interruptions: everything that was measured but time and place."""
    Store(store).compact()
    return {
        row["key"]: (row["status"], repr((row["scores"], row["curves"], row["primary"])))
        for row in Store(store).rows().to_pylist()
    }


def test_kill_9_at_random_moments_then_resume(tmp_path: Path) -> None:
    gains = [f"{PLUGINS}/walk.py:Line(gain={k / 10})" for k in range(20)]
    suite = write_suite(tmp_path / "s.toml", [*gains, DRAWN], seeds=6)
    whole = tmp_path / "whole"
    run(suite, store=whole, engine="inline")
    stores = [tmp_path / "killed"]
    moments = random.Random(0)
    kills = 0
    sessions: set[int] = set()
    for _ in range(20):
        child = subprocess.Popen(command(suite, stores[-1]), stderr=subprocess.DEVNULL)
        try:
            assert child.wait(moments.uniform(0.2, 4.0)) == 0
            stores.append(tmp_path / f"killed{len(stores)}")  # on a whole store nothing is left to interrupt
        except subprocess.TimeoutExpired:
            sessions |= descendants(child.pid)
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
    assert kills >= 5
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(alive(pid) for pid in sessions):
        time.sleep(0.1)
    assert not [pid for pid in sessions if alive(pid)], "processes outlive the command"
    subprocess.run(command(suite, stores[-1]), check=True)
    for store in stores:
        assert scores(store) == scores(whole)
    assert len(scores(whole)) == 21 * 6


def _listens() -> None:
    """Shells let what they start in the background ignore Ctrl-C, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_stops_cleanly_and_the_same_command_resumes(tmp_path: Path) -> None:
    slow = f"{PLUGINS}/faulty.py:Faulty(how='sleeps')"
    suite = write_suite(tmp_path / "s.toml", [LINE, slow], seeds=1)
    child = subprocess.Popen(command(suite, tmp_path / "store"), stderr=subprocess.PIPE, text=True, preexec_fn=_listens)
    journal = tmp_path / "store" / ".journal"
    deadline = time.monotonic() + 120
    while not any('"key"' in p.read_text() for p in journal.glob("*")):
        assert time.monotonic() < deadline, "no result was written"
        time.sleep(0.05)
    inside = descendants(child.pid)
    child.send_signal(signal.SIGINT)
    _, output = child.communicate(timeout=120)
    assert child.returncode == 130
    assert "run the same command to resume" in output
    assert "Traceback" not in output
    assert not [pid for pid in inside if alive(pid)]
    assert list(Store(tmp_path / "store").status().values()) == ["ok"]
    again = subprocess.run(
        command(suite, tmp_path / "store", "--timeout", "1"), stderr=subprocess.PIPE, text=True, check=False
    )
    assert again.returncode == 4
    assert "1 timeout; 1 cached" in again.stderr
