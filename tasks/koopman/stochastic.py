"""Tasks on stochastic systems: estimate the leading Koopman eigenvalues from sampled transitions."""

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

# Number of leading eigenvalues that are scored; number of held-out states in the pool.
_LEADING, _HELD_OUT = 3, 4000


@dataclass(frozen=True, kw_only=True)
class SpectrumTask(Task):
    """Estimate the leading eigenvalues of f -> E[f(x+) | x], x+ the successor of x, from sampled transitions; no forecasts.

    Primary score: the larger of spec_err and spec_miss over the three leading eigenvalues (a complex-conjugate pair is never
    split). A model without a spectrum is scored with the spectrum {0}. Baseline: the training mean, whose spectrum is {1, 0, 0}.
    Oracle: EDMD with the exact leading eigenfunctions as dictionary, on the same pairs. Eigenfunctions are evaluated on a
    shuffled pool of held-out states, their successors and, where the task has one, a second successor of each state.
    """

    dt: float = 1.0

    kind: ClassVar[type] = Forecasting
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("spec", about="the larger of spec_err and spec_miss"),
        Metric("spec_err", about="largest distance from a leading estimated eigenvalue to the nearest true one"),
        Metric("spec_miss", about="largest distance from a leading true eigenvalue to the nearest estimate"),
        Metric(
            "variance_residual",
            about="median residual of eigenpairs, from one successor per state; includes the variance of the successor",
        ),
        Metric(
            "true_residual",
            about="median residual of eigenpairs, from two successors per state; excludes the variance of the successor; "
            "negative squares count as 0",
        ),
        Metric("eigfun_err", about="largest relative error of a leading eigenfunction"),
        Metric("rho", about="largest modulus of an estimated eigenvalue"),
    )

    @property
    @abstractmethod
    def truth(self) -> ndarray:
        """The true eigenvalues of one time step: a finite list, by decreasing modulus."""

    @abstractmethod
    def features(self, x: ndarray) -> ndarray:
        """The exact leading eigenfunctions [state, feature] at states x [state]."""

    @property
    def criterion(self) -> Mapping[str, Any]:
        """How well eigenpairs predict observables on validation data: the true spectrum cannot be computed from data."""
        return {"name": "spectrum"}

    @property
    def floor(self) -> float:
        """The smallest score that the logarithmic scale of skill distinguishes."""
        return 1e-6

    def problem(self, seed: int) -> Forecasting:
        """Training and validation trajectories, and the shuffled pool of held-out states and their successors."""
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
        """Held-out states of independent paths [path, state], their successors, and the shuffled order of the pool.

        twin: a second, independent successor of each state [path, state].
        """
        x, y = paths[:, :-1].ravel(), paths[:, 1:].ravel()
        sample = rng.permutation(len(x))[:_HELD_OUT]
        arrays = {"held_x": x[sample], "held_y": y[sample]}
        if twin is not None:
            arrays["held_z"] = twin[:, :-1].ravel()[sample]
        arrays["order"] = rng.permutation(len(arrays) * len(sample)).astype(float)
        return arrays

    def score(self, solution: Solution, seed: int) -> Scores:
        """Distances between estimated and true leading eigenvalues, and residuals on held-out transitions."""
        if "eigenvalues" not in solution:
            return Scores(self._distances(np.zeros(1, dtype=complex)))
        data, eigenvalues = self.data(seed), solution["eigenvalues"].astype(complex)
        values = np.empty(solution["eigenfunctions"].shape, dtype=complex)
        values[data["order"].astype(int)] = solution["eigenfunctions"]
        parts = np.split(values, len(values) // len(data["held_x"]))
        scores = {**self._distances(eigenvalues), "rho": spectra.spectral_radius(eigenvalues)}
        true, first = self.features(data["held_x"]), self.truth[:_LEADING]
        if (error := spectra.eigenfunction_error(parts[0], eigenvalues, true, first)) is not None:
            scores["eigfun_err"] = error
        residual = spectra.residuals(parts[0], parts[1], eigenvalues)
        nonconstant = ~np.isnan(residual)
        if nonconstant.any():
            scores["variance_residual"] = float(np.median(residual[nonconstant]))
        if len(parts) == 3:
            residual = spectra.twin_residuals(parts[0], parts[1], parts[2], eigenvalues)
            if (nonconstant := ~np.isnan(residual)).any():
                scores["true_residual"] = float(np.median(residual[nonconstant]))
        return Scores(scores, spectra.picture(eigenvalues, residual, self.truth) if seed == 0 else ())

    def _distances(self, eigenvalues: ndarray) -> dict[str, float]:
        error = spectra.spectral_error(eigenvalues, self.truth, _LEADING)
        miss = spectra.spectral_miss(eigenvalues, spectra.leading(self.truth, _LEADING))
        return {"spec": max(error, miss), "spec_err": error, "spec_miss": miss}

    def baseline(self, seed: int) -> float:
        """The score of the training mean, whose spectrum is {1, 0, 0}."""
        return self._distances(np.array([1, 0, 0], dtype=complex))["spec"]

    def oracle(self, seed: int) -> float:
        """The score of EDMD with the exact leading eigenfunctions as dictionary."""
        paths = self.data(seed)["train"]
        x, y = self.features(paths[:, :-1].ravel()), self.features(paths[:, 1:].ravel())
        return self._distances(np.linalg.eigvals(np.linalg.lstsq(x, y, rcond=1e-10)[0]).astype(complex))["spec"]


@dataclass(frozen=True, kw_only=True)
class OrnsteinUhlenbeck(SpectrumTask):
    """dX = -X dt + sqrt(2) dW, X_0 ~ N(0, 1), sampled every tau = 0.5: pairs, with two independent successors of each state.

    The eigenvalues are e^{-k tau}, the eigenfunctions Hermite polynomials. Transitions are drawn from their exact distribution.
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
        """Independent pairs; the arrays `*_twin` contain a second successor of each state."""
        data: dict[str, ndarray] = {}
        pool: dict[str, ndarray] = {}
        for i, (name, count) in enumerate(
            {"train": self.train, "validation": self.train // 10, "held": _HELD_OUT}.items()
        ):
            rng = self.rng(seed, "data", i)
            x = rng.standard_normal(count)
            y = processes.ou_step(x, self.dt, rng)
            states = np.stack([x, y], axis=1)
            twin = processes.ou_step(states, self.dt, rng)
            if name == "held":
                pool = self.held_out(states, rng, twin)
            else:
                data |= {name: states, f"{name}_twin": twin}
        return data | pool

    @property
    def truth(self) -> ndarray:
        """e^{-k tau}, k = 0 .. 8."""
        return np.exp(-self.dt * np.arange(9)).astype(complex)

    def features(self, x: ndarray) -> ndarray:
        """Hermite polynomials up to degree 2."""
        return hermite_e.hermevander(x, 2)


@dataclass(frozen=True, kw_only=True)
class NoisyLogistic(SpectrumTask):
    """x+ = 4 x (1 - x) + xi mod 1, xi with density proportional to cos^20(pi xi) on [-1/2, 1/2]: one trajectory.

    The operator has rank 21; eigenvalues 1, -.19334 +- .19094 i, -.02665, ... Source: Ostruszka et al. 2000, Kostic et al. 2022.

    key: kostic2022
    """

    train: int = 16_384

    version: ClassVar[int] = 2
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 2000},
        "standard": {},
        "large": {"train": 200_000},
    }

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Independent trajectories for training, validation and the pool."""
        sizes = {"train": self.train, "validation": min(self.train, 10_000), "held": min(self.train, 10_000)}
        paths = {
            name: processes.logistic_path(steps, self.rng(seed, "data", i))[None]
            for i, (name, steps) in enumerate(sizes.items())
        }
        return {**self.held_out(paths.pop("held"), self.rng(seed, "data", 3)), **paths}

    @property
    def truth(self) -> ndarray:
        """The 21 eigenvalues of the operator, which has rank 21."""
        return processes.logistic_modes()[0]

    def features(self, x: ndarray) -> ndarray:
        """The three leading eigenfunctions."""
        return processes.logistic_features(x) @ processes.logistic_modes()[1][:, :_LEADING]


@dataclass(frozen=True, kw_only=True)
class DoubleWell(SpectrumTask):
    """dX = -4 X (X^2 - 1) dt + sqrt(2/3) dW, Euler-Maruyama with step 1e-3, sampled every 0.1; starts at +-1, burn-in of 1.

    The leading rates are 0, -.0806, -3.4949, -6.1466, -9.2932, computed from the generator discretized on 2001 points.
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
        """Independent paths, simulated in one batch."""
        sizes = (self.train, max(self.train // 10, 5), max(self.train // 10, 20))
        rng = self.rng(seed, "data", 0)
        paths = processes.double_well_paths(sum(sizes), self.steps, rng, tau=self.dt)
        train, validation, test = np.split(paths, np.cumsum(sizes)[:-1])
        return {**self.held_out(test, rng), "train": train, "validation": validation}

    @property
    def truth(self) -> ndarray:
        """The five leading eigenvalues e^{dt rate}."""
        return np.exp(self.dt * processes.double_well_modes()[0]).astype(complex)

    def features(self, x: ndarray) -> ndarray:
        """The three leading eigenfunctions of the generator."""
        _, grid, functions = processes.double_well_modes()
        return np.stack([np.interp(x, grid, functions[:, k]) for k in range(_LEADING)], axis=1)
