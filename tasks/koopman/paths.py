"""Probabilistic forecasts of stochastic systems: the answer is an ensemble of paths, scored against one true path."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.koopman import processes
from dynamark.tasks.numerics.distributions import coverage, crps, energy_score
from dynamark.tasks.numerics.exact import cos, exp, sin
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["DoubleWellPaths", "OrnsteinUhlenbeckPaths", "PathTask", "SpiralPaths", "SquareRootPaths"]

# Answers are clamped to the training mean +- this many standard deviations, so that averages stay finite.
_CLAMP = 1e3
# Steps at which the CRPS is reported, and the level of the interval whose coverage is measured.
_STEPS, _LEVEL = (1, 5, 20), 0.9
# Draws of validation forecasts, and time before a trajectory of a system without a known stationary distribution starts.
_VALIDATION_DRAWS, _BURN_IN = 32, 10.0


@dataclass(frozen=True, kw_only=True)
class PathTask(Task):
    """Sample continuations of one observed state of a Markov process; `draws` of each are scored against the true path.

    Primary score: the energy score of whole paths, in units of the training data's standard deviation (sd), averaged over test
    trajectories. A model without `sample` is one draw, its forecast, whose score is the distance to the true path. Baseline: the
    better of the last state repeated and an ensemble of paths drawn from the training data, whatever the state. Oracle: an
    ensemble of the true process from the observed state. All scores are fair: their mean does not depend on `draws`.
    """

    train: int = 200
    validation: int = 50
    test: int = 500
    steps: int = 100
    horizon: int = 20
    draws: int = 64
    dt: float = 0.05

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 50, "validation": 20, "test": 100},
        "standard": {},
        "large": {"train": 2000},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("energy_score", "sd", about="energy score of the whole path, over the root of its number of values"),
        Metric("crps", "sd", about="continuous ranked probability score (CRPS), mean over steps and coordinates"),
        *(Metric(f"crps_{step}", "sd", about=f"CRPS {step} steps ahead") for step in _STEPS),
        Metric(
            "coverage_error",
            about="distance of the share of true values inside the central 90 % interval of the draws from its expectation; "
            "needs 19 draws",
        ),
        Metric("mean_nrmse", "sd", about="root mean square error of the mean of the draws, over all steps"),
        Metric("spread", "sd", None, "root mean variance of the draws, over all steps"),
        Metric("diverged", about="share of test trajectories with a draw that leaves mean +- 1000 sd"),
    )
    log_scale: ClassVar[bool] = False
    margin: ClassVar[float] = 0.9

    @abstractmethod
    def start(self, count: int, rng: np.random.Generator) -> ndarray:
        """The first states [path, dim] of paths."""

    @abstractmethod
    def advance(self, x: ndarray, rng: np.random.Generator) -> ndarray:
        """A draw of the states after a time dt, given states x [path, dim]."""

    def paths(self, x: ndarray, steps: int, rng: np.random.Generator) -> ndarray:
        """Paths [path, steps + 1, dim] from states x, which come first."""
        out = np.empty((len(x), steps + 1, x.shape[1]))
        out[:, 0] = x
        for step in range(steps):
            out[:, step + 1] = self.advance(out[:, step], rng)
        return out

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The energy score of forecasts of the validation trajectories."""
        return {"name": "energy", "horizon": self.horizon, "draws": _VALIDATION_DRAWS}

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Independent paths of each split."""
        sizes = {
            "train": (self.train, self.steps),
            "validation": (self.validation, self.steps),
            "test": (self.test, self.horizon),
        }
        data = {}
        for place, (name, (count, steps)) in enumerate(sizes.items()):
            rng = self.rng(seed, "data", place)
            data[name] = self.paths(self.start(count, rng), steps, rng)
        return data

    def problem(self, seed: int) -> Forecasting:
        """Training and validation paths; one rollout from the first state of the test paths."""
        data = self.data(seed)
        train, validation = (self._trajectories(data[name]) for name in ("train", "validation"))
        rollout = Rollout(self._trajectories(data["test"][:, :1]), self.horizon)
        return Forecasting(train, validation, 1, ForecastingQuery({"test": rollout}, draws=self.draws))

    def _trajectories(self, x: ndarray) -> Trajectories:
        return Trajectories(torch.from_numpy(np.array(x)), dt=self.dt)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Scores of the draws; those that need a spread are left out for a single draw."""
        draws, truth, diverged = self._scaled(solution["sample.test"], seed)
        by_step = crps(draws, truth).mean(axis=(0, 2))
        mean = draws.mean(axis=1)
        values = {
            "energy_score": float(energy_score(draws, truth).mean()),
            "crps": float(by_step.mean()),
            **{f"crps_{step}": float(by_step[step - 1]) for step in _STEPS if step <= self.horizon},
            "mean_nrmse": float(np.sqrt(np.square(mean - truth).mean())),
            "spread": float(np.sqrt(draws.var(axis=1).mean())),
            "diverged": float(diverged.mean()),
        }
        if (draws.shape[1] + 1) * (1 - _LEVEL) >= 2 - 1e-9:
            share, expected = coverage(draws, truth, _LEVEL)
            values["coverage_error"] = abs(share - expected)
        return Scores(values, (Curve("crps", 1 + np.arange(self.horizon), by_step),))

    def _scaled(self, draws: ndarray, seed: int) -> tuple[ndarray, ndarray, ndarray]:
        """Draws and true paths in training units, clamped, and which trajectories were clamped."""
        data = self.data(seed)
        train = data["train"].reshape(-1, data["train"].shape[2])
        mean, sd = train.mean(axis=0), train.std(axis=0)
        scaled = (draws.astype(float) - mean) / sd
        beyond = ~(np.abs(scaled) <= _CLAMP)  # NaN is beyond
        clamped = np.clip(np.nan_to_num(scaled, nan=_CLAMP, posinf=_CLAMP, neginf=-_CLAMP), -_CLAMP, _CLAMP)
        return clamped, (data["test"][:, 1:] - mean) / sd, beyond.any(axis=(1, 2, 3))

    def _energy(self, draws: ndarray, seed: int) -> float:
        draws, truth, _ = self._scaled(draws, seed)
        return float(energy_score(draws, truth).mean())

    def baseline(self, seed: int) -> float:
        """The better score of the last state repeated and of paths of the training data, drawn whatever the state."""
        data, rng = self.data(seed), self.rng(seed, "data", 3)
        still = np.repeat(data["test"][:, None, :1], self.horizon, axis=2)
        path = rng.integers(self.train, size=(self.test, self.draws))
        begin = rng.integers(self.steps - self.horizon + 1, size=(self.test, self.draws))
        times = begin[..., None] + 1 + np.arange(self.horizon)
        return min(self._energy(still, seed), self._energy(data["train"][path[..., None], times], seed))

    def oracle(self, seed: int) -> float:
        """The score of `draws` paths of the true process from each observed state."""
        data = self.data(seed)
        starts = np.repeat(data["test"][:, 0], self.draws, axis=0)
        paths = self.paths(starts, self.horizon, self.rng(seed, "data", 4))[:, 1:]
        return self._energy(paths.reshape(self.test, self.draws, *paths.shape[1:]), seed)


