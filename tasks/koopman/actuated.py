"""Partial differential equations on a circle with actuators: convection-diffusion-reaction, and Kuramoto-Sivashinsky."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.koopman.driven import DrivenTask
from dynamark.tasks.koopman.fields import KuramotoSivashinsky
from dynamark.tasks.koopman.waves import LARGEST_EXPONENTS
from dynamark.tasks.numerics.etdrk4 import ETDRK4, kept_modes, wavenumbers
from dynamark.tasks.numerics.exact import contract, cos, exp, sin
from dynamark.tasks.numerics.fourier import fourier, inverse_fourier, packed, unpacked

__all__ = ["ActuatedKS", "ConvectionDiffusionReaction", "actuators"]

# Half the width of an actuator, relative to the domain.
_HALF_WIDTH = 0.05
# Time step of the Kuramoto-Sivashinsky equation with inputs; step and length of the transient without them.
_STEP, _FREE_STEP, _TRANSIENT = 0.1, 0.25, 100.0


def actuators(points: int, count: int) -> Float[ndarray, "point channel"]:
    """Column i is 1 on the grid points within 0.05 `points` of floor((i + 1/2) points / count), on a circle; else 0."""
    centers = np.floor((np.arange(count) + 0.5) * points / count)
    distance = np.abs(np.arange(points)[:, None] - centers)
    return (np.minimum(distance, points - distance) <= _HALF_WIDTH * points).astype(float)


@dataclass(frozen=True, kw_only=True)
class ConvectionDiffusionReaction(DrivenTask):
    """u_t = nu u_xx - c u_x + r u + actuators, (nu, c, r) = (0.002, 0.1, 0.1), periodic on [0, 1), 200 points, eight inputs.

    Exactly linear in discrete time: x_t = A x_{t-1} + B u_t, A = F^{-1} diag e^{(-i c k - nu k^2 + r) dt} F, dt = 0.1, with the
    indicators of eight blocks of width 0.1 as the columns of B, which are not integrated over the sample. The mean grows by
    e^{r dt} = 1.01005 a step. Initial states sum_{k<8} a_k cos(2 pi k x + p_k)/(1 + k), a_k ~ N(0, 1), p_k uniform. Source: the
    task of Controlgym, Zhang et al. 2024, with the whole state observed and without noise.

    key: zhang2024
    """

    train: int = 20
    validation: int = 5
    test: int = 10
    steps: int = 50
    points: int = 200
    nu: float = 0.002
    speed: float = 0.1
    growth: float = 0.1

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": {}, "standard": {}, "large": {"train": 200}}

    @property
    def channels(self) -> int:
        """Eight actuators."""
        return 8

    def starts(self, rng: np.random.Generator, count: int) -> ndarray:
        """Eight smooth waves with random amplitudes and phases."""
        k, x = np.arange(8), np.arange(self.points) / self.points
        amplitude, phase = rng.standard_normal((count, 8)) / (1 + k), rng.uniform(0, 2 * np.pi, (count, 8))
        wave = 2 * np.pi * k[:, None] * x
        return contract(amplitude * cos(phase), cos(wave)) - contract(amplitude * sin(phase), sin(wave))

    @functools.cached_property
    def matrix(self) -> Float[ndarray, "point point"]:
        """A: a circulant matrix, whose first column is the inverse transform of its eigenvalues."""
        k = 2 * np.pi * np.arange(-self.points // 2, self.points // 2)
        decay = exp((self.growth - self.nu * k * k) * self.dt)
        shift = np.arange(self.points)[:, None] / self.points - self.speed * self.dt
        column = np.add.reduce(decay * cos(k * shift), axis=1) / self.points
        index = np.arange(self.points)
        return column[(index[:, None] - index) % self.points]

    def advance(self, x: ndarray, u: ndarray) -> ndarray:
        """A x + B u."""
        return contract(x, self.matrix.T) + contract(u, actuators(self.points, self.channels).T)


@dataclass(frozen=True, kw_only=True)
class ActuatedKS(DrivenTask):
    """u_t = -u u_x - u_xx - u_xxxx + actuators, periodic, length 32 pi, 128 points, eight inputs, sampled every 0.5.

    Each actuator pushes a block of a tenth of the domain; blocks have a non-zero mean, so the spatial mean, which the equation
    conserves, drifts. ETDRK4 with step 0.1; initial states on the attractor of the equation without inputs. The primary score
    averages over 20 samples, 10 units of time, about one Lyapunov time (1/0.09); valid_horizon is in Lyapunov times. Source: the
    task of Controlgym, Zhang et al. 2024, with the whole state observed and without noise; a published version of its environment
    drops the term of the actuators.

    key: zhang2024
    """

    train: int = 50
    validation: int = 10
    test: int = 10
    test_steps: int = 40
    dt: float = 0.5
    length: float = 32 * np.pi
    points: int = 128
    blocks: int = 8

    cached: ClassVar[bool] = True
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 10, "validation": 2, "test": 5, "steps": 60, "length": 22.0, "points": 64},
        "standard": {},
        "large": {"train": 500},
    }

    @property
    def channels(self) -> int:
        """The number of actuators."""
        return self.blocks

    @property
    def horizons(self) -> tuple[int, ...]:
        """From one sample to about two Lyapunov times."""
        return tuple(h for h in (1, 5, 10, 20, 40) if h <= self.test_steps)

    @property
    def primary_horizon(self) -> int:
        """20 samples, or the whole of a shorter test."""
        return min(20, self.test_steps)

    @property
    def clock(self) -> float:
        """The Lyapunov time without inputs."""
        return 1 / LARGEST_EXPONENTS[min(LARGEST_EXPONENTS, key=lambda length: abs(length - self.length))]

    def starts(self, rng: np.random.Generator, count: int) -> ndarray:
        """Random low modes, before the transient."""
        return self._free.starts(rng, count, discard=0.0)

    def settled(self, starts: ndarray) -> ndarray:
        """States on the attractor of the equation without inputs: after a transient of 100 units of time."""
        return self._free(starts, _TRANSIENT, 1)[:, -1]

    @property
    def _free(self) -> KuramotoSivashinsky:
        return KuramotoSivashinsky(self.length, self.points, _FREE_STEP)

    @functools.cached_property
    def _grid(self) -> tuple[ndarray, ndarray, ndarray]:
        """Wave numbers and mask [mode, 1], and the actuators [point, channel]."""
        k, mask = wavenumbers(self.points, self.length)[:, None], kept_modes(self.points)[:, None]
        return k, mask, actuators(self.points, self.blocks)

    @functools.cached_property
    def _linear(self) -> ndarray:
        square = self._grid[0] * self._grid[0]
        return np.asarray(square - square * square)

    def advance(self, x: ndarray, u: ndarray) -> ndarray:
        """Five steps under constant forcing; each transform processes two trajectories."""
        k, mask, blocks = self._grid
        forcing = fourier(packed(contract(blocks, u.T))) * mask

        def nonlinear(modes: ndarray) -> ndarray:
            field = inverse_fourier(modes)
            re, im = mask * fourier(field * field)
            return np.stack([k * im, -k * re]) / 2 + forcing

        stepper = ETDRK4(self._linear, nonlinear, _STEP)
        modes = stepper.run(fourier(packed(x.T)) * mask, round(self.dt / _STEP))
        return np.ascontiguousarray(unpacked(inverse_fourier(modes), len(x)).T)
