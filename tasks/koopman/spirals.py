"""Reaction-diffusion waves in the plane, observed on a coarser grid than that of the solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.koopman.fields import ReactionDiffusion, spiral
from dynamark.tasks.koopman.flows import FlowTask
from dynamark.tasks.koopman.metrics import log_spectrum_rmse
from dynamark.tasks.koopman.systems import Flow, Sampler
from dynamark.tasks.numerics.exact import contract, cos, sin

__all__ = ["Spirals", "smooth_fields"]


@dataclass(frozen=True, kw_only=True)
class Spirals(FlowTask):
    """u' = d1 lap u + (1-a) u + beta a v, v' = d2 lap v + (1-a) v - beta a u, a = u^2 + v^2, periodic, sampled every 0.5.

    start: `spiral` is tanh(r) (cos, sin)(arms theta - r), shifted to a random position, with (u, v) rotated by a random angle,
    plus 0.3 times a smooth field; `smooth` is a random field with wave numbers up to 2 in each direction. The first `discard`
    units of time, during which the jump of a spiral at the periodic boundary decays, are not part of the data. States are (u, v)
    on every `stride`-th point of the solver's grid of points x points: 2 (points/stride)^2 numbers. d1 = .03, d2 = .2, beta = .65
    is often called chaotic; on squares of 12.5 to 50, perturbations of 1e-6 stayed below 1e-3 over 60 units of time, so the name
    of its task is "unequal".
    Source: rd-spiral (Herho et al. 2025) for the equations, the three regimes and the spiral.

    key: herho2025
    """

    d1: float = 0.1
    d2: float = 0.1
    beta: float = 1.0
    arms: int = 1
    length: float = 20.0
    points: int = 64
    stride: int = 4
    start: Literal["spiral", "smooth"] = "spiral"
    discard: float = 20.0
    train: int = 12
    validation: int = 2
    test: int = 6
    steps: int = 50
    test_steps: int = 50
    dt: float = 0.5

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {
            "train": 4,
            "validation": 1,
            "test": 3,
            "steps": 10,
            "test_steps": 10,
            "points": 32,
            "discard": 1.0,
        },
        "standard": {},
        "large": {"train": 100, "validation": 10, "test": 20, "points": 128, "steps": 200, "test_steps": 200},
    }
    cached: ClassVar[bool] = True

    @property
    def _equation(self) -> ReactionDiffusion:
        return ReactionDiffusion(self.d1, self.d2, self.beta, self.length, self.points, h=0.1)

    @property
    def flow(self) -> Flow:
        """The flow from fields on the solver's grid to states on the coarser grid."""

        def run(start: ndarray, dt: float, steps: int) -> ndarray:
            coarse = self._equation(start, dt, steps)[..., :: self.stride, :: self.stride]
            return np.ascontiguousarray(coarse).reshape(len(start), steps + 1, -1)

        return run

    @property
    def starts(self) -> Sampler:
        """Fields on the solver's grid, after the first `discard` units of time."""

        def draw(rng: np.random.Generator, count: int) -> ndarray:
            fields = smooth_fields(rng, count, self.points)
            if self.start == "spiral":
                fields = self._spirals(rng, count) + 0.3 * fields
            return self._equation(fields, self.discard, 1)[:, -1] if self.discard else fields

        return draw

    def _spirals(self, rng: np.random.Generator, count: int) -> Float[ndarray, "batch 2 n n"]:
        """Copies of one spiral, shifted by whole grid points, with (u, v) rotated."""
        shape = spiral(*self._equation.grid(), self.arms)
        shifts, angles = rng.integers(0, self.points, (count, 2)), rng.uniform(0, 2 * np.pi, count)
        shifted = [np.roll(shape, tuple(shift), axis=(1, 2)) for shift in shifts.tolist()]
        return np.stack([_rotated(field, angle) for field, angle in zip(shifted, angles.tolist(), strict=True)])

    @property
    def horizons(self) -> tuple[int, ...]:
        """1, 10 and all test steps."""
        return tuple(sorted({1, 10, self.test_steps}))

    def invariants(self, truth: ndarray, forecast: ndarray) -> dict[str, float]:
        """Adds the error of the energy spectrum along one axis of the plane."""
        lines = [x.reshape(len(x), -1, self.points // self.stride) for x in (truth, forecast)]
        return {**super().invariants(truth, forecast), "log_spectrum_rmse": log_spectrum_rmse(*lines)}

    def oracle(self, seed: int) -> float | None:
        """0 without noise; None with noise, because the state is only partially observed."""
        return None if self.noise else 0.0


def _rotated(field: Float[ndarray, "2 n n"], angle: float) -> Float[ndarray, "2 n n"]:
    """(u, v) rotated by an angle."""
    c, s = cos(angle), sin(angle)
    return np.stack([c * field[0] - s * field[1], s * field[0] + c * field[1]])


def smooth_fields(rng: np.random.Generator, count: int, n: int) -> Float[ndarray, "batch 2 n n"]:
    """sum_k 0.1 (a_k cos k.x + b_k sin k.x) over |k_1|, |k_2| <= 2, one of each k and -k, a and b ~ N(0, 1)."""
    orders = [(i, j) for i in range(-2, 3) for j in range(3) if j > 0 or i >= 0]
    x = 2 * np.pi * np.arange(n) / n
    phase = np.stack([i * x[:, None] + j * x for i, j in orders]).reshape(len(orders), -1)
    a, b = 0.1 * rng.standard_normal((2, 2 * count, len(orders)))
    return (contract(a, cos(phase)) + contract(b, sin(phase))).reshape(count, 2, n, n)
