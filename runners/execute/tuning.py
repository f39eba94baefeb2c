"""The best of several candidates, each member for itself: by validation data, never by the query."""

from __future__ import annotations

import dataclasses
import math
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dynamark.results.keys import canonical
from dynamark.runners.execute.clock import seconds
from dynamark.runners.execute.validation import trialed
from dynamark.tasks.criteria import Criterion
from dynamark.tasks.problems import Online, Run

__all__ = ["Candidate", "Fit", "Fitted", "Tuned", "tuned"]

# One model a member, and the run that made it.
Fitted = list[tuple[Any, Run]]

# Fits a method to problems, all members together where it can.
Fit = Callable[[Any, list[Any], list[Run]], Fitted]

# Of an online stream, the part before the choice.
_BEGIN = 8


@dataclass(frozen=True)
class Candidate:
    """One setting that competed: the fields in which it differs from the first, and what came of it.

    budget: steps or passes that it was given; score: on validation data, the smaller the better, infinite if it failed.
    """

    fields: str
    budget: int | None
    score: float
    seconds: float
    chosen: bool


@dataclass
class Tuned:
    """What tuning leaves: a model a member, and the candidates of each."""

    fitted: Fitted
    candidates: list[list[Candidate]]


@dataclass(frozen=True)
class _Trial:
    """One candidate, fitted to the trial problems of all members: by member its score, what went wrong if anything, its model."""

    scores: list[float]
    errors: list[Exception | None]
    fitted: Sequence[tuple[Any, Run] | None]
    seconds: float


