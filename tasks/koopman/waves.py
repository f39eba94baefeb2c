"""Systems of more than two dimensions: the mean-field model of a cylinder wake, and the Kuramoto-Sivashinsky equation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.tasks.koopman.fields import KuramotoSivashinsky
from dynamark.tasks.koopman.flows import FlowTask, sized
from dynamark.tasks.koopman.metrics import log_spectrum_rmse
from dynamark.tasks.koopman.spectra import lattice
from dynamark.tasks.koopman.systems import ODE, Flow, Sampler
from dynamark.tasks.numerics.exact import cos, sin

__all__ = ["LARGEST_EXPONENTS", "KuramotoSivashinskyField", "Wake"]

MU, OMEGA, A, LAM = 0.1, 1.0, -0.1, 10.0

# Largest Lyapunov exponents of the Kuramoto-Sivashinsky equation, by length: measured over 1e5 and 2e4 units of time, within 2 %.
LARGEST_EXPONENTS: Mapping[float, float] = {22.0: 0.049, 100.0: 0.090}


def mean_field(x: ndarray) -> ndarray:
    """x' = mu x - omega y + A x z, y' = omega x + mu y + A y z, z' = -lambda (z - x^2 - y^2).

    mu, omega, A, lambda = .1, 1, -.1, 10.
    """
    r = x[0] * x[0] + x[1] * x[1]
    growth = MU + A * x[2]
    return np.stack([growth * x[0] - OMEGA * x[1], OMEGA * x[0] + growth * x[1], -LAM * (x[2] - r)])


@dataclass(frozen=True, kw_only=True)
class Wake(FlowTask):
    """The mean-field model of a cylinder wake, sampled every 0.1; initial radius ~ U(0, 1.1), z ~ U(0, 1.2).

    The fixed point has rates mu +- i omega and -lambda; the limit cycle r = 1 has rates i n omega + j s1 + k s2, s1 and s2 the
    roots of s^2 + lambda s + 2 lambda mu = 0 (-.204168, -9.795832). The list of true eigenvalues contains |n| <= 5, j <= 3 and
    k = 0, because modes with k > 0 decay within one step. Source: Noack et al. 2003.
    """

    train: int = 300
    validation: int = 30
    test: int = 100
    steps: int = 600

    version: ClassVar[int] = 2
    tiers = sized(30, 5, 20, large=3000, steps=200)

    @property
    def flow(self) -> Flow:
        """Two steps of order 8 per sample."""
        return ODE(mean_field, substeps=2)

    @property
    def starts(self) -> Sampler:
        """Uniform in radius, angle and z."""

        def draw(rng: np.random.Generator, count: int) -> ndarray:
            radius, angle, z = rng.uniform((0, 0, 0), (1.1, 2 * np.pi, 1.2), (count, 3)).T
            return np.stack([radius * cos(angle), radius * sin(angle), z], axis=1)

        return draw

    @property
    def spectrum(self) -> tuple[ndarray, ndarray]:
        """The lattice of the limit cycle."""
        rates = (1j * OMEGA, (-LAM + np.sqrt(LAM**2 - 8 * LAM * MU)) / 2)
        orders = [(n, j) for j in range(4) for n in range(-5, 6)]
        return lattice(rates, orders, self.dt), lattice(rates, [(0, 0), (1, 0), (-1, 0)], self.dt)

    def eigenfunctions(self, states: ndarray) -> ndarray:
        """1, e^{i angle} and its conjugate: the angle grows at the rate omega in every state."""
        phase = (states[:, 0] + 1j * states[:, 1]) / np.hypot(states[:, 0], states[:, 1])
        return np.stack([np.ones_like(phase), phase, phase.conj()], axis=1)


@dataclass(frozen=True, kw_only=True)
class KuramotoSivashinskyField(FlowTask):
    """u_t = -u u_x - u_xx - u_xxxx, periodic, length 22, 64 points, on the attractor, sampled every 1 (ETDRK4, step 0.25).

    The largest Lyapunov exponent depends on the length: 0.049 at 22, 0.090 at 100 (tier large). The primary score averages over
    the horizon (10, 20 or 40 samples) nearest to one Lyapunov time: 20 samples at length 22, 10 at length 100. Later errors are
    uninformative. valid_horizon is in Lyapunov times. Raises UserError for other lengths, whose exponent is not tabulated.
    """

    train: int = 100
    validation: int = 20
    test: int = 20
    steps: int = 500
    test_steps: int = 100
    dt: float = 1.0
    length: float = 22.0
    points: int = 64

    version: ClassVar[int] = 3
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 10, "validation": 2, "test": 5, "steps": 200},
        "standard": {},
        "large": {"length": 100.0, "points": 256},
    }

    def __post_init__(self) -> None:
        if self.length not in LARGEST_EXPONENTS:
            lengths = ", ".join(f"{length:g}" for length in LARGEST_EXPONENTS)
            raise UserError(
                f"koopman/ks: the Lyapunov time at length={self.length:g} is not known; use one of {lengths}"
            )

    @property
    def _equation(self) -> KuramotoSivashinsky:
        return KuramotoSivashinsky(self.length, self.points)

    @property
    def flow(self) -> Flow:
        """Exponential time differencing (ETDRK4)."""
        return self._equation

    @property
    def starts(self) -> Sampler:
        """Random low modes, integrated over a transient of 100 units of time."""
        return self._equation.starts

    @property
    def horizons(self) -> tuple[int, ...]:
        """1 sample, and about one half, one and two Lyapunov times at length 22."""
        return (1, 10, 20, 40)

    @property
    def primary_horizon(self) -> int:
        """The horizon nearest to one Lyapunov time."""
        return min(self.horizons, key=lambda steps: abs(steps * self.dt - self.clock))

    @property
    def clock(self) -> float:
        """The Lyapunov time."""
        return 1 / LARGEST_EXPONENTS[self.length]

    def invariants(self, truth: ndarray, forecast: ndarray) -> dict[str, float]:
        """Adds the error of the energy spectrum."""
        return {**super().invariants(truth, forecast), "log_spectrum_rmse": log_spectrum_rmse(truth, forecast)}
