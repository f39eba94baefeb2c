"""Fixed-step integrators of batches of initial conditions: elementwise, in float64, in a fixed order of operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["Field", "rk4", "rk4_step"]

# x' = f(x) for states [batch, dim]
Field = Callable[[ndarray], ndarray]


def rk4_step(field: Field, x: ndarray, h: float) -> ndarray:
    """x + h/6 (k1 + 2 k2 + 2 k3 + k4): one step of the classical Runge-Kutta method, of error O(h^5)."""
    k1 = field(x)
    k2 = field(x + (h / 2) * k1)
    k3 = field(x + (h / 2) * k2)
    k4 = field(x + h * k3)
    return x + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)


def rk4(
    field: Field, start: Float[ndarray, "batch dim"], dt: float, steps: int, substeps: int = 1
) -> Float[ndarray, "batch steps dim"]:
    """The states after dt, 2 dt, ..., steps dt, each sample by `substeps` Runge-Kutta steps.

    Every trajectory has the same bits whatever its neighbours in the batch.
    """
    out = np.empty((len(start), steps, start.shape[1]))
    x = np.array(start, dtype=np.float64)
    h = dt / substeps
    for n in range(steps):
        for _ in range(substeps):
            x = rk4_step(field, x, h)
        out[:, n] = x
    return out
