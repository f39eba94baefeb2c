"""Whatever process of a run is killed, its rows are those of an undisturbed run; `tests/faults/kills.py` does it at full size."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import FAULTY, LINE, write_suite

from dynamark.cli import main
from dynamark.runners.execute.ending import ending
from dynamark.runners.execute.executor import Limits
from dynamark.runners.execute.local import Local
from dynamark.runners.plan.cohorts import cohorts
from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.suite import load_suite
from dynamark.runners.run import run

_SPEC = importlib.util.spec_from_file_location("kills", Path(__file__).parents[2] / "faults" / "kills.py")
assert _SPEC is not None
assert _SPEC.loader is not None
kills = importlib.util.module_from_spec(_SPEC)
sys.modules["kills"] = kills
_SPEC.loader.exec_module(kills)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """The rows of an undisturbed run, which are compared with those of every role."""
    folder = tmp_path_factory.mktemp("whole")
    run(kills.suite_of_96_rows(folder), store=folder / "store", engine="inline")
    rows: dict[str, tuple[str, str]] = kills.scores(folder / "store")
    assert len(rows) == 96
    return rows


@pytest.mark.parametrize("role", ["base", "scorer", "supervisor", "worker"])
def test_random_kills_change_no_row(role: str, whole: dict[str, tuple[str, str]], tmp_path: Path) -> None:
    outcome = kills.kill_at_random(role, 4, 0, tmp_path, whole)
    assert outcome.kills == 4
    assert outcome.fine, outcome


@pytest.fixture(scope="module")
def executor() -> Iterator[Local]:
    """One executor for what happens to its processes: it must be as good as new after each death, and most of the time of each
    test would be the start of a base process. An executor counts how often it loses a run, so each test has one of its own.
    """
    with Local(1, Limits(60.0), "cpu") as one:
        yield one


GAINS = {"base": 0.1, "scorer": 0.2, "supervisor": 0.3}


def planned(folder: Path, *methods: str, seeds: int = 1) -> list[Any]:
    return cohorts(expand(load_suite(write_suite(folder / "s.toml", list(methods), seeds=seeds))).runs)


def test_a_reply_to_another_request_is_dropped(tmp_path: Path, executor: Local) -> None:
    """The results of a cohort that was given up never become those of the next one in the same slot."""
    near, far = socket.socketpair()
    foreign = {"results": [{"status": "ok", "primary": {"value": 13.4614}}]}
    first, second = planned(tmp_path, LINE, f"{LINE}(gain=0.5)")
    executor.submit(first)
    (undisturbed,) = executor.completed()
    slot = executor._slots[0]
    assert slot.pair is not None
    executor.submit(second)
    list(executor._pose(slot, executor._waiting.popleft()))
    far.sendall(b"".join(json.dumps({**foreign, "request": k}).encode() + b"\n" for k in (0, slot.request - 1)))
    assert list(executor._read(slot, "scorer", near)) == []
    outcomes = list(executor.completed())
    assert [outcome.cohort for outcome in outcomes] == [second]
    assert outcomes[0].results[0]["primary"]["value"] != 13.4614
    assert undisturbed.provenance == outcomes[0].provenance


@pytest.mark.parametrize("role", ["scorer", "supervisor"])
def test_both_processes_of_a_slot_are_started_anew_when_one_ends(role: str, tmp_path: Path, executor: Local) -> None:
    (cohort,) = planned(tmp_path, f"{LINE}(gain={GAINS[role]})")
    executor.submit(cohort)
    list(executor.completed())
    before = dict(executor._slots[0].pair.pids)  # type: ignore[union-attr]
    os.kill(before[role], signal.SIGKILL)
    executor.submit(cohort)
    (outcome,) = executor.completed()
    after = executor._slots[0].pair.pids  # type: ignore[union-attr]
    assert outcome.results[0]["status"] == "ok"
    assert not set(before.values()) & set(after.values())


@pytest.mark.parametrize("role", ["base", "scorer", "supervisor"])
def test_a_stopped_process_is_killed_and_its_cohort_done_again(role: str, tmp_path: Path, executor: Local) -> None:
    (cohort,) = planned(tmp_path, f"{LINE}(gain={-GAINS[role]})")
    executor.submit(cohort)
    list(executor.completed())
    pids = {**executor._slots[0].pair.pids, "base": executor._base.pid}  # type: ignore[union-attr]
    os.kill(pids[role], signal.SIGSTOP)
    start = time.monotonic()
    executor.submit(cohort)
    outcomes = []
    if role == "base":  # it is needed only when something ends
        os.kill(pids["scorer"], signal.SIGKILL)
    outcomes = list(executor.completed())
    assert [outcome.results[0]["status"] for outcome in outcomes] == ["ok"]
    assert time.monotonic() - start < 60


def test_a_task_that_ends_its_process_is_lost_in_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os\nfrom dataclasses import dataclass\nfrom walk import Walk\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Deadly(Walk):\n"
        "    def problem(self, seed):\n        os._exit(3)\n"
    )
    walk = Path(__file__).parents[2] / "plugins" / "walk.py"
    (tmp_path / "walk.py").write_text(walk.read_text())
    suite = write_suite(tmp_path / "s.toml", ["persistence"], [f"{tmp_path}/deadly.py:Deadly"], seeds=1)
    store = str(tmp_path / "store")
    for _ in range(2):  # never stored as done: the second command takes it up again
        assert main(["run", suite, "--store", store, "--workers", "1", "--quiet"]) == 4
        assert "1 lost; 0 cached" in capsys.readouterr().err


def test_a_killed_worker_is_the_methods_doing_only_if_it_happens_every_time(tmp_path: Path, executor: Local) -> None:
    for cohort in planned(tmp_path, f"{FAULTY}(how='kills_itself')"):
        executor.submit(cohort)
    (outcome,) = executor.completed()
    assert (outcome.results[0]["status"], outcome.results[0]["reason"]) == (
        "crashed",
        "the process was killed by SIGKILL",
    )


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        ({"report": '{"status": "answered"}'}, "answered"),
        ({"report": '{"status": "error", "reason": "x"}'}, "error"),
        ({"report": '{"status": "ok"}'}, "error"),
        ({"report": '{"status": "error", "reason": 3}'}, "error"),
        ({"report": "[" * 10_000}, "error"),
        ({"report": "nonsense"}, "error"),
        ({"code": -9, "kernel_killed": True}, "lost"),
        ({"code": -11}, "crashed"),
        ({"killed": "timeout"}, "timeout"),
    ],
)
def test_how_a_worker_ended(ended: dict[str, Any], status: str) -> None:
    base = {"killed": None, "code": 0, "report": "", "kernel_killed": False}
    assert ending({**base, **ended}, 1.0, 1 << 30).status == status
