"""The tasks of chaotic reconstruction: learn a system from one trajectory, then run freely."""

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

# Samples of every context: a warm-up for models with memory; models without take the last one.
_CONTEXT = 100
# Steps ahead of the prediction error.
_AHEAD = 20
# Independent true orbits whose median distance to the test trajectory is the floor of D_stsp; the first few of them are
# enough for the floors of the other distances, which spread less and cost more.
_REFERENCES, _FEW = 10, 3
# Free runs from random places in the box of the data: their number, samples dropped and kept, and the distance from the
# attractor that tells another one.
_PLACES, _DROPPED, _KEPT, _ELSEWHERE = 40, 2000, 5000, 5.0
# Samples at which the smoothing of the spectrum has the published width, which is there 20 bins.
_PUBLISHED_LENGTH = 100_000
# Points of a picture, and its digits.
_DOTS, _DIGITS = 1400, 3
# Standard deviations beyond which a long rollout counts as escaped, and the relative error of an exponent that is none.
_ESCAPED, _WORST_ERROR = 10.0, 10.0
# Channels up to which cells can be filled, and directions of projections.
_CELLS_UP_TO, _DIRECTIONS = 3, 50


@dataclass(frozen=True, kw_only=True)
class Reconstruction(Task):
    """Learn x' = f(x) from one noisy trajectory; reproduce its attractor and predict its near future.

    Data is standardized with mean and standard deviation of the clean training trajectory; then observation noise
    `noise` N(0, 1) is added to training and validation data. Test data is noise-free. The long rollout has 1.25 times the
    test length, of which the first fifth is dropped. Primary score: D_stsp (nats). The floor of a distance, beside each, is
    what independent true orbits of the same length score. All orbits of an instance lie on one attractor. Up to three
    channels, seen whole, free runs from random places of its basin tell whether the model has attractors of its own.
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
        Metric("d_stsp", "nat", about="Kullback-Leibler divergence of the occupation of state space"),
        Metric("d_stsp_floor", "nat", about="the same between independent true orbits, median of ten"),
        Metric("d_h", about="Hellinger distance of power spectra, smoothed over 20 bins"),
        Metric("d_h_floor", about="the same between independent true orbits, median of three"),
        Metric(
            "d_h_fixed", about="Hellinger distance of power spectra, smoothed over one bandwidth whatever their length"
        ),
        Metric("d_h_fixed_floor", about="the same between independent true orbits"),
        Metric("sliced_w1", "sd", about="Wasserstein distance of projections, mean over 50 directions"),
        Metric("sliced_w1_floor", "sd", about="the same between independent true orbits"),
        Metric("dimension_error", about="|D - D*| of the correlation dimension, at the same number of points"),
        Metric("dimension_error_floor", about="the same between independent true orbits"),
        Metric("prediction_error", "sd^2", about="mean squared error 20 steps ahead"),
        Metric("valid_time", "Lyapunov time", lower_is_better=False, about="median time until the error exceeds 0.4"),
        Metric("valid_time_mean", "Lyapunov time", lower_is_better=False, about="its mean"),
        Metric("censored", about="share of the short forecasts that stay valid to their end", lower_is_better=False),
        Metric("lyapunov_error", about="|l - l*| of the largest exponent, in the true one, at most 10"),
        Metric("lyapunov", "1/time", None, "largest Lyapunov exponent of the model, mean over starts"),
        Metric("lyapunov_spread", "1/time", None, "its standard deviation over starts"),
        Metric("kaplan_yorke", "", None, "Kaplan-Yorke dimension of the model"),
        Metric(
            "basin",
            about="share of starts in the box of the data, inside the true basin, that end on another attractor, or escape",
        ),
        Metric("escaped", about="1 where the long rollout left ten standard deviations, and counts as a fixed point"),
    )
    # What the near future is measured in, how much of it is asked, and the two coordinates of the picture.
    clock: ClassVar[str] = "lyapunov_time"
    units: ClassVar[int] = 15
    plane: ClassVar[tuple[int, int]] = (0, -1)
    cached: ClassVar[bool] = True

    @property
    def budget(self) -> int:
        """Training steps: the same for every method that is trained by gradients."""
        return self.updates

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The divergence of a free run, not an error of few steps."""
        return {"name": "divergence"}

    @property
    def horizon(self) -> int:
        """Steps of the short rollouts: 15 Lyapunov times."""
        return round(self.units * self.system.unit / self.system.dt)

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Independent orbits: training, validation, test, references, and short ones of context and horizon."""
        rng = self.rng(seed)
        validation = max(self.train // 5, 1000)
        made = orbits(
            self.system,
            {
                "long": (3 + _REFERENCES, max(self.train, self.test, validation)),
                "short": (self.windows, _CONTEXT + self.horizon),
                "windows": (self.test // (_CONTEXT + _AHEAD), _CONTEXT + _AHEAD),
            },
            rng,
        )
        long = made["long"]
        clean = long[0, : self.train]
        mean, scale = clean.mean(axis=0), clean.std(axis=0)
        quiet = {
            "train": long[:1, : self.train],
            "validation": long[1:2, :validation],
            "test": long[2:3, : self.test],
            "references": long[3:, : self.test],
            "short": made["short"],
            "windows": made["windows"],
        }
        data = {name: (x - mean) / scale for name, x in quiet.items()}
        for name in ("train", "validation"):
            data[name] = data[name] + self.noise * rng.standard_normal(data[name].shape)
        if self.system.confined:
            data["places"] = self._places(data["train"][0], seed, mean, scale)
        return data

    def problem(self, seed: int) -> Forecasting:
        """One training and one validation trajectory; a long rollout, short ones, and windows of 20 steps."""
        data = self.data(seed)
        rollouts = {
            # The first rollout's contexts are also where the orbits of the Lyapunov spectrum start: many, not one.
            "short": Rollout(self._paths(data["short"][:, :_CONTEXT]), self.horizon),
            "long": Rollout(self._paths(data["test"][:, :_CONTEXT]), self.test * 5 // 4),
            "windows": Rollout(self._paths(data["windows"][:, :_CONTEXT]), _AHEAD),
        }
        if self.system.observed is None and self.system.dim <= _CELLS_UP_TO:
            places = data["places"] if self.system.confined else self._places(data["train"][0], seed)
            # As contexts that stood still there.
            stood = np.repeat(places[:, None], _CONTEXT, axis=1)
            rollouts["places"] = Rollout(self._paths(stood), _DROPPED + _KEPT)
        query = ForecastingQuery(rollouts, lyapunov_steps=self.test // 5)
        return Forecasting(self._paths(data["train"]), self._paths(data["validation"]), _CONTEXT, query)

    def _places(self, train: ndarray, seed: int, mean: ndarray | float = 0.0, scale: ndarray | float = 1.0) -> ndarray:
        """Random places in the box of the data, of a confined system those from which the truth ends on the attractor."""
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
        """D_stsp and D_H of the long rollout, prediction error of the windows, valid time of the short ones, exponents.

        A long rollout that leaves ten standard deviations or is not finite counts as a fixed point at the mean.
        """
        data = self.data(seed)
        test = data["test"][0]
        free = solution["forecast.long"][0, -self.test :].astype(float)
        escaped = not bool((np.abs(free) <= _ESCAPED).all())
        if escaped:  # never dropped
            free = np.zeros_like(test) + test.mean(axis=0)
        short, forecast = data["short"][:, _CONTEXT:], solution["forecast.short"].astype(float)
        power = float(np.mean(np.sum((test - test.mean(axis=0)) ** 2, axis=1)))
        times = metrics.valid_time(short, forecast, power, self.system.dt / self.system.unit)
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
            "escaped": float(escaped),
        }
        if "lyapunov" in solution:
            values |= self._exponents(solution["lyapunov"])
        if "forecast.places" in solution:
            space = metrics.StateSpace(test)
            ends = solution["forecast.places"][:, _DROPPED:].astype(float)
            values["basin"] = float(np.mean([space.divergence(end) > _ELSEWHERE for end in ends]))
        curves = [self._error_curve(short, forecast, power)]
        if seed == 0 and not escaped:
            curves += [self._picture("attractor", free, seed), self._picture("attractor_true", test, seed)]
        return Scores(values, tuple(curves))

    def distances(self, other: ndarray, seed: int) -> dict[str, float]:
        """How far an orbit is from the test trajectory, in spectrum, projections and dimension."""
        test = self.data(seed)["test"][0]
        dimension = metrics.correlation_dimension(self._seen_whole(other, seed))
        return {
            "d_h": metrics.hellinger(test, other),
            "d_h_fixed": metrics.hellinger(test, other, 20 * self.test / _PUBLISHED_LENGTH),
            "sliced_w1": metrics.sliced_wasserstein(test, other, _DIRECTIONS),
            "dimension_error": abs(dimension - _dimension(self, seed)),
        }

    def _seen_whole(self, x: ndarray, seed: int, size: int = 3) -> ndarray:
        """The orbit, or the delay embedding of one of one channel."""
        return x if x.shape[1] > 1 else metrics.embedded(x, _lag(self, seed), size)

    def _picture(self, name: str, x: ndarray, seed: int) -> Curve:
        """The begin of an orbit in a plane; of one channel against its delay."""
        shown = np.round(self._seen_whole(x, seed, 2)[:_DOTS, list(self.plane)], _DIGITS)
        return Curve(name, shown[:, 0], shown[:, 1], _DOTS)

    def _exponents(self, found: ndarray) -> dict[str, float]:
        """Largest exponent and Kaplan-Yorke dimension of the learned model, means over orbits [start, exponent] per step."""
        largest = found[:, 0] / self.system.dt
        if not np.isfinite(found).all():
            return {"lyapunov_error": _WORST_ERROR}
        return {
            "lyapunov": float(largest.mean()),
            "lyapunov_spread": float(largest.std()),
            "lyapunov_error": min(
                float(abs(largest.mean() - self.system.lyapunov[0])) * self.system.unit, _WORST_ERROR
            ),
            "kaplan_yorke": float(np.mean([kaplan_yorke(torch.from_numpy(x)) for x in found])),
        }

    def _error_curve(self, truth: ndarray, forecast: ndarray, power: float) -> Curve:
        """Median normalized error by time."""
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.sqrt(np.sum((forecast - truth) ** 2, axis=-1) / power)
        error = np.minimum(np.nan_to_num(error, nan=1e3, posinf=1e3), 1e3)
        time = (1 + np.arange(truth.shape[1])) * (self.system.dt / self.system.unit)
        return Curve(f"error_by_{self.clock}", time, np.median(error, axis=0))

    @property
    def floor(self) -> float:
        """A guard for the logarithm only: the floor of D_stsp itself is the oracle."""
        return 1e-3

    def baseline(self, seed: int) -> float:
        """A fixed point at the mean."""
        test = self.data(seed)["test"][0]
        return self.divergence(test, np.zeros_like(test) + test.mean(axis=0), seed)

    def divergence(self, truth: ndarray, generated: ndarray, seed: int) -> float:
        """D_stsp by cells up to three channels, one channel in a delay embedding of three; by mixtures of Gaussians above."""
        truth, generated = self._seen_whole(truth, seed), self._seen_whole(generated, seed)
        if truth.shape[1] > _CELLS_UP_TO:
            return metrics.mixture_divergence(truth, generated)
        return metrics.state_space_divergence(truth, generated)

    def oracle(self, seed: int) -> float:
        """The median distance of ten independent true orbits."""
        return _floor(self, seed)


@functools.lru_cache(maxsize=64)
def _floor(task: Reconstruction, seed: int) -> float:
    data = task.data(seed)
    return float(np.median([task.divergence(data["test"][0], x, seed) for x in data["references"]]))


@functools.lru_cache(maxsize=64)
def _floors(task: Reconstruction, seed: int) -> dict[str, float]:
    """The other distances of some independent true orbits, medians."""
    found = [task.distances(x, seed) for x in task.data(seed)["references"][:_FEW]]
    return {f"{name}_floor": float(np.median([one[name] for one in found])) for name in found[0]}


@functools.lru_cache(maxsize=64)
def _dimension(task: Reconstruction, seed: int) -> float:
    """The correlation dimension of the test trajectory."""
    return metrics.correlation_dimension(task._seen_whole(task.data(seed)["test"][0], seed))


@functools.lru_cache(maxsize=64)
def _lag(task: Reconstruction, seed: int) -> int:
    """The delay of the embedding, of the test trajectory: the training data may be noisy."""
    return metrics.delay(task.data(seed)["test"][0])
