"""Predicts how long runs take, from the times of published results."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dynamark.results.schema import EXPERIMENT, RUN
from dynamark.results.store import published_store, read_rows
from dynamark.runners.plan.cohorts import Cohort, Planned, PlannedRun
from dynamark.runners.spec import competing, halved

__all__ = ["Seconds"]

_COLUMNS = [
    "kind",
    "suite",
    "task",
    "tier",
    "method",
    "budget",
    "steps",
    "fit_seconds",
    "predict_seconds",
    "scores",
    "candidates",
]

# The number of cores for which hours are predicted.
CORES = 2


@dataclass(frozen=True)
class _Known:
    """One published run: seconds of one fit to the end, its steps if it takes any, its budget, and seconds of its answers.

    tuned: the seconds are those of all candidates and of the fit of the best.
    """

    fit: float
    steps: int | None
    budget: int | None
    answers: float
    tuned: bool = False


class Seconds:
    """Predicts the times of runs from published results: of the same task and method, else of the method, else of all runs.

    A run that chooses among candidates, which may be larger than a method's default, takes as long as such runs of the method, if
    there are any. An experiment takes as long as its published runs in the median, whatever its fields.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] | None = None) -> None:
        published = read_rows([published_store()], _COLUMNS).to_pylist() if rows is None else rows
        self._known: dict[tuple[str, ...], list[_Known]] = defaultdict(list)
        self._predicted: dict[tuple[Any, ...], float | None] = {}  # all seeds of a pair take as long
        for row in published:
            if row["fit_seconds"] is None:
                continue
            if row["kind"] == EXPERIMENT:
                self._known[EXPERIMENT, _bare(row["task"])].append(_known(row))
            if row["kind"] == RUN:
                task, method = _bare(row["task"]), _bare(row["method"])
                for place in _places(task, row["tier"], method):
                    self._known[place].append(_known(row))
                    if row["candidates"]:
                        self._known["tuned", *place].append(_tuned(row))

    def of(self, run: Planned) -> float | None:
        """Predicted seconds of a run on one core, including tuning; None without published results."""
        if not isinstance(run, PlannedRun):
            measured = self._known.get((EXPERIMENT, run.method.name))
            return statistics.median(known.fit for known in measured) if measured else None
        same = (run.task.name, run.task.tier, run.method.label, run.row["method_fields"], run.budget)
        if same not in self._predicted:
            self._predicted[same] = self._median(run)
        return self._predicted[same]

    def _median(self, run: PlannedRun) -> float | None:
        *of_method, of_all = _places(_bare(run.task.name), run.task.tier, _bare(run.method.label))
        tuned = [("tuned", *place) for place in of_method] if len(competing(run.method.fields)) > 1 else []
        for place in (*tuned, *of_method, of_all):
            if similar := self._known.get(place):
                return statistics.median(_scaled(known, run) for known in similar)
        return None

    def of_cohort(self, cohort: Cohort) -> float:
        """Predicted seconds of a cohort on one core; 0 for what cannot be predicted."""
        return sum(self.of(run) or 0.0 for run in cohort.runs)

    def longest_first(self, cohorts: Iterable[Cohort]) -> list[Cohort]:
        """The cohorts in the order in which several workers end at about the same time."""
        return sorted(cohorts, key=self.of_cohort, reverse=True)

    def hours(self, runs: Sequence[Planned]) -> float | None:
        """Predicted hours of all runs on two cores; None without published results."""
        seconds = [self.of(run) for run in runs]
        if all(one is None for one in seconds):
            return None
        return sum(one for one in seconds if one is not None) / CORES / 3600


def _known(row: dict[str, Any]) -> _Known:
    """Of a run that chose among several, the seconds of one fit: what its candidates took is left out."""
    competed = row["candidates"] or []
    trials = next((s["value"] for s in row["scores"] or [] if s["name"] == "fact.trials"), 1.0)
    fit = row["fit_seconds"] - sum(one["seconds"] for one in competed)
    if competed and row["steps"] is None:  # nothing was fitted again
        fit = statistics.mean(one["seconds"] for one in competed)
    return _Known(max(fit, 0.0) / trials, row["steps"], row["budget"], row["predict_seconds"] or 0.0)


def _tuned(row: dict[str, Any]) -> _Known:
    """Of a run that chose among several, the seconds of all of it."""
    return _Known(row["fit_seconds"], row["steps"], row["budget"], row["predict_seconds"] or 0.0, tuned=True)


def _scaled(known: _Known, run: PlannedRun) -> float:
    """A fit that used up its steps takes as long as these. A candidate gets its share; what takes no steps is fitted once."""
    used_up = known.steps is not None and known.steps == known.budget and run.budget is not None
    fit = known.fit * (run.budget / known.steps if used_up and run.budget and known.steps else 1.0)
    if known.tuned:
        return fit + known.answers
    count = max(1, len(competing(run.method.fields)))
    times = count if known.steps is None else 1 + (count / halved(run.method.fields) if count > 1 else 0)
    return fit * times + known.answers


def _places(task: str, tier: str, method: str) -> list[tuple[str, ...]]:
    """Where runs of a method on a task are known, from the closest to that of all runs."""
    return [(task, tier, method), (_family(task), tier, method), (tier, method), ()]


def _bare(label: str) -> str:
    return label.partition("(")[0]


def _family(task: str) -> str:
    return task.partition("/")[0]
