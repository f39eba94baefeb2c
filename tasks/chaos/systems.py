"""The chaotic systems: vector fields, sampling, starts, and their Lyapunov exponents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from dynamark.tasks.numerics.integrators import rk4

__all__ = ["LORENZ63", "ROSSLER", "System", "orbits"]


@dataclass(frozen=True)
class System:
    """x' = field(x), sampled every dt with `substeps` Runge-Kutta steps; starts are centre + spread N(0, 1)."""

    field: Callable[[ndarray], ndarray]
    dt: float
    substeps: int
    centre: tuple[float, ...]
    lyapunov: tuple[float, ...]  # exponents per unit of time
    spread: float = 1.0

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.centre)


def _columns(x: ndarray) -> list[ndarray]:
    return [x[:, i] for i in range(x.shape[1])]


def _lorenz63(state: ndarray) -> ndarray:
    """x' = 10 (y - x), y' = x (28 - z) - y, z' = x y - 8/3 z."""
    x, y, z = _columns(state)
    return np.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - (8.0 / 3.0) * z], axis=1)


def _rossler(state: ndarray) -> ndarray:
    """x' = -y - z, y' = x + 0.2 y, z' = 0.2 + z (x - 5.7)."""
    x, y, z = _columns(state)
    return np.stack([-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)], axis=1)


LORENZ63 = System(_lorenz63, dt=0.01, substeps=2, centre=(0.0, 0.0, 25.0), lyapunov=(0.9056, 0.0, -14.572))
ROSSLER = System(_rossler, dt=0.08, substeps=4, centre=(0.0, 0.0, 0.0), lyapunov=(0.0709, 0.0, -5.394))

# Samples that are discarded before an orbit counts as on the attractor, and the size at which a start has escaped.
_TRANSIENT, _ESCAPED = 5000, 1e3


def orbits(system: System, count: int, steps: int, rng: np.random.Generator) -> ndarray:
    """`count` independent orbits on the attractor [count, steps, dim]. Starts that escape are drawn again."""
    state = np.empty((count, system.dim))
    missing = np.arange(count)
    while len(missing):
        start = np.array(system.centre) + system.spread * rng.standard_normal((len(missing), system.dim))
        with np.errstate(over="ignore", invalid="ignore"):
            end = _after(system, start, _TRANSIENT)
        kept = np.isfinite(end).all(axis=1) & (np.abs(end) <= _ESCAPED).all(axis=1)
        state[missing[kept]] = end[kept]
        missing = missing[~kept]
    return rk4(system.field, state, system.dt, steps, system.substeps)


def _after(system: System, start: ndarray, steps: int) -> ndarray:
    """The states after so many samples, without keeping the way there."""
    for _ in range(steps // 500):
        start = rk4(system.field, start, system.dt, 500, system.substeps)[:, -1]
    return start
