"""What the answers of a run are worth: the columns of its row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
from support import WALK

from dynamark.runners.execute import scorer
from dynamark.runners.execute.answers import Answer
from dynamark.runners.registry import load
from dynamark.tasks.base import Curve, Metric, Scores

Walk: Any = load(WALK, "task")


@dataclass(frozen=True, kw_only=True)
class Judge(Walk):  # type: ignore[misc]
    """A task whose scores, facts and curves are its fields."""

    values: Mapping[str, float] = field(default_factory=lambda: {"error": 2.0})
    facts: Mapping[str, float] = field(default_factory=dict)
    curves: tuple[Curve, ...] = ()
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("error"), Metric("other"))

    def score(self, solution: Any, seed: int) -> Scores:
        return Scores(self.values, self.curves, self.facts)

    def baseline(self, seed: int) -> float:
        return 10.0 + seed

    def oracle(self, seed: int) -> float | None:
        return None


def answered(**more: Any) -> Answer:
    columns = {"fit_seconds": 1.0, "predict_seconds": 0.5, "parameters": 3, "steps": None, "candidates": []}
    return Answer(**{"arrays": {"forecast": np.ones(3)}, "curves": {}, "facts": {}, **columns, **more})


def scored(judge: Judge, answer: Answer | None = None) -> dict[str, Any]:
    return scorer.score(judge, 1, answer or answered())


def test_a_row_holds_scores_facts_and_both_ends_of_the_scale() -> None:
    row = scored(Judge(values={"error": 2.0, "other": 3.0}, facts={"of_task": 1.0}), answered(facts={"of_method": 4.0}))
    assert (row["status"], row["reason"]) == ("ok", None)
    assert row["primary"] == {
        "value": 2.0,
        "score": "error",
        "lower_is_better": True,
        "log": True,
        "floor": 1e-9,
        "baseline": 11.0,
        "oracle": None,
    }
    values = {score["name"]: score["value"] for score in row["scores"]}
    assert values == {"error": 2.0, "other": 3.0, "fact.of_task": 1.0, "fact.of_method": 4.0}


def test_a_method_that_reports_the_task_s_own_fact_has_the_last_word() -> None:
    row = scored(Judge(facts={"trials": 1.0}), answered(facts={"trials": 4.0}))
    assert {"name": "fact.trials", "value": 4.0} in row["scores"]


@pytest.mark.parametrize("value", [None, np.nan, np.inf, -np.inf])
def test_a_primary_score_that_is_missing_or_not_finite_is_refused(value: float | None) -> None:
    with pytest.raises(ValueError, match="gave no finite 'error'"):
        scored(Judge(values={"other": 1.0} if value is None else {"error": value}))


def test_an_undeclared_score_is_refused() -> None:
    with pytest.raises(ValueError, match="gave the score 'new', which is not among its metrics"):
        scored(Judge(values={"error": 1.0, "new": 2.0}))


@pytest.mark.parametrize(
    ("arrays", "status"),
    [
        ({"forecast": np.array([1.0, np.nan])}, "diverged"),
        ({"a": np.ones(2), "b": np.array([-np.inf])}, "diverged"),
        # A trained network's iterates are no answers: they may diverge on the way.
        ({"forecast": np.ones(2), "snapshot.3": np.array([np.nan])}, "ok"),
        ({}, "ok"),
    ],
)
def test_answers_of_nan_or_infinity_are_scored_as_diverged(arrays: dict[str, Any], status: str) -> None:
    row = scored(Judge(), answered(arrays=arrays))
    assert row["status"] == status
    assert row["reason"] == (None if status == "ok" else "the answers hold NaN or infinity")
    assert row["primary"]["value"] == 2.0


def test_no_candidates_are_null_and_some_are_kept() -> None:
    one = [{"fields": "{}", "budget": 1, "score": 1.0, "seconds": 1.0, "chosen": True}]
    assert scored(Judge())["candidates"] is None
    assert scored(Judge(), answered(candidates=one))["candidates"] == one


def test_a_long_curve_is_thinned_and_keeps_both_ends() -> None:
    axis = np.arange(5000.0)
    row = scored(Judge(curves=(Curve("long", axis, -axis),)), answered(curves={"own": [(0.0, 1.0), (2.0, 3.0)]}))
    long, own = row["curves"]
    assert (long["axis"][0], long["axis"][-1]) == (0.0, 4999.0)
    assert len(long["axis"]) <= Curve("long", axis, axis).most < 5000
    np.testing.assert_array_equal(long["values"], -np.array(long["axis"]))
    assert own == {"name": "own", "axis": [0.0, 2.0], "values": [1.0, 3.0]}


def test_a_task_is_rebuilt_from_plain_data() -> None:
    task = Walk.at("tiny", noise=0.5, name="a walk", salt="s")
    description = scorer.describe(task)
    again = scorer.rebuild(json.loads(json.dumps(description)))
    assert again == task
    assert (again.name, again.salt, again.noise) == ("a walk", "s", 0.5)


@dataclass(frozen=True, kw_only=True)
class Counted(Walk):  # type: ignore[misc]
    """A task that counts how often its oracle is computed."""

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("error"),)
    calls: ClassVar[list[tuple[str, int]]] = []

    def score(self, solution: Any, seed: int) -> Scores:
        return Scores({"error": 1.0})

    def oracle(self, seed: int) -> float:
        self.calls.append((self.salt, seed))
        return 0.5


def test_the_ends_of_a_scale_are_computed_once_for_all_rows_of_an_instance() -> None:
    """Seeds and salts are instances of their own."""
    Counted.calls.clear()
    for salt in ("", "other"):
        for seed in (0, 1):
            rows = [scorer.score(Counted(name="x/counted", salt=salt), seed, answered()) for _ in range(3)]
            assert [row["primary"]["oracle"] for row in rows] == [0.5] * 3
    assert Counted.calls == [("", 0), ("", 1), ("other", 0), ("other", 1)]
