"""A command with nothing left to do needs no torch, and a plan is kept only as long as all that it depends on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import LINE, WALK, write_suite

from dynamark.results.provenance import library_versions, provenance
from dynamark.runners.plan import recall as recalling
from dynamark.runners.plan.cohorts import cohorts
from dynamark.runners.plan.recall import Recalled, recall, stamp_of
from dynamark.runners.run import run

TASK = "koopman/slow_manifold"
METHODS = ["persistence", "training_mean", "dmd"]


def without_torch(*words: str) -> str:
    """What a command prints in a process that can import neither torch nor other slow libraries."""
    # pandas and SciPy take as long as all the rest of such a command.
    absent = "sys.modules.update(dict.fromkeys(('torch', 'pandas', 'scipy', 'datasets')))"
    text = f"import sys; {absent}; from dynamark.cli import main; sys.exit(main({list(words)!r}))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def suite(here: Path) -> str:
    return write_suite(here / "s.toml", METHODS, [TASK], seeds=2)


def recalled(suite: Any, task: Any = (), method: Any = (), salt: str = "") -> Recalled | None:
    def never() -> Any:
        raise AssertionError("planned again")

    return recall(stamp_of(suite, task, method, salt=salt, seeds=None, tier=None, device="cpu"), never)


def test_a_command_with_nothing_to_do_runs_without_torch(suite: str) -> None:
    report = run(suite, store="store", engine="inline", method=METHODS[:2])
    again = without_torch("run", suite, "--store", "store", "--quiet", "--method", METHODS[0], "--method", METHODS[1])
    assert again.strip() == "nothing to do; 4 cached; results in store"
    assert report.statuses == {"ok": 4}


def test_boards_are_listed_without_torch() -> None:
    assert "koopman/forecasting: " in without_torch("list", "boards")


def test_the_plan_kept_is_the_plan(suite: str) -> None:
    first = run(suite, store="store", engine="inline")
    plan, runs = recalled(suite), first.plan.runs
    assert plan is not None
    assert [list(batch) for batch in plan.batches] == [[run.key for run in cohort.runs] for cohort in cohorts(runs)]
    assert plan.not_applicable == first.plan.not_applicable
    again = run(suite, store="store", engine="inline")
    assert isinstance(again.plan, Recalled)
    assert (again.keys, again.skipped, again.plan.runs) == (first.keys, 6, runs)
    assert again.to_dict() == {**first.to_dict(), "cached": 6, "statuses": {}}
    parts = [run(suite, store="store", engine="inline", shard=(k, 2)).skipped for k in (1, 2)]
    assert parts == [3, 3]
    dry = run(suite, store="store", dry_run=True)
    assert (dry.to_do, dry.hours) == (0, 0.0)


def test_what_is_left_to_do_is_done(suite: str) -> None:
    assert run(suite, store="store", engine="inline", shard=(1, 2)).statuses == {"ok": 3}
    assert run(suite, store="store", engine="inline").statuses == {"ok": 3}
    assert run(suite, store="store", engine="inline", force=True).statuses == {"ok": 6}
    assert run(suite, store="elsewhere", engine="inline").statuses == {"ok": 6}


def test_a_failed_run_is_cached_unless_asked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = write_suite(here / "s.toml", METHODS[:1], [TASK], seeds=1)
    (key,) = run(suite, store="store", engine="inline").keys
    monkeypatch.setattr("dynamark.results.store.Store.status", lambda self: {key: "error"})
    assert run(suite, store="store", engine="inline").statuses == {}
    assert run(suite, store="store", engine="inline", retry_failed=True).statuses == {"ok": 1}


def test_a_change_of_anything_that_a_plan_depends_on_ends_it(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(suite, store="store", engine="inline", dry_run=True)
    assert recalled(suite) is not None
    assert recalled(suite, method=["persistence"]) is None
    assert recalled(suite, task=[TASK]) is None
    Path(suite).write_text(Path(suite).read_text().replace("seeds = 2", "seeds = 3"))
    assert recalled(suite) is None
    Path(suite).write_text(Path(suite).read_text().replace("seeds = 3", "seeds = 2"))
    assert recalled(suite) is not None
    files = sorted(recalling._files(recalling._ROOT))
    names = {str(Path(path).relative_to(recalling._ROOT)) for path, *_ in files}
    assert {"tasks/base.py", "methods/catalog.py", "results/keys.py", "runners/suites/quick.toml"} <= names
    for place in range(1, 6):  # time, time of change, file, device, size
        other = [*files[:-1], (*files[-1][:place], files[-1][place] + 1, *files[-1][place + 1 :])]
        monkeypatch.setattr(recalling, "_files", lambda folder, other=other: iter(other))
        assert recalled(suite) is None


def test_a_file_that_changed_while_the_process_ran_keeps_no_plan(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalling, "_began", lambda: 0)
    run(suite, store="store", engine="inline", dry_run=True)
    assert recalled(suite) is None


def test_plans_with_anything_from_elsewhere_or_with_a_salt_are_not_kept(here: Path) -> None:
    for methods, tasks, salt in (([LINE], [TASK], ""), (["persistence"], [WALK], ""), (["persistence"], [TASK], "s")):
        suite = write_suite(here / "s.toml", methods, tasks, seeds=1)
        run(suite, dry_run=True, salt=salt)
        assert recalled(suite, salt=salt) is None
    (here / "x.csv").write_text("\n".join(["a", *(f"{k % 7 + 0.1 * k}" for k in range(400))]))
    suite = write_suite(here / "s.toml", ["persistence"], [f"recorded(path='{here}/x.csv')"], seeds=1)
    run(suite, dry_run=True)
    assert recalled(suite) is None
    assert stamp_of("quick", (), [object()], salt="") is None


def test_a_damaged_record_is_no_plan(suite: str) -> None:
    run(suite, store="store", engine="inline", dry_run=True)
    stamp = stamp_of(suite, (), (), salt="", seeds=None, tier=None, device="cpu")
    assert stamp is not None
    whole = stamp.path.read_text()
    for damaged in (whole[:-20], whole.replace('"batches": [["', '"batches": [["0'), "[]", ""):
        stamp.path.write_text(damaged)
        assert recalled(suite) is None


def test_versions_are_those_of_the_imported_libraries() -> None:
    assert library_versions() == {name: provenance()[name] for name in library_versions()}