@dataclass(frozen=True, kw_only=True)
class OrnsteinUhlenbeckPaths(PathTask):
    """dX = -X dt + sqrt(2) dW, exactly sampled: X_t | x is N(e^{-t} x, 1 - e^{-2t}), so a linear Gaussian model suffices.

    The scores: Gneiting and Raftery 2007.
    key: gneiting2007
    """

    def start(self, count: int, rng: np.random.Generator) -> ndarray:
        """N(0, 1)."""
        return rng.standard_normal((count, 1))

    def advance(self, x: ndarray, rng: np.random.Generator) -> ndarray:
        """e^{-dt} x + sqrt(1 - e^{-2 dt}) N(0, 1)."""
        return processes.ou_step(x, self.dt, rng)


@dataclass(frozen=True, kw_only=True)
class SpiralPaths(PathTask):
    """dX = (-a I + w J) X dt + sqrt(2 a) dW in the plane, J a rotation by 90 degrees, exactly sampled; stationary N(0, I).

    damping: a. frequency: w. X_t | x is N(e^{-a t} R(w t) x, (1 - e^{-2 a t}) I).

    The scores: Gneiting and Raftery 2007.
    key: gneiting2007
    """

    damping: float = 0.3
    frequency: float = 2.0
    dt: float = 0.1

    def start(self, count: int, rng: np.random.Generator) -> ndarray:
        """N(0, I)."""
        return rng.standard_normal((count, 2))

    def advance(self, x: ndarray, rng: np.random.Generator) -> ndarray:
        """e^{-a dt} R(w dt) x + sqrt(1 - e^{-2 a dt}) N(0, I)."""
        decay, angle = exp(-self.damping * self.dt), self.frequency * self.dt
        turned = np.stack([cos(angle) * x[:, 0] - sin(angle) * x[:, 1], sin(angle) * x[:, 0] + cos(angle) * x[:, 1]], 1)
        return np.asarray(decay * turned + np.sqrt(1 - decay * decay) * rng.standard_normal(x.shape))


@dataclass(frozen=True, kw_only=True)
class DoubleWellPaths(PathTask):
    """dX = 4 X (1 - X^2) dt + sqrt(2/3) dW by Euler-Maruyama steps of dt/20: two wells, and from 0 paths fall into both.

    Starts: uniform on [-1.5, 1.5], so that many lie between the wells; the process is not stationary then.

    The scores: Gneiting and Raftery 2007.
    key: gneiting2007
    """

    beta: float = 3.0
    dt: float = 0.1

    def start(self, count: int, rng: np.random.Generator) -> ndarray:
        """Uniform on [-1.5, 1.5]."""
        return rng.uniform(-1.5, 1.5, (count, 1))

    def advance(self, x: ndarray, rng: np.random.Generator) -> ndarray:
        """Twenty steps x + 4 h x (1 - x^2) + sqrt(2 h/beta) N(0, 1)."""
        h = self.dt / 20
        for noise in rng.standard_normal((20, *x.shape)):
            x = x + 4 * h * x * (1 - x * x) + np.sqrt(2 * h / self.beta) * noise
        return x


@dataclass(frozen=True, kw_only=True)
class SquareRootPaths(PathTask):
    """dX = (1 - X) dt + s sqrt(2 X) dW by Euler steps of dt/10, max(X, 0) under the root: noise that depends on the state.

    noise: s; the stationary distribution is a Gamma distribution of mean 1 and variance s^2.
    Source: Cox, Ingersoll and Ross 1985.

    The scores: Gneiting and Raftery 2007.
    key: gneiting2007
    """

    noise: float = 0.7

    def start(self, count: int, rng: np.random.Generator) -> ndarray:
        """The state after a time of 10, from 1."""
        return self.paths(np.ones((count, 1)), round(_BURN_IN / self.dt), rng)[:, -1]

    def advance(self, x: ndarray, rng: np.random.Generator) -> ndarray:
        """Ten steps x + h (1 - x) + s sqrt(2 h max(x, 0)) N(0, 1)."""
        h = self.dt / 10
        for noise in rng.standard_normal((10, *x.shape)):
            x = x + h * (1 - x) + self.noise * np.sqrt(2 * h * np.maximum(x, 0.0)) * noise
        return x
