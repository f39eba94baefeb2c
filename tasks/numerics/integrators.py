"""Fixed-step integrators for batches of initial conditions: elementwise, float64, in a fixed order of operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

__all__ = ["BoundField", "Field", "Rates", "bind_rk4", "dop853", "rk4", "rk4_jacobian", "rk4_step"]

# x' = f(x) for states [batch, dim]
Field = Callable[[ndarray], ndarray]
# x' = f(x) for states [dim, batch]: each coordinate is one contiguous row
Rates = Callable[[ndarray], ndarray]
# x' = f(x) bound to arrays: bind(state, out) returns a function that writes f(state) to out
BoundField = Callable[[ndarray, ndarray], Callable[[], None]]


def rk4_step(field: Field, x: ndarray, h: float) -> ndarray:
    """x + h/6 (k1 + 2 k2 + 2 k3 + k4): one step of the classical Runge-Kutta method, local error O(h^5)."""
    k1 = field(x)
    k2 = field(x + (h / 2) * k1)
    k3 = field(x + (h / 2) * k2)
    k4 = field(x + h * k3)
    return x + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)


def rk4(
    field: Field, start: Float[ndarray, "batch dim"], dt: float, steps: int, substeps: int = 1
) -> Float[ndarray, "batch steps dim"]:
    """States at times dt, 2 dt, ..., steps dt, with `substeps` Runge-Kutta steps per sample.

    Trajectories are bitwise independent of the other trajectories in the batch.
    """
    out = np.empty((len(start), steps, start.shape[1]))
    x = np.array(start, dtype=np.float64)
    h = dt / substeps
    for n in range(steps):
        for _ in range(substeps):
            x = rk4_step(field, x, h)
        out[:, n] = x
    return out


def bind_rk4(field: BoundField, state: Float[ndarray, "dim batch"], h: float) -> Callable[[], None]:
    """A function that updates `state` in place by one classical Runge-Kutta step: x += h/6 (k1 + 2 (k2 + k3) + k4).

    Work arrays are allocated once, since NumPy calls dominate the cost for small states. Trajectories are bitwise independent
    of the other trajectories in the batch.
    """
    x, shifted = state, np.empty_like(state)
    k1, k2, k3, k4 = (np.empty_like(state) for _ in range(4))
    stages = field(x, k1), field(shifted, k2), field(shifted, k3), field(shifted, k4)
    half, whole, sixth, two = (np.array(c) for c in (h / 2, h, h / 6, 2.0))
    increments = ((k1, half), (k2, half), (k3, whole))

    def step() -> None:
        for stage, (slope, length) in zip(stages, increments, strict=False):
            stage()
            np.multiply(slope, length, shifted)
            np.add(shifted, x, shifted)
        stages[3]()
        np.add(k2, k3, k2)
        np.multiply(k2, two, k2)
        np.add(k1, k4, k1)
        np.add(k1, k2, k1)
        np.multiply(k1, sixth, k1)
        np.add(x, k1, x)

    return step


def rk4_jacobian(
    field: Callable[[Tensor], Tensor],
    derivative: Callable[[Tensor], Tensor],
    x: Float[Tensor, "*batch dim"],
    h: float,
    steps: int = 1,
) -> tuple[Float[Tensor, "*batch dim"], Float[Tensor, "*batch dim dim"]]:
    """The state after `steps` Runge-Kutta steps of size h, and its Jacobian with respect to x, by the chain rule.

    K1 = Df(x), K2 = Df(x + h/2 k1)(I + h/2 K1), ...: the exact Jacobian of the numerical map, not of the flow.
    derivative(x): Df [..., dim, dim].
    """
    unit = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    total = unit.expand(*x.shape, x.shape[-1])
    for _ in range(steps):
        k1 = field(x)
        x2 = x + (h / 2) * k1
        k2 = field(x2)
        x3 = x + (h / 2) * k2
        k3 = field(x3)
        x4 = x + h * k3
        d1 = derivative(x)
        d2 = derivative(x2) @ (unit + (h / 2) * d1)
        d3 = derivative(x3) @ (unit + (h / 2) * d2)
        d4 = derivative(x4) @ (unit + h * d3)
        total = (unit + (h / 6) * (d1 + 2 * d2 + 2 * d3 + d4)) @ total
        x = x + (h / 6) * (k1 + 2 * k2 + 2 * k3 + field(x4))
    return x, total


def dop853(
    rates: Rates, start: Float[ndarray, "batch dim"], dt: float, steps: int, substeps: int = 1
) -> Float[ndarray, "batch states dim"]:
    """States at times 0, dt, 2 dt, ..., steps dt, with `substeps` steps of order 8 per sample.

    x <- x + h sum_i b_i k_i, k_i = f(x + h sum_{j<i} a_ij k_j), the twelve stages of Dormand and Prince without error control:
    with a fixed step, trajectories are bitwise independent of the other trajectories in the batch. Global error O(h^8).
    Source: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, II.10; weights of SciPy's DOP853.
    """
    out = np.empty((steps + 1, start.shape[1], len(start)))
    out[0] = start.T
    step = _Dop853(rates, out[0], dt / substeps)
    for n in range(steps):
        out[n + 1] = out[n]
        for _ in range(substeps):
            step.advance(out[n + 1])
    return np.ascontiguousarray(out.transpose(2, 0, 1))


class _Dop853:
    """One step in place with preallocated buffers; elementwise, zero weights are skipped."""

    def __init__(self, rates: Rates, like: ndarray, h: float) -> None:
        from scipy.integrate._ivp import dop853_coefficients as weights

        stages = [weights.A[i, :i] for i in range(1, weights.N_STAGES)] + [weights.B]
        self._rates = rates
        self._rows = [[(j, h * float(a)) for j, a in enumerate(row) if a] for row in stages]
        self._slopes: list[ndarray] = [np.empty_like(like)] * weights.N_STAGES
        self._sum, self._term = np.empty_like(like), np.empty_like(like)

    def advance(self, x: ndarray) -> None:
        self._slopes[0] = self._rates(x)
        for i, row in enumerate(self._rows[:-1], start=1):
            self._slopes[i] = self._rates(x + self._increment(row))
        x += self._increment(self._rows[-1])

    def _increment(self, row: list[tuple[int, float]]) -> ndarray:
        (first, weight), *rest = row
        np.multiply(self._slopes[first], weight, out=self._sum)
        for j, weight in rest:
            np.multiply(self._slopes[j], weight, out=self._term)
            self._sum += self._term
        return self._sum