def tuned(
    fit: Fit,
    methods: Sequence[Any],
    problems: list[Any],
    fresh: Callable[[int, int | None], Run],
    budget: int | None,
    criterion: Criterion,
    share: int = 1,
) -> Tuned:
    """The members of a cohort, each with the method that its validation data chooses.

    methods: the same with other fields each, the defaults first. fresh: the run of a member with a budget.
    share: of the budget a candidate gets one part in so many.

    Successive halving in one step: every candidate gets its share of the budget; the best is fitted again with the whole of
    it, to all data. It is not fitted again where it had the whole budget or takes no steps, and saw all data. Among equals the
    first is chosen.
    """
    fields = [{f.name: getattr(m, f.name) for f in dataclasses.fields(m) if f.init} for m in methods]
    settings = [canonical({k: v for k, v in own.items() if v != fields[0].get(k)}) for own in fields]
    if isinstance(problems[0], Online):
        return _online(fit, methods, settings, problems, [fresh(i, budget) for i in range(len(problems))])
    part = None if budget is None else max(1, budget // share)
    posed = trialed(problems, criterion, getattr(methods[0], "from_rest", False))
    trials = [_try(fit, method, posed, lambda i: fresh(i, part)) for method in methods]
    for wrong in zip(*(trial.errors for trial in trials), strict=True):
        if all(wrong):  # not one candidate's fault
            raise next(error for error in wrong if error is not None)
    choice = [_first_best([trial.scores[i] for trial in trials]) for i in range(len(problems))]
    fitted: list[tuple[Any, Run] | None] = [None] * len(problems)
    for place, (method, trial) in enumerate(zip(methods, trials, strict=True)):
        again = []
        for i in (i for i, chosen in enumerate(choice) if chosen == place):
            known = trial.fitted[i]
            if known is not None and posed[i].whole and (part == budget or known[1].steps is None):
                fitted[i] = known
            else:
                again.append(i)
        if again:
            for i, one in zip(
                again, fit(method, [problems[i] for i in again], [fresh(i, budget) for i in again]), strict=True
            ):
                fitted[i] = one
    candidates = [
        [Candidate(settings[k], part, t.scores[i], t.seconds, k == choice[i]) for k, t in enumerate(trials)]
        for i in range(len(problems))
    ]
    done = [one for one in fitted if one is not None]
    for (_, run), chosen in zip(done, choice, strict=True):
        run.fact("trials", len(methods))
        for name, value in fields[chosen].items():
            if isinstance(value, int | float) and any(own[name] != value for own in fields):
                run.fact(name, value)
    return Tuned(done, candidates)


def _first_best(scores: Sequence[float]) -> int:
    return min(range(len(scores)), key=scores.__getitem__)


def _try(fit: Fit, method: Any, posed: Sequence[Any], fresh: Callable[[int], Run]) -> _Trial:
    """Fit one candidate and judge it. A failure counts as infinite, and one member's does not touch the others."""
    members = list(range(len(posed)))
    runs = [fresh(i) for i in members]
    device = runs[0].device.type
    start = seconds(device)
    fitted: list[tuple[Any, Run] | None] = [None] * len(posed)
    errors: list[Exception | None] = [None] * len(posed)
    try:
        fitted = list(fit(method, [posed[i].problem for i in members], runs))
    except Exception:
        for i in members:
            try:
                fitted[i] = fit(method, [posed[i].problem], [fresh(i)])[0]
            except Exception as error:
                errors[i] = _freed(error)
    scores = [math.inf] * len(posed)
    for i, one in enumerate(fitted):
        if one is not None:
            try:
                scores[i] = posed[i].judge(one[0])
            except Exception as error:
                errors[i] = _freed(error)
    return _Trial(scores, errors, fitted, (seconds(device) - start) / len(posed))


def _freed(error: Exception) -> Exception:
    """The error without what its frames hold: it is kept while other candidates need the memory."""
    traceback.clear_frames(error.__traceback__)
    return error


# --- online: nothing is known in advance, so the choice is made on the way


def _online(fit: Fit, methods: Sequence[Any], settings: Sequence[str], problems: list[Any], runs: list[Run]) -> Tuned:
    """Every candidate as a learner of its own; after an eighth of the stream the one with the least loss goes on alone."""
    learners: list[Fitted] = []
    for method in methods:
        own = [dataclasses.replace(run, curves={}, facts={}, snapshots=[], passes=[]) for run in runs]
        learners.append(fit(method, problems, own))
    contests: Fitted = []
    candidates: list[list[Candidate]] = []
    for i, (problem, run) in enumerate(zip(problems, runs, strict=True)):
        open_list: list[Candidate] = []
        candidates.append(open_list)
        begin, device = max(1, problem.horizon // _BEGIN), run.device.type
        contests.append((Contest([own[i][0] for own in learners], settings, begin, open_list, device), run))
    return Tuned(contests, candidates)


class Contest:
    """Several learners on one stream. The first one's predictions count until the choice, then those of the chosen one."""

    def __init__(
        self,
        learners: Sequence[Any],
        settings: Sequence[str],
        begin: int,
        candidates: list[Candidate],
        device: str = "cpu",
    ) -> None:
        self._device = device
        self._learners, self._settings, self._left = list(learners), settings, begin
        self._begin, self._candidates = begin, candidates
        self._loss = [0.0] * len(learners)
        self._seconds = [0.0] * len(learners)
        self._answers: list[Tensor | None] = []
        self._chosen = 0

    def predict(self, inputs: Tensor) -> Any:
        """The prediction of the learner that counts."""
        if not self._left:
            return self._learners[self._chosen].predict(inputs)
        self._answers = []
        for k, learner in enumerate(self._learners):
            start = seconds(self._device)
            try:
                self._answers.append(learner.predict(inputs))
            except Exception:
                if k == 0:
                    raise
                self._answers.append(None)
            self._seconds[k] += seconds(self._device) - start
        return self._answers[0]

    def update(self, outputs: Tensor) -> None:
        """All learn until the choice, then the chosen one."""
        if not self._left:
            self._learners[self._chosen].update(outputs)
            return
        for k, (learner, answer) in enumerate(zip(self._learners, self._answers, strict=True)):
            start = seconds(self._device)
            try:
                loss = torch.inf if answer is None else float((answer - outputs).double().square().sum())
                self._loss[k] += loss if loss == loss else torch.inf
                learner.update(outputs)
            except Exception:
                if k == 0:
                    raise
                self._loss[k] = torch.inf
            self._seconds[k] += seconds(self._device) - start
        self._left -= 1
        if not self._left:
            self._chosen = _first_best(self._loss)
            for k, (own, loss, spent) in enumerate(zip(self._settings, self._loss, self._seconds, strict=True)):
                self._candidates.append(Candidate(own, self._begin, loss, spent, k == self._chosen))

    def parameter_count(self) -> int | None:
        """That of the learner that counts, if it says so."""
        own = getattr(self._learners[self._chosen], "parameter_count", None)
        return int(own() if callable(own) else own) if own is not None else None
