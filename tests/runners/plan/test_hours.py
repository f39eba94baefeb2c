"""Predicted seconds of runs: from the nearest published results, by steps and candidates; and the order of cohorts."""

from __future__ import annotations

from typing import Any

import pytest
from support import entry, specs

from dynamark.runners.plan.cohorts import PlannedRun, cohorts
from dynamark.runners.plan.complete import load_board
from dynamark.runners.plan.expand import Plan, expand
from dynamark.runners.plan.hours import Seconds
from dynamark.runners.plan.suite import Suite
from dynamark.runners.spec import competing


def known(task: str, method: str, fit: float, **changed: Any) -> dict[str, Any]:
    """A published row with the columns that a prediction reads."""
    row = {"kind": "run", "suite": "s", "task": task, "tier": "tiny", "method": method, "budget": None, "steps": None}
    return {**row, "fit_seconds": fit, "predict_seconds": 0.5, "scores": [], "candidates": None, **changed}


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Two methods on two tasks, two seeds each, with a budget of 200 steps."""
    entries = [entry((task,), ("dmd", "persistence"), "tiny", 2, 200) for task in ("koopman/duffing", "chaos/lorenz63")]
    return expand(Suite("s", "", tuple(entries)))


def run_of(plan: Plan, task: str, method: str) -> PlannedRun:
    return next(
        run
        for run in plan.runs
        if isinstance(run, PlannedRun) and run.task.name.startswith(task) and run.method.label == method
    )


def test_the_nearest_results_count(plan: Plan) -> None:
    """First the pair of task and method, then the method in the family, then the method, then all runs."""
    run = run_of(plan, "koopman/duffing", "persistence")
    rows = [known("chaos/other", "dmd", 100.0)]
    expected = [100.5]
    for task, method, fit in (
        ("chaos/x", "persistence", 30.0),
        ("koopman/x", "persistence", 20.0),
        (run.task.name, "persistence", 10.0),
    ):
        rows = [*rows, known(task, method, fit, tier=run.task.tier)]
        expected.append(fit + 0.5)
    for count, seconds in enumerate(expected, 1):
        assert Seconds(rows[:count]).of(run) == pytest.approx(seconds)
    assert Seconds([]).of(run) is None
    assert Seconds([]).hours([run]) is None


def test_a_fit_that_used_up_its_steps_scales_with_the_budget(plan: Plan) -> None:
    run = run_of(plan, "koopman/duffing", "persistence")
    assert run.budget
    row = known(run.task.name, run.method.label, 8.0, tier=run.task.tier, steps=2 * run.budget, budget=2 * run.budget)
    assert Seconds([row]).of(run) == pytest.approx(4.5)
    early = {**row, "steps": run.budget}  # it stopped by itself: the budget says nothing
    assert Seconds([early]).of(run) == pytest.approx(8.5)


def test_the_seconds_of_candidates_are_not_those_of_the_fit(plan: Plan) -> None:
    run = run_of(plan, "koopman/duffing", "persistence")
    candidates = [{"seconds": 1.0}, {"seconds": 3.0}]
    row = known(run.task.name, run.method.label, 6.0, tier=run.task.tier, candidates=candidates)
    assert Seconds([row]).of(run) == pytest.approx(2.5)  # nothing was fitted again: the mean of the candidates
    again = {**row, "steps": 7, "budget": 10}
    assert Seconds([again]).of(run) == pytest.approx(2.5)  # 6 - 1 - 3


def test_a_run_that_chooses_takes_as_long_as_runs_that_chose() -> None:
    """Its candidates may be larger than the default, which is all that an untuned run tells of."""
    chooses = run_of(expand(load_board("koopman/forecasting"), method=specs("dmd")), "koopman/duffing", "dmd")
    count = len(competing(chooses.method.fields))
    assert count > 1
    near = known("koopman/duffing", "dmd", 1.0, tier=chooses.task.tier)
    far = known("koopman/x", "dmd", 9.0, tier=chooses.task.tier, candidates=[{"seconds": 4.0}] * 2)
    assert Seconds([near]).of(chooses) == pytest.approx(count + 0.5)
    assert Seconds([near, far]).of(chooses) == pytest.approx(9.5)
    assert chooses.budget
    doubled = {**far, "steps": 2 * chooses.budget, "budget": 2 * chooses.budget}
    assert Seconds([near, doubled]).of(chooses) == pytest.approx(5.0)
    other = known("koopman/x", "edmd", 9.0, tier=chooses.task.tier, candidates=[{"seconds": 4.0}])
    assert Seconds([near, other]).of(chooses) == pytest.approx(count + 0.5)


def test_hours_and_the_order_of_cohorts(plan: Plan) -> None:
    rows = [
        known(run_of(plan, task, method).task.name, method, fit, tier=run_of(plan, task, method).task.tier)
        for task, method, fit in (
            ("koopman/duffing", "dmd", 1.0),
            ("koopman/duffing", "persistence", 4.0),
            ("chaos/lorenz63", "dmd", 3.0),
            ("chaos/lorenz63", "persistence", 2.0),
        )
    ]
    seconds = Seconds(rows)
    ordered = [seconds.of_cohort(cohort) for cohort in seconds.longest_first(cohorts(plan.runs))]
    assert ordered == pytest.approx([4.5, 4.5, 3.5, 3.5, 2.5, 2.5, 1.5, 1.5])
    assert seconds.hours(plan.runs) == pytest.approx(24.0 / 2 / 3600)


def test_an_experiment_takes_as_long_as_its_published_runs() -> None:
    from dynamark.runners.claims.catalog import choose
    from dynamark.runners.claims.needs import suites_of

    runs = [run for suite in suites_of(choose(["K48"])) for run in expand(suite).runs]
    rows = [known(run.row["task"], "", 7.0, kind="experiment") for run in runs[:1]]
    assert Seconds(rows).of(runs[0]) == pytest.approx(7.0)
    assert Seconds([known("koopman/other", "", 7.0, kind="experiment")]).of(runs[0]) is None
