"""Forecasting of a recording from a context."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution
from dynamark.tasks.chaos.metrics import valid_time
from dynamark.tasks.koopman.metrics import deviation, nrmse
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories
from dynamark.tasks.recorded.base import SplitTask, parted

__all__ = ["RecordedForecast"]

# Most windows of the test part that are forecast.
_WINDOWS = 100


@dataclass(frozen=True, kw_only=True)
class RecordedForecast(SplitTask):
    """Forecast y_{t+1..t+h} of a recording from its last c values y_{t-c+1..t}, and, with inputs, from u_{t+1..t+h}.

    context: c. horizon: h. Both lie inside the test part, so that no window reaches over a seam; up to 100 windows, evenly
    spaced, which may overlap.

    Errors are in standard deviations of the training part: nrmse is the mean over the steps of the horizon of the root mean
    squared error over windows and channels. The valid time is the time until the error of a window exceeds 0.4 of the standard
    deviation of the test data, its mean over windows.
    """

    goal: Literal["forecast"] = "forecast"
    context: int = 50
    horizon: int = 10

    kind: ClassVar[type] = Forecasting
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "relative_error", about="nrmse / that of the best of persistence, seasonal persistence and training mean"
        ),
        Metric("nrmse", "sd", about="root mean squared error at each step of the horizon, mean over its steps"),
        Metric("valid_time", "time", lower_is_better=False, about="mean time until the error exceeds 0.4"),
        Metric("persistence", "sd", None, "nrmse of repeating the last value"),
        Metric("seasonal", "sd", None, "nrmse of repeating the last period"),
        Metric("mean", "sd", None, "nrmse of the training mean"),
    )

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The nrmse over the horizon, on validation data."""
        return {"name": "flow", "horizon": self.horizon}

    def windows(self, seed: int) -> list[tuple[int, int]]:
        """Trajectory and first forecast sample of each window."""
        places = []
        for n, length in enumerate(self.lengths(seed)):
            start, end = parted(length).range("test")
            places += [(n, t) for t in range(start + self.context, end - self.horizon + 1)]
        chosen = np.unique(np.linspace(0, len(places) - 1, min(len(places), _WINDOWS)).astype(int))
        return [places[i] for i in chosen]

    def cut(self, name: str, before: int, after: int, seed: int) -> Float[ndarray, "window steps channel"]:
        """Of an array of the recording, so many samples before and after the begin of each forecast."""
        pieces = self.pieces(name, seed)
        return np.stack([pieces[n][t - before : t + after] for n, t in self.windows(seed)])

    def problem(self, seed: int) -> Forecasting:
        """Training and validation parts; one rollout from the contexts of all windows."""
        observed = torch.from_numpy(self.cut("observations", self.context, 0, seed))
        past = future = None
        if self.inputs:
            past, future = (
                torch.from_numpy(self.cut("inputs", *sides, seed)) for sides in ((self.context, 0), (0, self.horizon))
            )
        rollout = Rollout(Trajectories(observed, past, self.dt), self.horizon, future)
        query = ForecastingQuery({"windows": rollout})
        return Forecasting(self.part("train", seed), self.part("validation", seed), self.context, query)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors over the horizon and their curve, and the valid time. Values that are not finite count as 1,000 sd."""
        answer = solution["forecast.windows"]
        gap = deviation(self.cut("observations", 0, self.horizon, seed), answer, *self.units(seed))
        by_step = nrmse(gap.error)
        error, exact = float(by_step.mean()), gap.truth
        power = float(np.mean(np.sum((exact - exact.mean(axis=(0, 1))) ** 2, axis=-1)))
        times = valid_time(exact, exact + gap.error, max(power, 1e-300), self.dt)
        values = {**self.relative(error, seed), "nrmse": error, "valid_time": float(times.mean())}
        return Scores(values, (Curve("nrmse_by_time", self.dt * (1.0 + np.arange(self.horizon)), by_step),))

    def trivial(self, seed: int) -> Mapping[str, float]:
        """The nrmse of persistence, seasonal persistence and the training mean."""
        return _trivial(self, seed)


@functools.lru_cache(maxsize=64)
def _trivial(task: RecordedForecast, seed: int) -> dict[str, float]:
    truth, context = (task.cut("observations", *sides, seed) for sides in ((0, task.horizon), (task.context, 0)))
    mean, scale = task.units(seed)
    season = np.arange(task.horizon) % task.period - task.period
    answers = {"persistence": np.repeat(context[:, -1:], task.horizon, axis=1), "mean": np.zeros_like(truth) + mean}
    if task.period > 1:
        answers["seasonal"] = context[:, season]
    return {name: float(nrmse(deviation(truth, x, mean, scale).error).mean()) for name, x in answers.items()}
