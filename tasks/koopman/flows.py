"""The task of forecasting a flow from one state: splits by initial condition, forecasts and spectra scored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.koopman import metrics, spectra
from dynamark.tasks.koopman.metrics import Deviation
from dynamark.tasks.koopman.systems import Flow, Sampler
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["FlowTask", "sized"]

# Steps ahead at which errors are reported; the longest within the test length gives the primary score.
_HORIZONS = (1, 10, 100, 500)
# Held-out pairs at most on which residuals are measured.
_PAIRS = 1000


def sized(
    train: int, validation: int, test: int, *, large: int = 10_000, **tiny: Any
) -> Mapping[str, Mapping[str, Any]]:
    """The tiers of a flow: trajectories of each split at the tiny one, with its other fields; training ones at the large."""
    return {
        "tiny": {"train": train, "validation": validation, "test": test, **tiny},
        "standard": {},
        "large": {"train": large},
    }


@dataclass(frozen=True, kw_only=True)
class FlowTask(Task):
    """Learn x_{n+1} = F(x_n) from trajectories, then continue unseen ones of which `context` states are shown.

    Context 1 is the Markov track, 32 the delay track: never mixed on one leaderboard, for a delay window holds more than a state.
    Training, validation and test start from independent draws of one law. Noise N(0, noise^2) is added to training and
    validation data and to the test context; targets are clean. Errors are in units of the training data's standard
    deviation. Eigenfunctions are asked at a shuffled pool of held-out states, their successors, and the first states of
    training and test (windows of `context` states each); which belong together only the task knows.
    """

    train: int = 1000
    validation: int = 100
    test: int = 200
    steps: int = 100
    test_steps: int = 500
    dt: float = 0.1
    noise: float = 0.0
    context: int = 1

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = sized(50, 10, 20, steps=50)
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("nrmse_mean", "sd", about="mean of nrmse up to the longest horizon (1, 10, 100 or 500 steps)"),
        *(
            Metric(f"nrmse_{h}", "sd", about=f"root mean square error {h} steps ahead")
            for h in (*_HORIZONS, 20, 40, 50)
        ),
        Metric("nrmse_end", "sd", about="the same at the end of the test trajectories"),
        Metric(
            "valid_horizon", "time", lower_is_better=False, about="mean time until a trajectory's nrmse exceeds 0.4"
        ),
        Metric("diverged", about="share of test trajectories that leave mean +- 1000 sd"),
        Metric("measure_W1", "sd", about="Wasserstein distance of the states visited, mean over 32 projections"),
        Metric("log_spectrum_rmse", about="error of the logarithm of the energy spectrum of a field"),
        Metric("drift", about="nrmse at the longest horizon over nrmse at a tenth of it"),
        Metric("spec_err", about="distance of the leading estimated eigenvalues to the true ones"),
        Metric("spec_miss", about="distance of the leading true eigenvalues to the estimated ones"),
        Metric("residual_median", about="residual of eigenpairs on held-out pairs, the constant left out"),
        Metric("residual_max", about="the same, largest"),
        Metric("residual_share", lower_is_better=False, about="share of eigenpairs with a residual below 0.05"),
        Metric("eigfun_err", about="largest relative error of a leading eigenfunction, where those are known"),
        Metric("rho", about="largest modulus of an eigenvalue"),
        Metric(
            "basin_acc", lower_is_better=False, about="accuracy of the basin told by eigenfunctions of eigenvalue 1"
        ),
    )

    @property
    @abstractmethod
    def flow(self) -> Flow:
        """The true flow."""

    @property
    @abstractmethod
    def starts(self) -> Sampler:
        """The law of initial states."""

    @property
    def spectrum(self) -> tuple[ndarray, ndarray] | None:
        """The finite list of true eigenvalues of one step, and the leading ones that should be found; None if unknown."""
        return None

    def eigenfunctions(self, states: ndarray) -> ndarray | None:
        """The true eigenfunctions of the leading eigenvalues at states [point, dim], in their order; None if unknown."""
        return None

    def invariants(self, truth: ndarray, forecast: ndarray) -> dict[str, float]:
        """How far the states that a forecast visits are from those of the truth, pointwise errors apart; in sd."""
        return {"measure_W1": metrics.wasserstein(truth, forecast)}

    def basins(self, paths: ndarray) -> ndarray | None:
        """1 or 0 by the basin of attraction in which each path [trajectory, time, dim] ends; None where there is one."""
        return None

    @property
    def horizons(self) -> tuple[int, ...]:
        """Horizons within the test length."""
        return tuple(h for h in _HORIZONS if h <= self.test_steps)

    @property
    def primary_horizon(self) -> int:
        """Steps over which the primary score averages: the longest horizon."""
        return self.horizons[-1]

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The primary score, over as many steps as validation trajectories have."""
        return {"name": "flow", "horizon": self.primary_horizon}

    @property
    def clock(self) -> float:
        """What valid_horizon counts in, in units of time."""
        return 1.0

    @property
    def floor(self) -> float:
        """Skill is a logarithm, and the exact flow scores 0."""
        return 1e-6

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Clean trajectories by split, the noise of each, and where the pool's pairs come from and go to."""
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        rngs = {name: self.rng(seed, "data", i) for i, name in enumerate(sizes)}
        starts = np.concatenate([self.starts(rngs[name], count) for name, count in sizes.items()])
        # All splits in one batch: the integration is bound by overhead, and no trajectory feels its neighbors.
        shown = self.context - 1 + self.test_steps
        paths = self.flow(starts, self.dt, max(self.steps, shown))
        data = {}
        for name, own in zip(sizes, np.split(paths, np.cumsum([*sizes.values()])[:-1]), strict=True):
            data[name] = own[:, : 1 + (shown if name == "test" else self.steps)]
            noisy = data[name][:, : self.context] if name == "test" else data[name]
            data[f"{name}_noise"] = self.noise * rngs[name].standard_normal(noisy.shape)
            if (side := self.basins(own)) is not None:
                data[f"{name}_basin"] = side
        return data | self.shuffles(self.rng(seed, "data", 3))

    def shuffles(self, rng: np.random.Generator) -> dict[str, ndarray]:
        """Which pairs of test states the pool holds, and the order in which it is shown."""
        pairs = rng.permutation(self.test * self._places)[:_PAIRS].astype(float)
        return {"pairs": pairs, "order": rng.permutation(2 * len(pairs) + self.train + self.test).astype(float)}

    @property
    def _places(self) -> int:
        """Windows of a test trajectory that have a successor and lie within the length of the training ones."""
        return max(1, min(self.steps, self.context - 1 + self.test_steps) - self.context + 1)

    def _pool(self, data: Mapping[str, ndarray]) -> ndarray:
        """Windows at x, at the successors y, the first training windows, the first test windows [point, window, dim]."""
        trajectory, time = np.divmod(data["pairs"].astype(int), self._places)
        window = time[:, None] + np.arange(self.context)
        x, y = data["test"][trajectory[:, None], window], data["test"][trajectory[:, None], window + 1]
        return np.concatenate([x, y, data["train"][:, : self.context], data["test"][:, : self.context]])

    def problem(self, seed: int) -> Forecasting:
        """Noisy training and validation trajectories; one rollout of the test's length and the shuffled pool."""
        data = self.data(seed)
        context = data["test"][:, : self.context] + data["test_noise"]
        pool = self._pool(data)[data["order"].astype(int)]
        query = ForecastingQuery({"test": Rollout(self._paths(context), self.test_steps)}, torch.from_numpy(pool))
        train, validation = (self._paths(data[name] + data[f"{name}_noise"]) for name in ("train", "validation"))
        return Forecasting(train, validation, self.context, query)

    def _paths(self, x: ndarray) -> Trajectories:
        return Trajectories(torch.from_numpy(np.array(x)), dt=self.dt)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors of the rollout, and the spectrum where the model has one."""
        data = self.data(seed)
        gap = self._deviation(data, solution["forecast.test"])
        by_horizon = metrics.nrmse(gap.error)
        values = {
            "nrmse_mean": float(by_horizon[: self.primary_horizon].mean()),
            **{f"nrmse_{h}": float(by_horizon[h - 1]) for h in self.horizons},
            "nrmse_end": float(by_horizon[-1]),
            "valid_horizon": metrics.valid_horizon(gap.error, self.dt / self.clock),
            "diverged": float(gap.diverged.mean()),
            "drift": metrics.drift(by_horizon, self.horizons[-1]),
            **self.invariants(gap.truth, gap.truth + gap.error),
        }
        curves = [Curve("nrmse", 1 + np.arange(self.test_steps), by_horizon)]
        if "eigenvalues" in solution:
            found, pictures = self._spectral(data, solution["eigenvalues"], solution["eigenfunctions"])
            values |= found
            curves += pictures if seed == 0 else ()
        return Scores(values, tuple(curves))

    def _deviation(self, data: Mapping[str, ndarray], forecast: ndarray) -> Deviation:
        train = (data["train"] + data["train_noise"]).reshape(-1, data["train"].shape[2])
        return metrics.deviation(data["test"][:, self.context :], forecast, train.mean(axis=0), train.std(axis=0))

    def _spectral(
        self, data: Mapping[str, ndarray], eigenvalues: ndarray, shuffled: ndarray
    ) -> tuple[dict[str, float], tuple[Curve, ...]]:
        """Distances to the true spectrum and eigenfunctions, residuals, and basins; and the spectrum as curves."""
        values = np.empty(shuffled.shape, dtype=complex)
        values[data["order"].astype(int)] = shuffled
        eigenvalues = eigenvalues.astype(complex)
        pairs = len(data["pairs"])
        at_x, at_y, at_train, at_test = np.split(values, np.cumsum([pairs, pairs, self.train]))
        found = {"rho": spectra.spectral_radius(eigenvalues)}
        truth = None
        if self.spectrum is not None:
            truth, first = self.spectrum
            found["spec_err"] = spectra.spectral_error(eigenvalues, truth, len(first))
            found["spec_miss"] = spectra.spectral_miss(eigenvalues, first)
            true = self.eigenfunctions(self._pool(data)[:pairs, -1])
            if true is not None and (error := spectra.eigenfunction_error(at_x, eigenvalues, true, first)) is not None:
                found["eigfun_err"] = error
        residual = spectra.residuals(at_x, at_y, eigenvalues)
        left = residual[~np.isnan(residual)]
        if len(left):
            found |= {"residual_median": float(np.median(left)), "residual_max": float(left.max())}
            found["residual_share"] = float(np.mean(left < 0.05))
        near = np.abs(eigenvalues - 1) < 0.01
        if "test_basin" in data and near.any():
            train, test = (np.nan_to_num(part[:, near].real, posinf=0, neginf=0) for part in (at_train, at_test))
            found["basin_acc"] = spectra.basin_accuracy(train, data["train_basin"] > 0, test, data["test_basin"] > 0)
        return found, spectra.picture(eigenvalues, residual, truth)

    def baseline(self, seed: int) -> float:
        """The better of repeating the last state and of the training mean."""
        data = self.data(seed)
        truth = data["test"][:, self.context :]
        last = data["test"][:, self.context - 1 : self.context] + data["test_noise"][:, -1:]
        still = np.broadcast_to(last, truth.shape)
        mean = np.broadcast_to((data["train"] + data["train_noise"]).mean(axis=(0, 1)), truth.shape)
        by_horizon = [metrics.nrmse(self._deviation(data, guess).error) for guess in (still, mean)]
        return float(min(error[: self.primary_horizon].mean() for error in by_horizon))

    def oracle(self, seed: int) -> float | None:
        """The exact flow from the last state that is shown: 0 without noise."""
        data = self.data(seed)
        if not self.noise:
            return 0.0
        last = data["test"][:, self.context - 1] + data["test_noise"][:, -1]
        forecast = self.flow(last, self.dt, self.test_steps)[:, 1:]
        return float(metrics.nrmse(self._deviation(data, forecast).error)[: self.primary_horizon].mean())
