"""Oscillators with an input: a damped pendulum on a moving pivot, and the damped Duffing oscillator."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy import ndarray

from dynamark.tasks.koopman.driven import DrivenTask
from dynamark.tasks.numerics.exact import cos, sin
from dynamark.tasks.numerics.integrators import rk4_step

__all__ = ["ControlledDuffing", "ControlledPendulum", "OscillatorTask"]

# Runge-Kutta steps per sample: the data is that of this discrete-time system.
_SUBSTEPS = 2


@dataclass(frozen=True, kw_only=True)
class OscillatorTask(DrivenTask):
    """x'' = f(x, x', u), one input, two Runge-Kutta steps of order 4 per sample; initial states uniform in a box."""

    box: ClassVar[tuple[float, float]]

    @property
    def channels(self) -> int:
        """One input."""
        return 1

    def starts(self, rng: np.random.Generator, count: int) -> ndarray:
        """Uniform in the box +-`box`."""
        return rng.uniform([-side for side in self.box], self.box, (count, 2))

    def advance(self, x: ndarray, u: ndarray) -> ndarray:
        """The states after one sample."""

        def field(states: ndarray) -> ndarray:
            position, velocity = states[:, 0], states[:, 1]
            return np.stack([velocity, self.acceleration(position, velocity, u[:, 0])], axis=1)

        for _ in range(_SUBSTEPS):
            x = rk4_step(field, x, self.dt / _SUBSTEPS)
        return x

    @abstractmethod
    def acceleration(self, x: ndarray, v: ndarray, u: ndarray) -> ndarray:
        """x'' at positions x, velocities v and inputs u."""


@dataclass(frozen=True, kw_only=True)
class ControlledPendulum(OscillatorTask):
    """theta'' = -sin theta - 0.1 theta' + u cos theta, u piecewise constant U(-1, 1), sampled every 0.1.

    Initial theta in [-1.5, 1.5], theta' in [-1, 1]. The effect of the input depends on the state: a model that is linear in its
    inputs cannot be exact. Source: Mondal et al. 2024 for the comparison of models; the system is this benchmark's.

    key: mondal2024
    """

    box: ClassVar[tuple[float, float]] = (1.5, 1.0)

    def acceleration(self, x: ndarray, v: ndarray, u: ndarray) -> ndarray:
        """-sin x - 0.1 v + u cos x."""
        return -sin(x) - 0.1 * v + u * cos(x)


@dataclass(frozen=True, kw_only=True)
class ControlledDuffing(OscillatorTask):
    """x'' = -0.5 x' + x - x^3 + u, u piecewise constant U(-1, 1), sampled every 0.1; initial states in [-2, 2]^2.

    The input enters additively, so that near a well a model linear in its inputs is accurate; inputs can move the state from one
    well to the other.
    """

    box: ClassVar[tuple[float, float]] = (2.0, 2.0)

    def acceleration(self, x: ndarray, v: ndarray, u: ndarray) -> ndarray:
        """-0.5 v + x - x^3 + u."""
        return x - x * x * x - 0.5 * v + u
