"""The best of several trials by the error on validation data, a member at a time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dynamark.tasks.contract import resting
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories

__all__ = ["ANSWERS", "Fitted", "best", "validation_error"]

# One model a member, and the run that made it.
Fitted = list[tuple[Any, Run]]


def best(tried: Sequence[Fitted], problems: Sequence[Any], methods: Sequence[Any]) -> Fitted:
    """Of each member the model that errs least on its validation data; its run tells of how many trials, and what was chosen.

    tried: the fitted members of each of the methods, which differ in what is to be chosen.
    """
    names = [f.name for f in dataclasses.fields(methods[0]) if len({repr(getattr(m, f.name)) for m in methods}) > 1]
    rest = getattr(methods[0], "from_rest", False)
    chosen = []
    for member, problem in enumerate(problems):
        errors = [validation_error(fitted[member][0], problem, rest) for fitted in tried]
        place = errors.index(min(errors))
        model, run = tried[place][member]
        run.fact("trials", len(tried))
        for name in names:
            if isinstance(value := getattr(methods[place], name), int | float):
                run.fact(name, value)
        chosen.append((model, run))
    return chosen


def validation_error(model: Any, problem: Prediction | Forecasting, from_rest: bool = False) -> float:
    """The mean squared error on the validation data over the power of what was to be answered; infinite if it is not a number.

    from_rest: whether the model takes an empty context (see `resting`).
    """
    with torch.no_grad():
        truth, answer = ANSWERS[type(problem)](model, problem, from_rest)
    error = float((answer - truth).double().square().mean() / truth.double().square().mean())
    return math.inf if math.isnan(error) else error


def _predicted(model: Any, problem: Prediction, from_rest: bool) -> tuple[Tensor, Tensor]:
    """One step ahead, where outputs were seen."""
    held = problem.validation
    answer = model.predict(held, (1,))[0]
    seen = slice(None) if held.seen is None else held.seen
    return held.observations[seen], answer[seen]


def _continued(model: Any, problem: Forecasting, from_rest: bool) -> tuple[Tensor, Tensor]:
    """The rest of each trajectory after its context, at least half of it."""
    held = problem.validation
    length = held.observations.shape[1]
    context = min(problem.context, length // 2)
    horizon = length - context
    inputs = None if held.inputs is None else held.inputs[:, context:]
    start = _until(held, context)
    answer = model.forecast(start if from_rest else resting(start), horizon, inputs)
    return held.observations[:, context:], answer


def _until(paths: Trajectories, time: int) -> Trajectories:
    """The first samples."""
    parts: dict[str, Any] = {f.name: getattr(paths, f.name) for f in dataclasses.fields(paths)}
    parts |= {name: part[:, :time] for name, part in parts.items() if isinstance(part, Tensor)}
    return Trajectories(**parts)


# The kinds of problem that hold validation data, and what is asked of a model there.
ANSWERS: dict[type, Callable[[Any, Any, bool], tuple[Tensor, Tensor]]] = {
    Prediction: _predicted,
    Forecasting: _continued,
}
