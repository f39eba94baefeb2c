"""The tasks of stochastic systems: find the leading Koopman spectrum from pairs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray
from numpy.polynomial import hermite_e

from dynamark.tasks.base import Metric, Scores, Solution, Task
from dynamark.tasks.koopman import processes, spectra
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Trajectories

__all__ = ["DoubleWell", "NoisyLogistic", "OrnsteinUhlenbeck", "SpectrumTask"]

# Leading eigenvalues that are scored, and held-out states of the pool.
_LEADING, _HELD = 3, 4000


@dataclass(frozen=True, kw_only=True)
class SpectrumTask(Task):
    """Estimate the leading eigenvalues of E[f(x+) | x] from sampled transitions; nothing is forecast.

    Primary score: the larger of spec_err and spec_miss over the three leading eigenvalues (a conjugate pair is kept whole). A
    model without a spectrum counts as {0}. Baseline: the mean, whose spectrum is {1, 0, 0}. Oracle: EDMD on the exact leading
    eigenfunctions from the same pairs. The pool holds states, one successor of each and, where the task has them, a second.
    """

    dt: float = 1.0

    kind: ClassVar[type] = Forecasting
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("spec", about="the larger of spec_err and spec_miss"),
        Metric("spec_err", about="distance of the three leading estimated eigenvalues to the true ones"),
        Metric("spec_miss", about="distance of the three leading true eigenvalues to the estimated ones"),
        Metric(
            "variance_residual", about="median residual over eigenpairs from one successor, which holds the variance"
        ),
        Metric("true_residual", about="the same from two successors, negative squares counted as 0"),
        Metric("eigfun_err", about="largest relative error of a leading eigenfunction"),
        Metric("rho", about="largest modulus of an eigenvalue"),
    )

    @property
    @abstractmethod
    def truth(self) -> ndarray:
        """The finite list of true eigenvalues of one step, by modulus."""

    @abstractmethod
    def features(self, x: ndarray) -> ndarray:
        """The exact leading eigenfunctions [state, feature]."""

    @property
    def criterion(self) -> Mapping[str, Any]:
        """How well eigenpairs predict: validation data does not hold the true spectrum."""
        return {"name": "spectrum"}

    @property
    def floor(self) -> float:
        """Of the logarithm."""
        return 1e-6

    def problem(self, seed: int) -> Forecasting:
        """Training and validation trajectories and the shuffled pool of held-out states and successors."""
        data = self.data(seed)
        train, validation = (
            Trajectories(
                torch.from_numpy(np.array(data[name][..., None])),
                dt=self.dt,
                twin=torch.from_numpy(np.array(data[f"{name}_twin"][..., None])) if f"{name}_twin" in data else None,
            )
            for name in ("train", "validation")
        )
        pool = self._pool(data)[data["order"].astype(int)]
        return Forecasting(train, validation, 1, ForecastingQuery({}, torch.from_numpy(pool[:, None, None])))

    def _pool(self, data: Mapping[str, ndarray]) -> ndarray:
        parts = [data["held_x"], data["held_y"]] + ([data["held_z"]] if "held_z" in data else [])
        return np.concatenate(parts)

    def held_out(self, paths: ndarray, rng: np.random.Generator, twin: ndarray | None = None) -> dict[str, ndarray]:
        """States of independent paths [path, state] with their successors, and the order in which the pool is shown."""
        x, y = paths[:, :-1].ravel(), paths[:, 1:].ravel()
        chosen = rng.permutation(len(x))[:_HELD]
        held = {"held_x": x[chosen], "held_y": y[chosen]}
        if twin is not None:
            held["held_z"] = twin[:, :-1].ravel()[chosen]
        held["order"] = rng.permutation(len(held) * len(chosen)).astype(float)
        return held

    def score(self, solution: Solution, seed: int) -> Scores:
        """Distances of the leading eigenvalues, and residuals on held-out transitions."""
        if "eigenvalues" not in solution:
            return Scores(self._distances(np.zeros(1, dtype=complex)))
        data, eigenvalues = self.data(seed), solution["eigenvalues"].astype(complex)
        values = np.empty(solution["eigenfunctions"].shape, dtype=complex)
        values[data["order"].astype(int)] = solution["eigenfunctions"]
        parts = np.split(values, len(values) // len(data["held_x"]))
        found = {**self._distances(eigenvalues), "rho": spectra.spectral_radius(eigenvalues)}
        true, first = self.features(data["held_x"]), self.truth[:_LEADING]
        if (error := spectra.eigenfunction_error(parts[0], eigenvalues, true, first)) is not None:
            found["eigfun_err"] = error
        residual = spectra.residuals(parts[0], parts[1], eigenvalues)
        varies = ~np.isnan(residual)
        if varies.any():
            found["variance_residual"] = float(np.median(residual[varies]))
        if len(parts) == 3:
            residual = spectra.twin_residuals(parts[0], parts[1], parts[2], eigenvalues)
            if (varies := ~np.isnan(residual)).any():
                found["true_residual"] = float(np.median(residual[varies]))
        return Scores(found, spectra.picture(eigenvalues, residual, self.truth) if seed == 0 else ())

    def _distances(self, eigenvalues: ndarray) -> dict[str, float]:
        error = spectra.spectral_error(eigenvalues, self.truth, _LEADING)
        miss = spectra.spectral_miss(eigenvalues, spectra.leading(self.truth, _LEADING))
        return {"spec": max(error, miss), "spec_err": error, "spec_miss": miss}

    def baseline(self, seed: int) -> float:
        """The spectrum {1, 0, 0} of the mean."""
        return self._distances(np.array([1, 0, 0], dtype=complex))["spec"]

    def oracle(self, seed: int) -> float:
        """EDMD on the exact leading eigenfunctions."""
        paths = self.data(seed)["train"]
        x, y = self.features(paths[:, :-1].ravel()), self.features(paths[:, 1:].ravel())
        return self._distances(np.linalg.eigvals(np.linalg.lstsq(x, y, rcond=1e-10)[0]).astype(complex))["spec"]


@dataclass(frozen=True, kw_only=True)
class OrnsteinUhlenbeck(SpectrumTask):
    """dX = -X dt + sqrt(2) dW, tau = 0.5, X_0 ~ N(0, 1): pairs with two independent successors of each state.

    Eigenvalues e^{-k tau}, eigenfunctions the Hermite polynomials. Exact transitions.
    """

    train: int = 100_000
    dt: float = 0.5

    version: ClassVar[int] = 2
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 10_000},
        "standard": {},
        "large": {"train": 1_000_000},
    }

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Independent pairs; `*_twin` holds a second successor of each state."""
        data: dict[str, ndarray] = {}
        held: dict[str, ndarray] = {}
        for i, (name, count) in enumerate({"train": self.train, "validation": self.train // 10, "held": _HELD}.items()):
            rng = self.rng(seed, "data", i)
            x = rng.standard_normal(count)
            y = processes.ou_step(x, self.dt, rng)
            states = np.stack([x, y], axis=1)
            twin = processes.ou_step(states, self.dt, rng)
            if name == "held":
                held = self.held_out(states, rng, twin)
            else:
                data |= {name: states, f"{name}_twin": twin}
        return data | held

    @property
    def truth(self) -> ndarray:
        """e^{-k tau}, k = 0 .. 8."""
        return np.exp(-self.dt * np.arange(9)).astype(complex)

    def features(self, x: ndarray) -> ndarray:
        """Hermite polynomials up to degree 2."""
        return hermite_e.hermevander(x, 2)


@dataclass(frozen=True, kw_only=True)
class NoisyLogistic(SpectrumTask):
    """x+ = 4 x (1 - x) + xi mod 1, xi of density proportional to cos^20(pi xi) on [-1/2, 1/2]: one trajectory.

    The operator has rank 21; eigenvalues 1, -.19334 +- .19094 i, -.02665, ... Source: Ostruszka et al. 2000, Kostic et al. 2022.
    """

    train: int = 16_384

    version: ClassVar[int] = 2
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 2000},
        "standard": {},
        "large": {"train": 200_000},
    }

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Three independent trajectories."""
        sizes = {"train": self.train, "validation": min(self.train, 10_000), "held": min(self.train, 10_000)}
        paths = {
            name: processes.logistic_path(steps, self.rng(seed, "data", i))[None]
            for i, (name, steps) in enumerate(sizes.items())
        }
        return {**self.held_out(paths.pop("held"), self.rng(seed, "data", 3)), **paths}

    @property
    def truth(self) -> ndarray:
        """All 21 eigenvalues."""
        return processes.logistic_modes()[0]

    def features(self, x: ndarray) -> ndarray:
        """The three leading eigenfunctions."""
        return processes.logistic_features(x) @ processes.logistic_modes()[1][:, :_LEADING]


@dataclass(frozen=True, kw_only=True)
class DoubleWell(SpectrumTask):
    """dX = -4 X (X^2 - 1) dt + sqrt(2/3) dW, Euler-Maruyama with step 1e-3, sampled every 0.1, from +-1 after a burn-in of 1.

    Rates 0, -.0806, -3.4949, -6.1466, -9.2932, of the generator on 2001 points.
    """

    train: int = 1000
    steps: int = 1000
    dt: float = 0.1

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 20, "steps": 200},
        "standard": {"train": 100},
        "large": {},
    }

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Independent paths, all in one batch."""
        sizes = (self.train, max(self.train // 10, 5), max(self.train // 10, 20))
        rng = self.rng(seed, "data", 0)
        paths = processes.double_well_paths(sum(sizes), self.steps, rng, tau=self.dt)
        train, validation, held = np.split(paths, np.cumsum(sizes)[:-1])
        return {**self.held_out(held, rng), "train": train, "validation": validation}

    @property
    def truth(self) -> ndarray:
        """The five leading eigenvalues."""
        return np.exp(self.dt * processes.double_well_modes()[0]).astype(complex)

    def features(self, x: ndarray) -> ndarray:
        """The three leading eigenfunctions of the generator."""
        _, grid, functions = processes.double_well_modes()
        return np.stack([np.interp(x, grid, functions[:, k]) for k in range(_LEADING)], axis=1)
