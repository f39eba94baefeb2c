"""Roll-outs of sequence networks step by step: O(1) a step, where the whole pass again at every step costs O(time)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.methods.sequence.steps import Steps
from dynamark.tasks.numerics.compiling import kernel

__all__ = ["ahead", "roll"]

# The step of the network that is rolled out; every network has its own.
advance: Any = None


def roll(
    steps: Steps, x: Float[ndarray, "trajectory time channel"], seen: int, slot: int, dim: int
) -> Float[ndarray, "trajectory future dim"]:
    """The outputs after the first `seen` inputs; channels `slot` to `slot + dim` hold the last output.

    x[:, : seen + 1] is known whole; later inputs take the output before them from the network itself.
    """
    out = np.empty((len(x), x.shape[1] - seen, dim))
    with np.errstate(all="ignore"):
        _roll.given(**_parts(steps))(
            np.array(x, dtype=np.float64, order="C"), seen, slot, out, steps.size, steps.weights
        )
    return out


def ahead(
    steps: Steps, x: Float[ndarray, "trajectory time channel"], horizon: int, slot: int, dim: int
) -> Float[ndarray, "trajectory time dim"]:
    """At t the output at t + horizon - 1, from outputs before t and inputs up to there; 0 where those end."""
    out = np.zeros((*x.shape[:2], dim))
    given = np.array(x, dtype=np.float64, order="C")
    with np.errstate(all="ignore"):
        _ahead.given(**_parts(steps))(given, horizon, slot, out, steps.size, steps.weights)
    return out


def _parts(steps: Steps) -> dict[str, Any]:
    return {"advance": steps.advance, **dict(steps.advance.parts)}


@kernel
def _roll(x: Any, seen: int, slot: int, out: Any, size: int, weights: Any) -> None:
    rows, time, _ = x.shape
    dim = out.shape[2]
    y = np.empty(dim)
    for n in range(rows):
        state = np.zeros(size)
        for t in range(time):
            now = x[n, t]
            if t > seen:
                now[slot : slot + dim] = y
            advance(now, state, y, weights)
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
                now = x[n, t + k].copy()
                if k:
                    now[slot : slot + dim] = y
                advance(now, branch, y, weights)
                if k == 0:
                    state[:] = branch
            out[n, t] = y
