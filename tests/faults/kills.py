"""Random kills of each process of a run: the rows must be those of an undisturbed run, to the bit, without a traceback.

python tests/faults/kills.py ROLE [KILLS] [SEED]      ROLE: parent, base, scorer, supervisor, worker, or all
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from forked import Command
from support import DRAWN, PLUGINS, write_suite

from dynamark.results.store import Store

ROLES = ("parent", "base", "scorer", "supervisor", "worker")
_GAPS = {"parent": (0.05, 3.0), "base": (0.05, 2.5)}  # seconds between two kills; a base takes a second to start
_GAP = (0.02, 0.8)


@dataclass
class Outcome:
    """What came of a number of kills."""

    kills: int = 0
    commands: int = 0
    tracebacks: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.tracebacks or self.unequal or self.failed)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.commands} commands: {len(self.tracebacks)} tracebacks, "
            f"{len(self.unequal)} unequal rows, {len(self.failed)} failed rows"
        )


def scores(store: Path) -> dict[str, tuple[str, str]]:
    """What must not depend on interruptions: everything that was measured but time and place."""
    Store(store).compact()
    return {
        row["key"]: (row["status"], repr((row["scores"], row["curves"], row["primary"])))
        for row in Store(store).rows().to_pylist()
    }


def suite_of_96_rows(folder: Path) -> str:
    """The suite that is run."""
    gains = [f"{PLUGINS}/walk.py:Line(gain={k / 10})" for k in range(11)]
    return write_suite(folder / "s.toml", [*gains, DRAWN], seeds=8)


def kill_at_random(
    role: str, kills: int, seed: int, folder: Path, whole: Mapping[str, tuple[str, str]] | None = None
) -> Outcome:
    """Kill processes of one role at random moments of a run of 96 rows, as often as asked, and compare the rows.

    whole: what `undisturbed` returns, where it is known.
    """
    suite = suite_of_96_rows(folder)
    whole = undisturbed(suite, folder / "whole") if whole is None else whole
    moments, outcome = random.Random(f"{role}/{seed}"), Outcome()
    while outcome.kills < kills:
        store = folder / f"{role}-{outcome.commands}"
        _one_command(suite, store, role, kills, moments, outcome)
        _finish(suite, store, outcome)
        rows = scores(store)
        outcome.failed += [key for key, (status, _) in rows.items() if status != "ok"]
        outcome.unequal += [key for key in whole if rows.get(key) != whole[key] and key in rows]
        outcome.unequal += list(whole.keys() ^ rows.keys())
    return outcome


def _command(suite: str, store: Path) -> Command:
    words = ["run", suite, "--store", str(store), "--workers", "2", "--quiet"]
    return Command(words, store.with_name(f"{store.name}-says"))


def undisturbed(suite: str, store: Path) -> dict[str, tuple[str, str]]:
    """The rows of the suite when nothing is killed."""
    assert _command(suite, store).wait() == 0
    return scores(store)


def _one_command(suite: str, store: Path, role: str, kills: int, moments: random.Random, outcome: Outcome) -> None:
    child = _command(suite, store)
    outcome.commands += 1
    while child.running and outcome.kills < kills:
        time.sleep(moments.uniform(*_GAPS.get(role, _GAP)))
        victims = _processes(child.pid).get(role, [])
        if child.running and victims:
            _kill(moments.choice(victims))
            outcome.kills += 1
    if child.wait(300) is None or "Traceback" in child.errors:
        outcome.tracebacks.append(child.errors)


def _finish(suite: str, store: Path, outcome: Outcome) -> None:
    """The same command again, undisturbed: it takes up what a killed one left, and nothing else."""
    again = _command(suite, store)
    if again.wait(300) != 0 or "Traceback" in again.errors:
        outcome.tracebacks.append(again.errors)


def _processes(parent: int) -> dict[str, list[int]]:
    """The processes of a command by role."""
    by_name: dict[str, list[int]] = {"parent": [parent]}
    waiting = [parent]
    while waiting:
        pid = waiting.pop()
        try:
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError):
            continue
        if name.startswith("dm-"):
            by_name.setdefault(name.removeprefix("dm-"), []).append(pid)
    return by_name


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def main() -> int:
    """Kill, report, and say by the exit code whether all is fine."""
    role = sys.argv[1] if len(sys.argv) > 1 else "all"
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    fine = True
    for name in ROLES if role == "all" else (role,):
        with tempfile.TemporaryDirectory() as folder:
            outcome = kill_at_random(name, kills, seed, Path(folder))
        print(f"{name}: {outcome}", flush=True)
        for text in outcome.tracebacks[:2]:
            print(text[-1500:], file=sys.stderr)
        fine &= outcome.fine
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
