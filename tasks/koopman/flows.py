"""Forecasting tasks on deterministic flows, scored by forecast errors and by the estimated Koopman spectrum."""

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

# Horizons (in steps) at which errors are reported; the longest one within the test length defines the primary score.
_HORIZONS = (1, 10, 100, 500)
# Largest number of held-out pairs on which residuals are measured.
_PAIRS = 1000


def sized(
    train: int, validation: int, test: int, *, large: int = 10_000, **tiny: Any
) -> Mapping[str, Mapping[str, Any]]:
    """The tiers of a flow task.

    train, validation, test: numbers of trajectories at `tiny`; `**tiny` are other fields at that tier.
    large: number of training trajectories at `large`.
    """
    return {
        "tiny": {"train": train, "validation": validation, "test": test, **tiny},
        "standard": {},
        "large": {"train": large},
    }


@dataclass(frozen=True, kw_only=True)
class FlowTask(Task):
    """Learn x_{n+1} = F(x_n) from trajectories, then forecast held-out trajectories from their first `context` states.

    context = 1 is the Markov track, context = 32 the delay track; a leaderboard never mixes the two, because a window of delays
    contains more information than one state. The initial states of training, validation and test trajectories are independent
    draws from one distribution. Noise N(0, noise^2) is added to training and validation data and to the test context; targets
    have no noise. Errors are in units of the training data's standard deviation (sd). Eigenfunctions are evaluated on a
    shuffled pool of windows of `context` states: held-out windows, their successors, and the first windows of training and test
    trajectories. A model cannot tell which windows belong together.
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
        Metric(
            "nrmse_mean",
            "sd",
            about="normalized root mean square error (nrmse), averaged over all steps up to the longest horizon (1, 10, 100 or "
            "500 steps)",
        ),
        *(
            Metric(f"nrmse_{h}", "sd", about=f"normalized root mean square error {h} steps ahead")
            for h in (*_HORIZONS, 20, 40, 50)
        ),
        Metric("nrmse_end", "sd", about="nrmse at the last step of the test trajectories"),
        Metric(
            "valid_horizon", "time", lower_is_better=False, about="mean time until a trajectory's nrmse exceeds 0.4"
        ),
        Metric("diverged", about="share of test trajectories whose forecast leaves mean +- 1000 sd"),
        Metric(
            "measure_W1",
            "sd",
            about="Wasserstein-1 distance between the forecast and true distributions of states, mean over 32 projections",
        ),
        Metric("log_spectrum_rmse", about="root mean square error of the logarithm of a field's energy spectrum"),
        Metric("drift", about="nrmse at the longest horizon divided by nrmse at a tenth of it"),
        Metric("spec_err", about="largest distance from a leading estimated eigenvalue to the nearest true one"),
        Metric("spec_miss", about="largest distance from a leading true eigenvalue to the nearest estimate"),
        Metric("residual_median", about="median residual of eigenpairs on held-out pairs, without the constant"),
        Metric("residual_max", about="largest residual of eigenpairs on held-out pairs, without the constant"),
        Metric(
            "residual_share",
            lower_is_better=False,
            about="share of eigenpairs with a residual below 0.05, without the constant",
        ),
        Metric("eigfun_err", about="largest relative error of a leading eigenfunction, if the true ones are known"),
        Metric("rho", about="largest modulus of an estimated eigenvalue"),
        Metric(
            "basin_acc",
            lower_is_better=False,
            about="accuracy of the basin of attraction predicted from eigenfunctions with eigenvalue 1",
        ),
    )

    @property
    @abstractmethod
    def flow(self) -> Flow:
        """The true flow."""

    @property
    @abstractmethod
    def starts(self) -> Sampler:
        """The distribution of initial states."""

    @property
    def spectrum(self) -> tuple[ndarray, ndarray] | None:
        """The true eigenvalues of one time step (a finite list), and the leading ones among them; None if unknown."""
        return None

    def eigenfunctions(self, states: ndarray) -> ndarray | None:
        """The true eigenfunctions [point, mode] of the leading eigenvalues at states [point, dim]; None if unknown."""
        return None

    def invariants(self, truth: ndarray, forecast: ndarray) -> dict[str, float]:
        """Scores that compare the distribution of forecast states with the true one; states are in units of sd."""
        return {"measure_W1": metrics.wasserstein(truth, forecast)}

    def basins(self, paths: ndarray) -> ndarray | None:
        """The basin of attraction, 1 or 0, in which each path [trajectory, time, dim] ends; None if there is only one."""
        return None

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons, in steps, at which errors are reported: those within the test length."""
        return tuple(h for h in _HORIZONS if h <= self.test_steps)

    @property
    def primary_horizon(self) -> int:
        """The number of steps over which the primary score averages: the longest horizon."""
        return self.horizons[-1]

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The primary score on validation trajectories, over at most as many steps as these have."""
        return {"name": "flow", "horizon": self.primary_horizon}

    @property
    def clock(self) -> float:
        """The unit of valid_horizon, in units of time."""
        return 1.0

    @property
    def floor(self) -> float:
        """The smallest score that the logarithmic scale of skill distinguishes; the exact flow scores 0."""
        return 1e-6

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Trajectories without noise and the noise, by split; the pairs in the pool and the order of the pool."""
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        rngs = {name: self.rng(seed, "data", i) for i, name in enumerate(sizes)}
        starts = np.concatenate([self.starts(rngs[name], count) for name, count in sizes.items()])
        # All splits in one batch: the run time is mostly overhead, and trajectories do not affect each other.
        test_length = self.context - 1 + self.test_steps
        paths = self.flow(starts, self.dt, max(self.steps, test_length))
        data = {}
        for name, split in zip(sizes, np.split(paths, np.cumsum([*sizes.values()])[:-1]), strict=True):
            data[name] = split[:, : 1 + (test_length if name == "test" else self.steps)]
            noisy = data[name][:, : self.context] if name == "test" else data[name]
            data[f"{name}_noise"] = self.noise * rngs[name].standard_normal(noisy.shape)
            if (basin := self.basins(split)) is not None:
                data[f"{name}_basin"] = basin
        return data | self.shuffles(self.rng(seed, "data", 3))

    def shuffles(self, rng: np.random.Generator) -> dict[str, ndarray]:
        """The pairs of test windows in the pool, and the shuffled order of the pool."""
        pairs = rng.permutation(self.test * self._windows_per_path)[:_PAIRS].astype(float)
        return {"pairs": pairs, "order": rng.permutation(2 * len(pairs) + self.train + self.test).astype(float)}

    @property
    def _windows_per_path(self) -> int:
        """Windows of a test trajectory that have a successor and lie within the length of training trajectories."""
        return max(1, min(self.steps, self.context - 1 + self.test_steps) - self.context + 1)

    def _pool(self, data: Mapping[str, ndarray]) -> ndarray:
        """Windows x, their successors y, the first training and the first test windows [point, window, dim]."""
        trajectory, time = np.divmod(data["pairs"].astype(int), self._windows_per_path)
        window = time[:, None] + np.arange(self.context)
        x, y = data["test"][trajectory[:, None], window], data["test"][trajectory[:, None], window + 1]
        return np.concatenate([x, y, data["train"][:, : self.context], data["test"][:, : self.context]])

    def problem(self, seed: int) -> Forecasting:
        """Noisy training and validation trajectories; the query is one rollout of `test_steps` and the shuffled pool."""
        data = self.data(seed)
        context = data["test"][:, : self.context] + data["test_noise"]
        pool = self._pool(data)[data["order"].astype(int)]
        query = ForecastingQuery({"test": Rollout(self._paths(context), self.test_steps)}, torch.from_numpy(pool))
        train, validation = (self._paths(data[name] + data[f"{name}_noise"]) for name in ("train", "validation"))
        return Forecasting(train, validation, self.context, query)

    def _paths(self, x: ndarray) -> Trajectories:
        return Trajectories(torch.from_numpy(np.array(x)), dt=self.dt)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors of the rollout, and of the spectrum if the model has one."""
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
            scores, pictures = self._spectral(data, solution["eigenvalues"], solution["eigenfunctions"])
            values |= scores
            curves += pictures if seed == 0 else ()
        return Scores(values, tuple(curves))

    def _deviation(self, data: Mapping[str, ndarray], forecast: ndarray) -> Deviation:
        train = (data["train"] + data["train_noise"]).reshape(-1, data["train"].shape[2])
        return metrics.deviation(data["test"][:, self.context :], forecast, train.mean(axis=0), train.std(axis=0))

    def _spectral(
        self, data: Mapping[str, ndarray], eigenvalues: ndarray, shuffled: ndarray
    ) -> tuple[dict[str, float], tuple[Curve, ...]]:
        """Distances to the true spectrum and eigenfunctions, residuals and basin accuracy; the spectrum as curves."""
        values = np.empty(shuffled.shape, dtype=complex)
        values[data["order"].astype(int)] = shuffled
        eigenvalues = eigenvalues.astype(complex)
        pairs = len(data["pairs"])
        at_x, at_y, at_train, at_test = np.split(values, np.cumsum([pairs, pairs, self.train]))
        scores = {"rho": spectra.spectral_radius(eigenvalues)}
        truth = None
        if self.spectrum is not None:
            truth, first = self.spectrum
            scores["spec_err"] = spectra.spectral_error(eigenvalues, truth, len(first))
            scores["spec_miss"] = spectra.spectral_miss(eigenvalues, first)
            true = self.eigenfunctions(self._pool(data)[:pairs, -1])
            if true is not None and (error := spectra.eigenfunction_error(at_x, eigenvalues, true, first)) is not None:
                scores["eigfun_err"] = error
        residual = spectra.residuals(at_x, at_y, eigenvalues)
        finite = residual[~np.isnan(residual)]
        if len(finite):
            scores |= {"residual_median": float(np.median(finite)), "residual_max": float(finite.max())}
            scores["residual_share"] = float(np.mean(finite < 0.05))
        near = np.abs(eigenvalues - 1) < 0.01
        if "test_basin" in data and near.any():
            train, test = (np.nan_to_num(part[:, near].real, posinf=0, neginf=0) for part in (at_train, at_test))
            scores["basin_acc"] = spectra.basin_accuracy(train, data["train_basin"] > 0, test, data["test_basin"] > 0)
        return scores, spectra.picture(eigenvalues, residual, truth)

    def baseline(self, seed: int) -> float:
        """The better score of two forecasts: the last context state repeated, and the training mean."""
        data = self.data(seed)
        truth = data["test"][:, self.context :]
        last = data["test"][:, self.context - 1 : self.context] + data["test_noise"][:, -1:]
        still = np.broadcast_to(last, truth.shape)
        mean = np.broadcast_to((data["train"] + data["train_noise"]).mean(axis=(0, 1)), truth.shape)
        by_horizon = [metrics.nrmse(self._deviation(data, guess).error) for guess in (still, mean)]
        return float(min(error[: self.primary_horizon].mean() for error in by_horizon))

    def oracle(self, seed: int) -> float | None:
        """The score of the exact flow from the last (noisy) context state: 0 without noise."""
        data = self.data(seed)
        if not self.noise:
            return 0.0
        last = data["test"][:, self.context - 1] + data["test_noise"][:, -1]
        forecast = self.flow(last, self.dt, self.test_steps)[:, 1:]
        return float(metrics.nrmse(self._deviation(data, forecast).error)[: self.primary_horizon].mean())
