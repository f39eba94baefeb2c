"""Compiled free runs of piecewise linear maps: less than a microsecond per step, compared with a dozen torch calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics.compiling import as_array, kernel

__all__ = ["roll"]


def roll(
    linear: Float[Tensor, "M M"],
    shift: Float[Tensor, " M"],
    out: Float[Tensor, "M H"],
    into: Float[Tensor, "H M"],
    bias: Float[Tensor, " H"],
    clipped: bool,
    state: Float[Tensor, "trajectory M"],
    steps: int,
    observed: int,
) -> Float[Tensor, "trajectory steps N"]:
    """z <- A z + h + W (relu(U z + b) - relu(U z)), if not `clipped` without the second relu; the first N units over time."""
    path = state.new_empty(len(state), steps, observed)
    _roll(*map(as_array, (linear, shift, out, into, bias, state, path)), clipped)
    return path


@kernel
def _roll(  # pragma: no cover - compiled
    linear: Any, shift: Any, out: Any, into: Any, bias: Any, start: Any, path: Any, clipped: bool
) -> None:
    trajectories, steps, observed = path.shape
    units, hidden = out.shape
    state, following, phi = np.empty(units), np.empty(units), np.empty(hidden)
    for n in range(trajectories):
        for i in range(units):
            state[i] = start[n, i]
        for t in range(steps):
            for k in range(hidden):
                u = 0.0
                for j in range(units):
                    u += into[k, j] * state[j]
                phi[k] = max(u + bias[k], 0.0) - (max(u, 0.0) if clipped else 0.0)
            for i in range(units):
                value = shift[i]
                for j in range(units):
                    value += linear[i, j] * state[j]
                for k in range(hidden):
                    value += out[i, k] * phi[k]
                following[i] = value
            for i in range(units):
                state[i] = following[i]
            for i in range(observed):
                path[n, t, i] = state[i]
