"""Multi-step forecasts from a context."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution
from dynamark.tasks.lds.base import NMSE_FLOOR, LinearSystemTask, bounded, trajectories
from dynamark.tasks.lds.kalman import KalmanFilter
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout

__all__ = ["MultiStep"]

# Forecast horizons that are scored; the last is the length of a rollout.
_HORIZONS = np.array([1, 2, 4, 8, 16, 32, 64])


@dataclass(frozen=True, kw_only=True)
class MultiStep(LinearSystemTask):
    """Predict y_{o+h-1}, h in {1, 2, 4, .., 64}, from outputs before an origin o and inputs up to o+h-1.

    Origins are every 32 steps, starting after the burn-in. Each test sequence is used for one origin only: with two origins, the
    context of the later one would contain the targets of the earlier one. Primary score: the geometric mean over the horizons
    of the excess over the Kalman forecast, or of the nmse without noise (see `OneStep`).
    """

    test: int = 87

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {**LinearSystemTask.tiers["tiny"], "test": 18},
        "standard": {},
        "large": {**LinearSystemTask.tiers["large"], "test": 253},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("error", about="geometric mean over seven horizons of the excess (of the nmse without noise)"),
        *(Metric(f"error_{h}", about=f"excess {h} steps ahead (nmse without noise)") for h in _HORIZONS),
    )

    @property
    def origins(self) -> list[int]:
        """First steps of the forecasts."""
        return list(range(self.burn_in, self.length - int(_HORIZONS[-1]) + 1, 32))

    @property
    def criterion(self) -> Mapping[str, Any]:
        """Geometric mean over the horizons of mean squared error / mean square."""
        return {"name": "horizons", "horizons": _HORIZONS.tolist(), "floor": self.floor}

    @property
    def floor(self) -> float:
        """1 / number of training samples, what one fitted parameter costs; without noise `NMSE_FLOOR`."""
        return NMSE_FLOOR if self.noise == "n0" else 1 / (self.train * self.length)

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Inputs and outputs of each part."""
        return self.sequences(self.system(seed), seed)

    def sequences_of(self, index: int) -> slice:
        """The test sequences of origin number `index`."""
        return slice(index, None, len(self.origins))

    def problem(self, seed: int) -> Forecasting:
        """Training sequences; the query: one rollout per origin."""
        data = self.data(seed)
        rollouts = {}
        for index, origin in enumerate(self.origins):
            y, u = data["test.y"][self.sequences_of(index)], data["test.u"][self.sequences_of(index)]
            inputs = u[:, origin : origin + int(_HORIZONS[-1])]
            rollouts[f"from_{origin}"] = Rollout(
                trajectories(y[:, :origin], u[:, :origin]),
                int(_HORIZONS[-1]),
                torch.from_numpy(inputs.copy()) if u.shape[2] else None,
            )
        train, validation = self.paths(seed, "train"), self.paths(seed, "validation")
        return Forecasting(train, validation, self.burn_in, ForecastingQuery(rollouts))

    def score(self, solution: Solution, seed: int) -> Scores:
        """Error by horizon, and its geometric mean."""
        best, scale = self.best(seed)
        answer = np.concatenate([solution[f"forecast.from_{origin}"] for origin in self.origins])
        distance = np.sum((bounded(answer, best.shape) - best) ** 2, axis=2)
        counts = [len(range(self.test)[self.sequences_of(index)]) for index in range(len(self.origins))]
        relative = distance.mean(axis=0) / np.average(scale, axis=0, weights=counts)
        errors = relative[_HORIZONS - 1]
        # An error of zero is raised to the floor: one exact horizon must not hide large errors at others.
        values = {"error": float(np.exp(np.mean(np.log(np.maximum(errors, self.floor)))))}
        values |= {f"error_{h}": float(e) for h, e in zip(_HORIZONS, errors, strict=True)}
        return Scores(values, (Curve("error_by_horizon", 1.0 + np.arange(len(relative)), relative),))

    def best(self, seed: int) -> tuple[ndarray, ndarray]:
        """Optimal forecasts from each origin [sequence, step, dim], and the mean squares that scale errors [origin, step]."""
        return _best(self, seed)

    def baseline(self, seed: int) -> float:
        """The lower error of two predictions: 0, and the last output."""
        y, steps = self.data(seed)["test.y"], int(_HORIZONS[-1])
        last = {
            f"forecast.from_{o}": np.repeat(y[self.sequences_of(i), o - 1 : o], steps, axis=1)
            for i, o in enumerate(self.origins)
        }
        zero = {name: np.zeros_like(answer) for name, answer in last.items()}
        return min(self.score(answers, seed).values["error"] for answers in (last, zero))

    def oracle(self, seed: int) -> float:
        """The floor: the optimal forecast has no excess."""
        return self.floor


@functools.lru_cache(maxsize=8)
def _best(task: MultiStep, seed: int) -> tuple[ndarray, ndarray]:
    system, data = task.system(seed), task.data(seed)
    best, scale = [], []
    for index, origin in enumerate(task.origins):
        ahead = slice(origin, origin + int(_HORIZONS[-1]))
        y, u = (data[f"test.{part}"][task.sequences_of(index), : ahead.stop] for part in "yu")
        if task.noise == "n0":
            best.append(y[:, ahead])
            scale.append(np.mean(np.sum(data["test.y"][:, ahead] ** 2, axis=2), axis=0))
            continue
        kalman = KalmanFilter.of(system, task.excitation(system), ahead.stop, observed=origin)
        best.append(kalman.predict(y, u)[:, ahead])
        scale.append(np.trace(kalman.innovation[ahead], axis1=1, axis2=2))
    return np.concatenate(best), np.array(scale)
