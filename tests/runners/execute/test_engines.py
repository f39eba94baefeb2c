"""Engines by name, and what travels to another machine."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from support import LINE, PLUGINS, WALK, entry, write_suite

from dynamark.errors import UserError
from dynamark.results.store import Store
from dynamark.runners.execute.engines import find_engine
from dynamark.runners.execute.executor import Settings, failed
from dynamark.runners.execute.parcel import Differs, opened, outcomes_in, parcel
from dynamark.runners.execute.remote import Gone, Remote
from dynamark.runners.plan.cohorts import Cohort, cohorts
from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.suite import Suite
from dynamark.runners.run import run

MINE = """
from dataclasses import dataclass
from beside import DOUBLE
from dynamark.tasks.problems import Forecasting, Run

@dataclass(frozen=True)
class Mine:
    def fit_forecaster(self, problem, run):
        return self
    def forecast(self, context, horizon, inputs=None):
        return DOUBLE * context.observations[:, -1:].repeat(1, horizon, 1)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that declares engines."""
    metadata = tmp_path / "site" / "nodes-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: nodes\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dynamark.engines]\nnodes = nodes:nodes\nnothing = nodes:nothing\n")
    monkeypatch.syspath_prepend(str(PLUGINS))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def one_cohort(*methods: str, seeds: int = 1) -> Cohort:
    return cohorts(expand(Suite("s", "", (entry((WALK,), methods, "tiny", seeds),))).runs)[0]


def own_method(folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(MINE)
    (folder / "beside.py").write_text("DOUBLE = 2.0\n")
    return f"{folder}/mine.py:Mine"


def scores(store: Path) -> dict[str, Any]:
    rows = Store(store).rows().to_pylist()
    return {row["key"]: (row["status"], row["scores"], row["curves"]) for row in rows}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nods", "unknown engine 'nods'; did you mean nodes"),
        ("local(fast=True)", "engine 'local' has no option 'fast'; its options: none"),
        ("nodes(counts=1)", "engine 'nodes' has no option 'counts'; its options: count, victim"),
    ],
)
def test_a_wrong_engine_is_named(package: None, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        find_engine(text)


def test_an_engine_that_is_no_executor_is_refused(package: None) -> None:
    with pytest.raises(UserError, match="engine 'nothing' is no executor"):
        find_engine("nothing").start(Settings())


def test_a_lost_machine_costs_no_row(package: None, tmp_path: Path) -> None:
    """One of two nodes is killed with a cohort; rows equal those of this process to the bit, and say where they were made."""
    mine = own_method(tmp_path / "code")
    suite = write_suite(tmp_path / "s.toml", [LINE, mine, f"{PLUGINS}/faulty.py:Faulty"], seeds=2)
    run(suite, store=tmp_path / "here", engine="inline")
    report = run(suite, store=tmp_path / "there", engine="nodes(victim=True)")
    assert report.statuses == {"ok": 4, "error": 2}
    assert scores(tmp_path / "there") == scores(tmp_path / "here")
    rows = Store(tmp_path / "there").rows(["provenance"]).to_pylist()
    assert all(row["provenance"]["torch"] and row["provenance"]["cores"] for row in rows)


def test_a_plugin_travels_by_its_source(tmp_path: Path) -> None:
    cohort = one_cohort(own_method(tmp_path / "code"))
    text = parcel(cohort, Settings())
    assert str(tmp_path) not in text.replace(str(PLUGINS), "")
    shutil.rmtree(tmp_path / "code")
    there, _ = opened(text)
    assert [run.key for run in there.runs] == [run.key for run in cohort.runs]
    assert there.method.build().forecast is not None
    changed = json.loads(text)
    changed["method_class"]["files"]["beside.py"] = "DOUBLE = 3.0\n"
    with pytest.raises(Differs, match=r"the source of 'mine\.py:Mine' differs here"):
        opened(json.dumps(changed))
    changed["method_class"]["files"]["../out.py"] = ""
    with pytest.raises(ValueError, match="outside its folder"):
        opened(json.dumps(changed))


def test_another_version_of_a_shipped_method_is_not_run() -> None:
    content = json.loads(parcel(one_cohort("persistence"), Settings()))
    content["method"]["source"] = "0" * 64
    with pytest.raises(Differs, match="the source of 'persistence' differs here"):
        opened(json.dumps(content))


class Vanishing:
    """A pool whose machines are gone before they answer."""

    def __init__(self, answers: list[str | Gone]) -> None:
        self.left, self.started = answers, 0

    def room(self) -> int:
        return 1 if self.left else 0

    def start(self, parcel: str, needs: object) -> int:
        self.started += 1
        return self.started

    def answers(self, seconds: float) -> list[tuple[int, str | Gone]]:
        return [(self.started, self.left.pop(0))]

    def close(self) -> None:
        pass


def test_runs_of_machines_that_vanish_are_lost_after_several_times() -> None:
    pool = Vanishing([Gone("no such machine"), "[]", "nonsense", Gone("again"), Gone("the last")])
    with Remote(pool, Settings(), Settings().needs()) as executor:
        executor.submit(one_cohort(LINE))
        (outcome,) = executor.completed()
    assert pool.started == 5
    assert outcome.results == failed(outcome.cohort, "lost", "the last")


def test_a_failure_of_a_method_is_not_tried_again() -> None:
    cohort = one_cohort(LINE)
    part = {"members": [0], "alone": False, "results": failed(cohort, "error", "bad"), "provenance": {}}
    pool = Vanishing([json.dumps([part])])
    with Remote(pool, Settings(), Settings().needs()) as executor:
        executor.submit(cohort)
        (outcome,) = executor.completed()
    assert outcome.results[0]["status"] == "error"


@pytest.mark.parametrize("text", ["null", "[1]", "{}", "[[]]", '[{"members": [0]}]', "[" * 100_000])
def test_answers_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        outcomes_in(text, one_cohort(LINE))


def test_this_process_finds_no_module_of_a_node() -> None:
    """Packing and opening leave the path of this process as it was."""
    before = list(sys.path)
    opened(parcel(one_cohort(LINE), Settings()))
    assert sys.path[: len(before)] == before
