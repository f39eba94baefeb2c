"""What data must satisfy before a method sees it: checked here, and nowhere else.

Observations, inputs and second successors are finite (but where a mask hides them) and become float64; each trajectory has
as many samples as the method needs; trajectories of unequal length become windows of equal length. What is wrong is said in
one line: which data, where (trajectory, time, channel, counted from 0), and what to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.tasks.problems import (
    Forecasting,
    ForecastingQuery,
    Online,
    Prediction,
    PredictionQuery,
    Recovery,
    Rollout,
    Training,
    Trajectories,
)

__all__ = ["accepted", "resting", "windowed"]

P = TypeVar("P")

# Fields of trajectories with an axis of time.
_TIMED = ("observations", "inputs", "gaps", "seen", "twin", "weights")


def accepted(problem: P, shortest: int | None = None) -> P:
    """The problem as a method may see it; UserError where the data is not fit.

    shortest: the least number of samples of a training trajectory that the method declares; by default two where it is to
        forecast and one where it is to predict.
    """
    rule: Callable[[Any, int | None], Any] = _RULES[type(problem)]
    return rule(problem, shortest)


def _forecasting(problem: Forecasting, shortest: int | None) -> Forecasting:
    least = 2 if shortest is None else shortest
    query = problem.query
    if query is not None:
        rollouts = {name: _rollout(name, rollout) for name, rollout in query.rollouts.items()}
        points = None if query.points is None else _finite("points", query.points)
        query = ForecastingQuery(rollouts, points, query.lyapunov_steps)
    return replace(
        problem,
        train=_trajectories("training data", problem.train, least),
        validation=_trajectories("validation data", problem.validation, 1),
        query=query,
    )


def _prediction(problem: Prediction, shortest: int | None) -> Prediction:
    query = problem.query
    if query is not None:
        query = PredictionQuery(_equal_only("the sequences to predict", query.sequences), query.horizons)
    return replace(
        problem,
        train=_trajectories("training data", problem.train, 1 if shortest is None else shortest),
        validation=_trajectories("validation data", problem.validation, 1),
        query=query,
    )


def _online(problem: Online, shortest: int | None) -> Online:
    if problem.query is None:
        return problem
    inputs, outputs = _finite("inputs", problem.query.inputs), _finite("outputs", problem.query.outputs)
    return replace(problem, query=replace(problem.query, inputs=inputs, outputs=outputs))


def _recovery(problem: Recovery, shortest: int | None) -> Recovery:
    bad = (~problem.y.isfinite()).nonzero()
    if len(bad):
        raise UserError(
            f"measurement {int(bad[0])} is {float(problem.y[bad[0]])}; leave it out, with its row of the operator"
        )
    if len(problem.y) == 0 or not bool((problem.y != 0).any()):
        raise UserError("all measurements are zero, and so is the matrix of least rank: there is nothing to recover")
    return problem


def _training(problem: Training, shortest: int | None) -> Training:
    bad = (~problem.inputs.isfinite()).nonzero()
    if len(bad):
        raise UserError(f"sample {int(bad[0, 0])} has an input that is no finite number; leave it out")
    return problem


_RULES: dict[type, Callable[[Any, int | None], Any]] = {
    Forecasting: _forecasting,
    Prediction: _prediction,
    Online: _online,
    Recovery: _recovery,
    Training: _training,
}


# --- trajectories


def resting(context: Trajectories) -> Trajectories:
    """An empty context as one sample at rest, observation and input zero: for models that continue from what they see.

    Others declare `from_rest = True` and are handed the empty context.
    """
    if context.observations.shape[1]:
        return context
    y, u = context.observations, context.inputs
    still = y.new_zeros(len(y), 1, y.shape[2])
    return replace(
        context, observations=still, inputs=None if u is None else u.new_zeros(len(u), 1, u.shape[2]), gaps=None
    )


def _rollout(name: str, rollout: Rollout) -> Rollout:
    inputs = None if rollout.inputs is None else _finite(f"inputs of '{name}'", rollout.inputs)
    return Rollout(_equal_only(f"the contexts of '{name}'", rollout.context), rollout.horizon, inputs)


def _equal_only(where: str, paths: Trajectories) -> Trajectories:
    """Trajectories that are answered one for one, so that they cannot be cut."""
    if paths.lengths is not None:
        raise UserError(f"{where} have unequal lengths; give each length a query of its own")
    return _checked(where, paths)


def _trajectories(where: str, paths: Trajectories, shortest: int) -> Trajectories:
    """Checked and of equal length."""
    if len(paths) == 0:
        raise UserError(f"{where}: there is no trajectory; give at least one")
    if paths.lengths is None:
        if paths.observations.shape[1] < shortest:
            raise UserError(
                f"{where}: trajectories have {_count(paths.observations.shape[1])}, and this method needs at least "
                f"{shortest}; give longer ones"
            )
        return _checked(where, paths)
    short = (paths.lengths < shortest).nonzero()
    if len(short):
        n = int(short[0])
        raise UserError(
            f"{where}: trajectory {n} has {_count(int(paths.lengths[n]))}, and this method needs at least {shortest}; "
            "leave it out"
        )
    return windowed(_checked(where, paths))


def _count(samples: int) -> str:
    return f"{samples} sample{'s' * (samples != 1)}"


def _checked(where: str, paths: Trajectories) -> Trajectories:
    """In float64 and finite; what a mask hides becomes the mean of what it shows."""
    hidden = torch.zeros(paths.observations.shape[:2], dtype=torch.bool, device=paths.observations.device)
    if paths.lengths is not None:
        hidden = torch.arange(hidden.shape[1], device=hidden.device) >= paths.lengths[:, None]
    inputs = (
        None if paths.inputs is None else _finite(f"inputs of {where}", paths.inputs, _fitting(hidden, paths.inputs))
    )
    if paths.seen is not None:
        hidden = hidden | ~paths.seen
    return replace(
        paths,
        observations=_finite(where, paths.observations, hidden),
        inputs=inputs,
        twin=None if paths.twin is None else _finite(f"second successors of {where}", paths.twin, hidden),
        gaps=None if paths.gaps is None else paths.gaps.double(),
    )


def _fitting(hidden: Tensor, inputs: Tensor) -> Tensor | None:
    """The mask for inputs, which may reach further than the observations do."""
    return hidden if inputs.shape[:2] == hidden.shape else None


def _finite(where: str, values: Tensor, hidden: Tensor | None = None) -> Tensor:
    """float64; raise where a value that is not hidden is not finite, and fill in those that are."""
    values = values.double()
    finite = values.isfinite()
    if bool(finite.all()):
        return values
    shown = finite if hidden is None else finite | hidden[..., None]
    bad = (~shown).nonzero()
    if len(bad):
        n, t, c = bad[0].tolist()
        raise UserError(
            f"{where}: {float(values[n, t, c])} at trajectory {n}, time {t}, channel {c}; fill it in, cut the trajectory there, "
            "or hide it by `seen`"
        )
    mean = torch.nan_to_num(values.where(finite, torch.nan).nanmean((0, 1)))
    return values.where(finite, mean)


def windowed(paths: Trajectories) -> Trajectories:
    """Windows as long as the shortest trajectory, evenly placed, that together hold every step of every trajectory.

    A trajectory of l samples gives ceil((l - 1)/(w - 1)) windows of w samples, which share at least one sample each, so that no
    pair of successive samples is lost; some count twice.
    """
    if paths.lengths is None:
        return paths
    lengths = [int(length) for length in paths.lengths]
    width = min(lengths)
    places = []
    for n, length in enumerate(lengths):
        count = max(1, math.ceil((length - 1) / max(1, width - 1)))
        places += [(n, round(k * (length - width) / max(1, count - 1))) for k in range(count)]
    parts: dict[str, Any] = {f.name: getattr(paths, f.name) for f in fields(paths)}
    for name in _TIMED:
        if parts[name] is not None:
            parts[name] = torch.stack([parts[name][n, start : start + width] for n, start in places])
    return Trajectories(**{**parts, "lengths": None})
