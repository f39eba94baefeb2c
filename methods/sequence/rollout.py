"""Step-by-step rollouts of sequence networks, at a cost per step that does not depend on the sequence length."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.methods.sequence.steps import Stepwise
from dynamark.tasks.numerics.compiling import kernel

__all__ = ["ahead", "roll"]

# The step of the network, replaced for each network by its own.
advance: Any = None


def roll(
    steps: Stepwise, x: Float[ndarray, "trajectory time channel"], seen: int, slot: int, dim: int
) -> Float[ndarray, "trajectory future dim"]:
    """The outputs at t >= seen, each prediction fed back as an input of the next step.

    Channels `slot` to `slot + dim` of the input are the previous output: given in x[:, : seen + 1], then replaced by the
    network's own predictions.
    """
    out = np.empty((len(x), x.shape[1] - seen, dim))
    with np.errstate(all="ignore"):
        _roll.given(**_parts(steps))(
            np.array(x, dtype=np.float64, order="C"), seen, slot, out, steps.size, steps.weights
        )
    return out


def ahead(
    steps: Stepwise, x: Float[ndarray, "trajectory time channel"], horizon: int, slot: int, dim: int
) -> Float[ndarray, "trajectory time dim"]:
    """At t the forecast of the output at t + horizon - 1 from the outputs before t; 0 where this is after the last input."""
    out = np.zeros((*x.shape[:2], dim))
    inputs = np.array(x, dtype=np.float64, order="C")
    with np.errstate(all="ignore"):
        _ahead.given(**_parts(steps))(inputs, horizon, slot, out, steps.size, steps.weights)
    return out


def _parts(steps: Stepwise) -> dict[str, Any]:
    return {"advance": steps.advance, **dict(steps.advance.parts)}


@kernel
def _roll(x: Any, seen: int, slot: int, out: Any, size: int, weights: Any) -> None:
    rows, time, _ = x.shape
    dim = out.shape[2]
    y = np.empty(dim)
    for n in range(rows):
        state = np.zeros(size)
        for t in range(time):
            features = x[n, t]
            if t > seen:
                features[slot : slot + dim] = y
            advance(features, state, y, weights)
            if t >= seen:
                out[n, t - seen] = y


@kernel
def _ahead(x: Any, horizon: int, slot: int, out: Any, size: int, weights: Any) -> None:
    rows, time, _ = x.shape
    dim = out.shape[2]
    y = np.empty(dim)
    for n in range(rows):
        state = np.zeros(size)
        for t in range(time - horizon + 1):
            branch = state.copy()
            for k in range(horizon):
                features = x[n, t + k].copy()
                if k:
                    features[slot : slot + dim] = y
                advance(features, branch, y, weights)
                if k == 0:
                    state[:] = branch
            out[n, t] = y
