"""The systems of the Koopman family: vector fields, closed-form flows, and distributions of initial states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from dynamark.tasks.numerics.exact import cos, exp, sin
from dynamark.tasks.numerics.integrators import Rates, dop853

__all__ = [
    "ODE",
    "VDP_CYCLES",
    "Flow",
    "Sampler",
    "box",
    "duffing",
    "lotka_volterra",
    "pendulum",
    "pendulum_starts",
    "slow_manifold",
    "slow_manifold_flow",
    "vdp",
]

# (initial states [batch, dim], dt, steps) -> states [batch, steps + 1, dim], the initial state first
Flow = Callable[[ndarray, float, int], ndarray]
# (random generator, count) -> initial states [count, dim]
Sampler = Callable[[np.random.Generator, int], ndarray]


@dataclass(frozen=True)
class ODE:
    """The flow of x' = rates(x), integrated by `substeps` steps of order 8 per sample."""

    rates: Rates
    substeps: int

    def __call__(self, start: ndarray, dt: float, steps: int) -> ndarray:
        """The states at 0, dt, ..., steps dt."""
        return dop853(self.rates, start, dt, steps, self.substeps)


def box(low: tuple[float, ...], high: tuple[float, ...]) -> Sampler:
    """The uniform distribution on the box from `low` to `high`."""
    return lambda rng, count: rng.uniform(low, high, (count, len(low)))


def slow_manifold(mu: float, lam: float) -> Rates:
    """x1' = mu x1, x2' = lam (x2 - x1^2)."""
    return lambda x: np.stack([mu * x[0], lam * (x[1] - x[0] * x[0])])


def slow_manifold_flow(mu: float, lam: float) -> Flow:
    """The flow of `slow_manifold`: x1 and x2 - b x1^2, b = lam/(lam - 2 mu), are eigenfunctions with rates mu and lam."""
    b = lam / (lam - 2 * mu)

    def flow(start: ndarray, dt: float, steps: int) -> ndarray:
        t = dt * np.arange(steps + 1)
        x1 = start[:, :1] * exp(mu * t)
        x2 = (start[:, 1:] - b * start[:, :1] ** 2) * exp(lam * t) + b * x1**2
        return np.stack([x1, x2], axis=-1)

    return flow


def duffing(damping: float) -> Rates:
    """x' = v, v' = -damping v + x - x^3: wells at x = -1 and 1, a saddle between them."""
    return lambda x: np.stack([x[1], x[0] - x[0] * x[0] * x[0] - damping * x[1]])


def pendulum(frequency: float = 1.0) -> Rates:
    """theta' = nu, nu' = -frequency^2 sin theta."""
    return lambda x: np.stack([x[1], -(frequency * frequency) * sin(x[0])])


def pendulum_starts(rng: np.random.Generator, count: int) -> ndarray:
    """theta ~ U(-2.5, 2.5), nu ~ U(-0.5, 0.5), rejected and drawn again if the energy nu^2/2 + 1 - cos theta exceeds 1.9.

    The separatrix has energy 2.
    """
    starts = np.empty((0, 2))
    while len(starts) < count:
        x = rng.uniform((-2.5, -0.5), (2.5, 0.5), (count, 2))
        starts = np.concatenate([starts, x[x[:, 1] ** 2 / 2 + 1 - cos(x[:, 0]) <= 1.9]])
    return starts[:count]


def vdp(mu: float) -> Rates:
    """x' = v, v' = mu (1 - x^2) v - x: one limit cycle."""
    return lambda x: np.stack([x[1], mu * (1 - x[0] * x[0]) * x[1] - x[0]])


# mu -> period and Floquet exponent of the limit cycle
VDP_CYCLES: dict[float, tuple[float, float]] = {
    0.5: (6.3806758018, -0.5077310892),
    1.0: (6.66328685932, -1.05937699484),
    2.0: (7.6298744797, -2.3825604900),
}


def lotka_volterra(alpha: float, beta: float, gamma: float, delta: float) -> Rates:
    """x' = alpha x - beta x y, y' = delta x y - gamma y; delta x - gamma ln x + beta y - alpha ln y is conserved."""
    return lambda x: np.stack([alpha * x[0] - beta * x[0] * x[1], delta * x[0] * x[1] - gamma * x[1]])
