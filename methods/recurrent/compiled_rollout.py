"""A compiled free run of piecewise linear maps: below a microsecond a step, where one in torch costs a dozen calls."""

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
    """z <- A z + h + W (relu(U z + b) - relu(U z)), not clipped without the second relu; the first N units of every state."""
    path = state.new_empty(len(state), steps, observed)
    _roll(*map(as_array, (linear, shift, out, into, bias, state, path)), clipped)
    return path


@kernel
def _roll(  # pragma: no cover - compiled
    linear: Any, shift: Any, out: Any, into: Any, bias: Any, start: Any, path: Any, clipped: bool
) -> None:
    trajectories, steps, observed = path.shape
    units, hidden = out.shape
    now, then, phi = np.empty(units), np.empty(units), np.empty(hidden)
    for n in range(trajectories):
        for i in range(units):
            now[i] = start[n, i]
        for t in range(steps):
            for k in range(hidden):
                u = 0.0
                for j in range(units):
                    u += into[k, j] * now[j]
                phi[k] = max(u + bias[k], 0.0) - (max(u, 0.0) if clipped else 0.0)
            for i in range(units):
                value = shift[i]
                for j in range(units):
                    value += linear[i, j] * now[j]
                for k in range(hidden):
                    value += out[i, k] * phi[k]
                then[i] = value
            for i in range(units):
                now[i] = then[i]
            for i in range(observed):
                path[n, t, i] = now[i]
