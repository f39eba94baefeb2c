"""Tasks on ordinary differential equations: slow manifold, Duffing, pendulum, van der Pol, Lotka-Volterra."""

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
    """x1' = mu x1, x2' = lam (x2 - x1^2), solved in closed form, sampled every 0.1; initial states in [-size, size]^2.

    Eigenfunctions x1^i (x2 - b x1^2)^j, b = lam/(lam - 2 mu), with rates i mu + j lam; the list of true eigenvalues contains
    i + 2j <= 5. The leading eigenvalues are those of the rates 0, mu, 2 mu and lam, because in the full lattice, ordered by
    modulus, no rate of x2 comes before the 20th entry. Source: Brunton et al. 2016.
    """

    mu: float = -0.05
    lam: float = -1.0
    size: float = 0.5

    version: ClassVar[int] = 2

    @property
    def flow(self) -> Flow:
        """The closed-form solution."""
        return systems.slow_manifold_flow(self.mu, self.lam)

    @property
    def starts(self) -> Sampler:
        """Uniform on [-size, size]^2."""
        return box((-self.size,) * 2, (self.size,) * 2)

    @property
    def spectrum(self) -> tuple[ndarray, ndarray]:
        """The eigenvalues of products of powers of the two eigenfunctions."""
        rates, pairs = (self.mu, self.lam), [(i, j) for j in range(3) for i in range(6 - 2 * j)]
        return lattice(rates, pairs, self.dt), lattice(rates, [(0, 0), (1, 0), (2, 0), (0, 1)], self.dt)

    def eigenfunctions(self, states: ndarray) -> ndarray:
        """1, x1, x1^2 and x2 - b x1^2 at states [point, 2]."""
        x1, x2 = states.T
        b = self.lam / (self.lam - 2 * self.mu)
        return np.stack([np.ones_like(x1), x1, x1 * x1, x2 - b * x1 * x1], axis=1)


@dataclass(frozen=True, kw_only=True)
class Duffing(FlowTask):
    """x'' = -0.5 x' + x - x^3, sampled every 0.25; initial states in [-2, 2]^2. Two wells, at x = -1 and x = 1.

    The eigenvalue 1 is double (the constant and the indicator function of a basin); each basin has the rates
    s = -1/4 +- i sqrt(31)/4 and their lattice, of which the list of true eigenvalues contains orders up to 5. The basin is the
    sign of x at the final time, t = 50. Source: Otto and Rowley 2019 (damped, ten steps per trajectory).

    key: otto2019
    """

    damping: float = 0.5
    dt: float = 0.25
    steps: int = 10
    test: int = 300
    test_steps: int = 200

    tiers = sized(100, 20, 50)

    @property
    def flow(self) -> Flow:
        """Four steps of order 8 per sample: halving them changes the states by 1e-11."""
        return ODE(systems.duffing(self.damping), substeps=4)

    @property
    def starts(self) -> Sampler:
        """Uniform on [-2, 2]^2."""
        return box((-2.0, -2.0), (2.0, 2.0))

    @property
    def spectrum(self) -> tuple[ndarray, ndarray] | None:
        """The lattice of the two stable foci; None without damping, where the spectrum is continuous."""
        if self.damping <= 0:
            return None
        root = np.sqrt(complex(self.damping**2 / 4 - 2))
        rates, orders = (
            (root - self.damping / 2, -root - self.damping / 2),
            [(i, n - i) for n in range(6) for i in range(n + 1)],
        )
        return lattice(rates, orders, self.dt), lattice(rates, [(0, 0), (1, 0), (0, 1)], self.dt)

    def basins(self, paths: ndarray) -> ndarray | None:
        """1 if x > 0 at the end of the exact path, t = 50, else 0; None without damping."""
        return None if self.damping <= 0 else (paths[:, -1, 0] > 0).astype(float)


@dataclass(frozen=True, kw_only=True)
class Pendulum(FlowTask):
    """theta'' = -sin theta, sampled every 0.1; initial theta in [-2.5, 2.5], theta' in [-0.5, 0.5], energy at most 1.9.

    The period depends on the energy, so the spectrum is continuous except for 1, and there is no list of true eigenvalues.
    """

    train: int = 200
    validation: int = 50
    test: int = 100

    version: ClassVar[int] = 2
    tiers = sized(50, 10, 20)

    @property
    def flow(self) -> Flow:
        """Two steps of order 8 per sample: within 1e-12 of Jacobi's elliptic functions over 500 samples."""
        return ODE(systems.pendulum(), substeps=2)

    @property
    def starts(self) -> Sampler:
        """Uniform on the part of a rectangle whose energy is below that of the separatrix."""
        return systems.pendulum_starts


@dataclass(frozen=True, kw_only=True)
class VanDerPol(FlowTask):
    """x'' = mu (1 - x^2) x' - x, sampled every 0.1; initial states in [-3, 3]^2. One limit cycle.

    The rates are i n omega + j sigma: at mu = 1 the period is 6.66328685932 and the Floquet exponent sigma is -1.05937699484
    (integrated from the variational equation at tolerance 1e-13). The list of true eigenvalues contains |n| <= 5, j <= 2.
    """

    mu: float = 1.0
    test_steps: int = 1000

    tiers = sized(100, 20, 50)

    @property
    def flow(self) -> Flow:
        """Two steps of order 8 per sample."""
        return ODE(systems.vdp(self.mu), substeps=2)

    @property
    def starts(self) -> Sampler:
        """Uniform on [-3, 3]^2."""
        return box((-3.0, -3.0), (3.0, 3.0))

    @property
    def spectrum(self) -> tuple[ndarray, ndarray] | None:
        """The lattice of the limit cycle; None if the cycle of this mu is not tabulated."""
        if self.mu not in systems.VDP_CYCLES:
            return None
        period, floquet = systems.VDP_CYCLES[self.mu]
        rates, orders = (2j * np.pi / period, floquet), [(n, j) for j in range(3) for n in range(-5, 6)]
        return lattice(rates, orders, self.dt), lattice(rates, [(0, 0), (1, 0), (-1, 0)], self.dt)


@dataclass(frozen=True, kw_only=True)
class LotkaVolterra(FlowTask):
    """x' = a x - b x y, y' = d x y - c y, all rates 0.5, sampled every 0.2; initial states in [0.5, 2]^2.

    d x - c ln x + b y - a ln y is conserved and the period depends on it, so there is no list of true eigenvalues.
    """

    rate: float = 0.5
    dt: float = 0.2
    steps: int = 200
    test_steps: int = 200

    tiers = sized(50, 10, 20)

    @property
    def flow(self) -> Flow:
        """One step of order 8 per sample."""
        return ODE(systems.lotka_volterra(*[self.rate] * 4), substeps=1)

    @property
    def starts(self) -> Sampler:
        """Uniform on [0.5, 2]^2."""
        return box((0.5, 0.5), (2.0, 2.0))
