"""Reconstruction of chaotic systems: learn a system from one trajectory, then generate trajectories freely."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.chaos import metrics
from dynamark.tasks.chaos.systems import System, orbits, settle
from dynamark.tasks.numerics.lyapunov import kaplan_yorke
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["Reconstruction"]

# Length of every context: a warm-up for models with memory; models without memory use the last sample.
_CONTEXT = 100
# Forecast horizon of the prediction error, in steps.
_AHEAD = 20
# Number of independent true orbits whose median distance to the test trajectory is the floor of D_stsp. The first three are
# enough for the floors of the other distances, which vary less and cost more.
_REFERENCES, _FEW = 10, 3
# Free runs from random initial states in the bounding box of the data: their number, the transient, the samples after it, and
# the D_stsp above which a run is on another attractor.
_PLACES, _TRANSIENT, _SAMPLES, _ELSEWHERE = 40, 2000, 5000, 5.0
# Length of series for which the published bandwidth of the spectral smoothing is 20 bins.
_PUBLISHED_LENGTH = 100_000
# Points of a plotted orbit, and decimal digits of their coordinates.
_DOTS, _DIGITS = 1400, 3
# A long rollout beyond this many standard deviations has diverged; and the largest relative error of an exponent.
_DIVERGED, _WORST_ERROR = 10.0, 10.0
# The largest dimension for which D_stsp uses cells, and the number of random projections.
_CELLS_UP_TO, _DIRECTIONS = 3, 50


@dataclass(frozen=True, kw_only=True)
class Reconstruction(Task):
    """Learn x' = f(x) from one noisy trajectory; reproduce its attractor and forecast over short horizons.

    Data is standardized with the mean and standard deviation of the clean training trajectory; then observation noise
    `noise` N(0, 1) is added to the training and validation data. Test data is noise-free. The long rollout has 1.25 times the
    test length, and its first fifth is discarded as a transient. Primary score: D_stsp (nats). The floor of each distance is
    the distance between independent true orbits of the same length. All orbits of an instance lie on one attractor. For fully
    observed systems of at most three dimensions, free runs from random states in its basin show whether the model has
    additional attractors.
    """

    train: int = 100_000
    test: int = 100_000
    windows: int = 100
    noise: float = 0.0
    updates: int = 20_000

    kind: ClassVar[type] = Forecasting
    system: ClassVar[System]
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 5000, "test": 5000, "windows": 20, "updates": 300},
        "standard": {},
        "large": {"updates": 100_000},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("d_stsp", "nat", about="KL divergence of state-space occupancy (D_stsp)"),
        Metric("d_stsp_floor", "nat", about="d_stsp between independent true orbits, median of ten"),
        Metric("d_h", about="Hellinger distance of power spectra, smoothed over 20 bins"),
        Metric("d_h_floor", about="d_h between independent true orbits, median of three"),
        Metric(
            "d_h_fixed",
            about="Hellinger distance of power spectra, smoothed over a bandwidth independent of their length",
        ),
        Metric("d_h_fixed_floor", about="d_h_fixed between independent true orbits, median of three"),
        Metric("sliced_w1", "sd", about="Wasserstein-1 distance of projections, mean over 50 random directions"),
        Metric("sliced_w1_floor", "sd", about="sliced_w1 between independent true orbits, median of three"),
        Metric(
            "dimension_error",
            about="absolute error of the correlation dimension, both estimated from equally many points",
        ),
        Metric("dimension_error_floor", about="dimension_error between independent true orbits, median of three"),
        Metric("prediction_error", "sd^2", about="mean squared error 20 steps ahead"),
        Metric("valid_time", "Lyapunov time", lower_is_better=False, about="median time until the error exceeds 0.4"),
        Metric(
            "valid_time_mean", "Lyapunov time", lower_is_better=False, about="mean time until the error exceeds 0.4"
        ),
        Metric(
            "censored",
            about="fraction of the short forecasts that stay valid over the whole horizon",
            lower_is_better=False,
        ),
        Metric(
            "lyapunov_error",
            about="error of the largest Lyapunov exponent times the Lyapunov time or period, at most 10",
        ),
        Metric("lyapunov", "1/time", None, "largest Lyapunov exponent of the model, mean over initial states"),
        Metric("lyapunov_spread", "1/time", None, "standard deviation of `lyapunov` over initial states"),
        Metric("kaplan_yorke", "", None, "Kaplan-Yorke dimension of the model"),
        Metric(
            "basin",
            about="fraction of initial states in the true basin that end on another attractor or diverge",
        ),
        Metric(
            "escaped", about="1 if the long rollout left ten standard deviations; it is then scored as a fixed point"
        ),
    )
    # The time unit of short forecasts, their horizon in this unit, and the two coordinates of the plotted orbit.
    clock: ClassVar[str] = "lyapunov_time"
    units: ClassVar[int] = 15
    plane: ClassVar[tuple[int, int]] = (0, -1)
    cached: ClassVar[bool] = True

    @property
    def budget(self) -> int:
        """Training steps of every method that is trained by gradient descent."""
        return self.updates

    @property
    def criterion(self) -> Mapping[str, Any]:
        """Methods are tuned on the divergence of a free run, not on a short-term error."""
        return {"name": "divergence"}

    @property
    def horizon(self) -> int:
        """Steps of the short rollouts: `units` Lyapunov times or periods."""
        return round(self.units * self.system.unit / self.system.dt)

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Independent orbits: training, validation, test, references, and short orbits of a context and a horizon."""
        rng = self.rng(seed)
        validation = max(self.train // 5, 1000)
        groups = orbits(
            self.system,
            {
                "long": (3 + _REFERENCES, max(self.train, self.test, validation)),
                "short": (self.windows, _CONTEXT + self.horizon),
                "windows": (self.test // (_CONTEXT + _AHEAD), _CONTEXT + _AHEAD),
            },
            rng,
        )
        long = groups["long"]
        clean_train = long[0, : self.train]
        mean, scale = clean_train.mean(axis=0), clean_train.std(axis=0)
        clean = {
            "train": long[:1, : self.train],
            "validation": long[1:2, :validation],
            "test": long[2:3, : self.test],
            "references": long[3:, : self.test],
            "short": groups["short"],
            "windows": groups["windows"],
        }
        data = {name: (x - mean) / scale for name, x in clean.items()}
        for name in ("train", "validation"):
            data[name] = data[name] + self.noise * rng.standard_normal(data[name].shape)
        if self.system.confined:
            data["places"] = self._places(data["train"][0], seed, mean, scale)
        return data

    def problem(self, seed: int) -> Forecasting:
        """One training and one validation trajectory; queries for a long rollout, short rollouts, and forecasts of 20 steps."""
        data = self.data(seed)
        rollouts = {
            # The orbits of the Lyapunov spectrum start at the contexts of the first rollout; these are many, so it is `short`.
            "short": Rollout(self._paths(data["short"][:, :_CONTEXT]), self.horizon),
            "long": Rollout(self._paths(data["test"][:, :_CONTEXT]), self.test * 5 // 4),
            "windows": Rollout(self._paths(data["windows"][:, :_CONTEXT]), _AHEAD),
        }
        if self.system.observed is None and self.system.dim <= _CELLS_UP_TO:
            places = data["places"] if self.system.confined else self._places(data["train"][0], seed)
            # Contexts that are constant at the initial state.
            contexts = np.repeat(places[:, None], _CONTEXT, axis=1)
            rollouts["places"] = Rollout(self._paths(contexts), _TRANSIENT + _SAMPLES)
        query = ForecastingQuery(rollouts, lyapunov_steps=self.test // 5)
        return Forecasting(self._paths(data["train"]), self._paths(data["validation"]), _CONTEXT, query)

    def _places(self, train: ndarray, seed: int, mean: ndarray | float = 0.0, scale: ndarray | float = 1.0) -> ndarray:
        """Random states in the bounding box of the data; for a confined system only states in the basin of the attractor."""
        rng, box = self.rng(seed, "places"), (train.min(axis=0), train.max(axis=0))
        places = rng.uniform(*box, (_PLACES, train.shape[1]))
        while self.system.confined:
            missing = ~settle(self.system, (places * scale + mean).T)[1]
            if not missing.any():
                break
            places[missing] = rng.uniform(*box, (int(missing.sum()), train.shape[1]))
        return places

    def _paths(self, x: ndarray) -> Trajectories:
        return Trajectories(torch.from_numpy(np.array(x)), dt=self.system.dt)

    def score(self, solution: Solution, seed: int) -> Scores:
        """D_stsp and D_H of the long rollout, error of the 20-step forecasts, valid time of the short rollouts, exponents.

        A long rollout that leaves ten standard deviations or is not finite is scored as a fixed point at the mean.
        """
        data = self.data(seed)
        test = data["test"][0]
        free = solution["forecast.long"][0, -self.test :].astype(float)
        diverged = not bool((np.abs(free) <= _DIVERGED).all())
        if diverged:  # scored, not left out
            free = np.zeros_like(test) + test.mean(axis=0)
        short, forecast = data["short"][:, _CONTEXT:], solution["forecast.short"].astype(float)
        variance = float(np.mean(np.sum((test - test.mean(axis=0)) ** 2, axis=1)))
        times = metrics.valid_time(short, forecast, variance, self.system.dt / self.system.unit)
        floor = self.oracle(seed)
        values = {
            "d_stsp": max(self.divergence(test, free, seed), floor / 10),
            "d_stsp_floor": floor,
            **self.distances(free, seed),
            **_floors(self, seed),
            "prediction_error": metrics.prediction_error(data["windows"][:, -1], solution["forecast.windows"][:, -1]),
            "valid_time": float(np.median(times)),
            "valid_time_mean": float(np.mean(times)),
            "censored": float(np.mean(times >= self.horizon * (self.system.dt / self.system.unit))),
            "escaped": float(diverged),
        }
        if "lyapunov" in solution:
            values |= self._exponents(solution["lyapunov"])
        if "forecast.places" in solution:
            space = metrics.StateSpace(test)
            ends = solution["forecast.places"][:, _TRANSIENT:].astype(float)
            values["basin"] = float(np.mean([space.divergence(end) > _ELSEWHERE for end in ends]))
        curves = [self._error_curve(short, forecast, variance)]
        if seed == 0 and not diverged:
            curves += [self._picture("attractor", free, seed), self._picture("attractor_true", test, seed)]
        return Scores(values, tuple(curves))

    def distances(self, other: ndarray, seed: int) -> dict[str, float]:
        """Distances of an orbit from the test trajectory: power spectrum, projections, correlation dimension."""
        test = self.data(seed)["test"][0]
        dimension = metrics.correlation_dimension(self._embedded(other, seed))
        return {
            "d_h": metrics.hellinger(test, other),
            "d_h_fixed": metrics.hellinger(test, other, 20 * self.test / _PUBLISHED_LENGTH),
            "sliced_w1": metrics.sliced_wasserstein(test, other, _DIRECTIONS),
            "dimension_error": abs(dimension - _dimension(self, seed)),
        }

    def _embedded(self, x: ndarray, seed: int, size: int = 3) -> ndarray:
        """The orbit; if it has one channel, its delay embedding of dimension `size`."""
        return x if x.shape[1] > 1 else metrics.embedded(x, _lag(self, seed), size)

    def _picture(self, name: str, x: ndarray, seed: int) -> Curve:
        """The first points of an orbit, projected onto two coordinates; for one channel, x_t against x_{t + lag}."""
        points = np.round(self._embedded(x, seed, 2)[:_DOTS, list(self.plane)], _DIGITS)
        return Curve(name, points[:, 0], points[:, 1], _DOTS)

    def _exponents(self, spectra: ndarray) -> dict[str, float]:
        """Largest exponent and Kaplan-Yorke dimension of the model, means over orbits; spectra [start, exponent] per step."""
        largest = spectra[:, 0] / self.system.dt
        if not np.isfinite(spectra).all():
            return {"lyapunov_error": _WORST_ERROR}
        return {
            "lyapunov": float(largest.mean()),
            "lyapunov_spread": float(largest.std()),
            "lyapunov_error": min(
                float(abs(largest.mean() - self.system.lyapunov[0])) * self.system.unit, _WORST_ERROR
            ),
            "kaplan_yorke": float(np.mean([kaplan_yorke(torch.from_numpy(x)) for x in spectra])),
        }

    def _error_curve(self, truth: ndarray, forecast: ndarray, variance: float) -> Curve:
        """The median over forecasts of the normalized error, as a function of time."""
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.sqrt(np.sum((forecast - truth) ** 2, axis=-1) / variance)
        error = np.minimum(np.nan_to_num(error, nan=1e3, posinf=1e3), 1e3)
        time = (1 + np.arange(truth.shape[1])) * (self.system.dt / self.system.unit)
        return Curve(f"error_by_{self.clock}", time, np.median(error, axis=0))

    @property
    def floor(self) -> float:
        """A lower bound that only keeps the logarithm finite; the floor of D_stsp itself is `oracle`."""
        return 1e-3

    def baseline(self, seed: int) -> float:
        """D_stsp of a fixed point at the mean."""
        test = self.data(seed)["test"][0]
        return self.divergence(test, np.zeros_like(test) + test.mean(axis=0), seed)

    def divergence(self, truth: ndarray, generated: ndarray, seed: int) -> float:
        """D_stsp, by cells in up to three dimensions (one channel is delay-embedded in three), else by Gaussian mixtures."""
        truth, generated = self._embedded(truth, seed), self._embedded(generated, seed)
        if truth.shape[1] > _CELLS_UP_TO:
            return metrics.mixture_divergence(truth, generated)
        return metrics.state_space_divergence(truth, generated)

    def oracle(self, seed: int) -> float:
        """The median D_stsp of ten independent true orbits."""
        return _floor(self, seed)


@functools.lru_cache(maxsize=64)
def _floor(task: Reconstruction, seed: int) -> float:
    data = task.data(seed)
    return float(np.median([task.divergence(data["test"][0], x, seed) for x in data["references"]]))


@functools.lru_cache(maxsize=64)
def _floors(task: Reconstruction, seed: int) -> dict[str, float]:
    """The medians of the other distances over three independent true orbits."""
    rows = [task.distances(x, seed) for x in task.data(seed)["references"][:_FEW]]
    return {f"{name}_floor": float(np.median([row[name] for row in rows])) for name in rows[0]}


@functools.lru_cache(maxsize=64)
def _dimension(task: Reconstruction, seed: int) -> float:
    """The correlation dimension of the test trajectory."""
    return metrics.correlation_dimension(task._embedded(task.data(seed)["test"][0], seed))


@functools.lru_cache(maxsize=64)
def _lag(task: Reconstruction, seed: int) -> int:
    """The delay of the embedding, from the test trajectory because the training data may be noisy."""
    return metrics.delay(task.data(seed)["test"][0])
