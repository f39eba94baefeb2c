"""The deterministic systems of ordinary differential equations: slow manifold, Duffing, pendulum, van der Pol, Lotka-Volterra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy import ndarray

from dynamark.tasks.koopman import systems
from dynamark.tasks.koopman.flows import FlowTask, sized
from dynamark.tasks.koopman.spectra import lattice
from dynamark.tasks.koopman.systems import ODE, Flow, Sampler, box

__all__ = ["Duffing", "LotkaVolterra", "Pendulum", "SlowManifold", "VanDerPol"]


@dataclass(frozen=True, kw_only=True)
class SlowManifold(FlowTask):
    """x1' = mu x1, x2' = lam (x2 - x1^2), sampled every 0.1; states start in [-size, size]^2. Closed form.

    Eigenfunctions x1^i (x2 - b x1^2)^j, b = lam/(lam - 2 mu), of rates i mu + j lam; the list of truth holds i + 2j <= 5.
    What should be found is 1, mu, 2 mu and lam: the full lattice holds no rate of x2 before its 20th entry.
    Source: Brunton et al. 2016.
    """

    mu: float = -0.05
    lam: float = -1.0
    size: float = 0.5

    version: ClassVar[int] = 2

    @property
    def flow(self) -> Flow:
        """The closed form."""
        return systems.slow_manifold_flow(self.mu, self.lam)

    @property
    def starts(self) -> Sampler:
        """Uniform on a square."""
        return box((-self.size,) * 2, (self.size,) * 2)

    @property
    def spectrum(self) -> tuple[ndarray, ndarray]:
        """Products of the two eigenfunctions."""
        rates, pairs = (self.mu, self.lam), [(i, j) for j in range(3) for i in range(6 - 2 * j)]
        return lattice(rates, pairs, self.dt), lattice(rates, [(0, 0), (1, 0), (2, 0), (0, 1)], self.dt)

    def eigenfunctions(self, states: ndarray) -> ndarray:
        """1, x1, x1^2 and x2 - b x1^2."""
        x1, x2 = states.T
        b = self.lam / (self.lam - 2 * self.mu)
        return np.stack([np.ones_like(x1), x1, x1 * x1, x2 - b * x1 * x1], axis=1)


@dataclass(frozen=True, kw_only=True)
class Duffing(FlowTask):
    """x'' = -0.5 x' + x - x^3, sampled every 0.25; states start in [-2, 2]^2. Two wells, x = -1 and 1.

    Eigenvalue 1 twice (the constant and the basin's indicator); in each basin s = -1/4 +- i sqrt(31)/4 and its lattice, of
    which the list of truth holds orders up to 5. The basin is the sign of x at the end, t = 50.
    Source: Otto and Rowley 2019 (damped, ten steps a trajectory).
    """

    damping: float = 0.5
    dt: float = 0.25
    steps: int = 10
    test: int = 300
    test_steps: int = 200

    tiers = sized(100, 20, 50)

    @property
    def flow(self) -> Flow:
        """Four steps of order 8 a sample: halving them changes the states by 1e-11."""
        return ODE(systems.duffing(self.damping), substeps=4)

    @property
    def starts(self) -> Sampler:
        """Uniform on a square."""
        return box((-2.0, -2.0), (2.0, 2.0))

    @property
    def spectrum(self) -> tuple[ndarray, ndarray] | None:
        """The lattice of the two stable foci; without damping the spectrum is continuous."""
        if self.damping <= 0:
            return None
        root = np.sqrt(complex(self.damping**2 / 4 - 2))
        rates, orders = (
            (root - self.damping / 2, -root - self.damping / 2),
            [(i, n - i) for n in range(6) for i in range(n + 1)],
        )
        return lattice(rates, orders, self.dt), lattice(rates, [(0, 0), (1, 0), (0, 1)], self.dt)

    def basins(self, paths: ndarray) -> ndarray | None:
        """Sign of x where the exact path ends, at t = 50."""
        return None if self.damping <= 0 else (paths[:, -1, 0] > 0).astype(float)


@dataclass(frozen=True, kw_only=True)
class Pendulum(FlowTask):
    """theta'' = -sin theta, sampled every 0.1, from theta in [-2.5, 2.5], theta' in [-0.5, 0.5], energy at most 1.9.

    The period depends on the energy, so the spectrum is continuous but for 1 and no list of truth is kept.
    """

    train: int = 200
    validation: int = 50
    test: int = 100

    version: ClassVar[int] = 2
    tiers = sized(50, 10, 20)

    @property
    def flow(self) -> Flow:
        """Two steps of order 8 a sample: within 1e-12 of Jacobi's elliptic functions over 500 samples."""
        return ODE(systems.pendulum(), substeps=2)

    @property
    def starts(self) -> Sampler:
        """Uniform on a rectangle, below the separatrix."""
        return systems.pendulum_starts


@dataclass(frozen=True, kw_only=True)
class VanDerPol(FlowTask):
    """x'' = mu (1 - x^2) x' - x, sampled every 0.1; states start in [-3, 3]^2. One limit cycle.

    Rates i n omega + j sigma: at mu = 1 the period is 6.66328685932 and the Floquet exponent sigma -1.05937699484 (an
    integration of the variational equation at tolerance 1e-13). The list of truth holds |n| <= 5, j <= 2.
    """

    mu: float = 1.0
    test_steps: int = 1000

    tiers = sized(100, 20, 50)

    @property
    def flow(self) -> Flow:
        """Two steps of order 8 a sample."""
        return ODE(systems.vdp(self.mu), substeps=2)

    @property
    def starts(self) -> Sampler:
        """Uniform on a square."""
        return box((-3.0, -3.0), (3.0, 3.0))

    @property
    def spectrum(self) -> tuple[ndarray, ndarray] | None:
        """The lattice of the limit cycle, for the values of mu whose cycle is tabulated."""
        if self.mu not in systems.VDP_CYCLES:
            return None
        period, floquet = systems.VDP_CYCLES[self.mu]
        rates, orders = (2j * np.pi / period, floquet), [(n, j) for j in range(3) for n in range(-5, 6)]
        return lattice(rates, orders, self.dt), lattice(rates, [(0, 0), (1, 0), (-1, 0)], self.dt)


@dataclass(frozen=True, kw_only=True)
class LotkaVolterra(FlowTask):
    """x' = a x - b x y, y' = d x y - c y, all rates 0.5, sampled every 0.2; states start in [0.5, 2]^2.

    d x - c ln x + b y - a ln y is conserved; the period depends on it, so no list of truth is kept.
    """

    rate: float = 0.5
    dt: float = 0.2
    steps: int = 200
    test_steps: int = 200

    tiers = sized(50, 10, 20)

    @property
    def flow(self) -> Flow:
        """One step of order 8 a sample."""
        return ODE(systems.lotka_volterra(*[self.rate] * 4), substeps=1)

    @property
    def starts(self) -> Sampler:
        """Uniform on a square."""
        return box((0.5, 0.5), (2.0, 2.0))
