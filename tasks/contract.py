"""Validation of the data of a problem before it is given to a method; this is the only place where data is checked.

Observations, inputs and second successors must be finite, except where masked, and are converted to float64; each trajectory
must have as many samples as the method needs; trajectories of unequal length are cut into windows of equal length. Errors are
UserErrors of one line: which data, where (trajectory, time, channel, counted from 0), and the remedy.
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

# Fields of `Trajectories` with a time axis.
_TIMED = ("observations", "inputs", "gaps", "seen", "twin", "weights")


def accepted(problem: P, shortest: int | None = None) -> P:
    """The validated and converted problem that is given to a method; UserError if the data is invalid.

    shortest: minimum number of samples per training trajectory, as declared by the method; by default 2 for `Forecasting` and 1
        for `Prediction`.
    """
    rule: Callable[[Any, int | None], Any] = _RULES[type(problem)]
    return rule(problem, shortest)


def _forecasting(problem: Forecasting, shortest: int | None) -> Forecasting:
    least = 2 if shortest is None else shortest
    query = problem.query
    if query is not None:
        rollouts = {name: _rollout(name, rollout) for name, rollout in query.rollouts.items()}
        points = None if query.points is None else _finite("points", query.points)
        query = replace(query, rollouts=rollouts, points=points)
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
        raise UserError("all measurements are zero, so the zero matrix is a solution; give non-zero measurements")
    return problem


def _training(problem: Training, shortest: int | None) -> Training:
    bad = (~problem.inputs.isfinite()).nonzero()
    if len(bad):
        raise UserError(f"sample {int(bad[0, 0])} has a non-finite input; leave it out")
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
    """Replace an empty context by one sample at rest, with zero observation and input.

    Only for models that need at least one observation; models with `from_rest = True` are given the empty context.
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
    """Checked trajectories of a query, which must have equal length because they cannot be cut into windows."""
    if paths.lengths is not None:
        raise UserError(f"{where} have unequal lengths; give a separate query for each length")
    return _checked(where, paths)


def _trajectories(where: str, paths: Trajectories, shortest: int) -> Trajectories:
    """Checked trajectories, cut into windows of equal length if their lengths differ."""
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
    """Trajectories in float64 with finite values; non-finite masked values are replaced by the mean of the finite ones."""
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
    """The mask of the inputs: that of the observations, or None if the inputs have more steps than the observations."""
    return hidden if inputs.shape[:2] == hidden.shape else None


def _finite(where: str, values: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Values in float64; hidden non-finite values become the mean of their channel. UserError for others."""
    values = values.double()
    finite = values.isfinite()
    if bool(finite.all()):
        return values
    valid = finite if hidden is None else finite | hidden[..., None]
    bad = (~valid).nonzero()
    if len(bad):
        n, t, c = bad[0].tolist()
        raise UserError(
            f"{where}: {float(values[n, t, c])} at trajectory {n}, time {t}, channel {c}; fill it in, cut the trajectory there, "
            "or mask it with `seen`"
        )
    mean = torch.nan_to_num(values.where(finite, torch.nan).nanmean((0, 1)))
    return values.where(finite, mean)


def windowed(paths: Trajectories) -> Trajectories:
    """Evenly spaced windows, as long as the shortest trajectory, that together cover every step of every trajectory.

    A trajectory of l samples gives ceil((l - 1)/(w - 1)) windows of w samples. Consecutive windows share at least one sample, so
    that every pair of successive samples is in some window; some pairs are in two.
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
