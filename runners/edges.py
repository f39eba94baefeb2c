"""Edge cases on which `dynamark check` tests a method: properties of data that occur in suites and recordings.

The data is from one linear system with inputs, whose state is observed in a few channels with noise. Each edge case presents
this data in another way. The score is a normalized error, so that cases which differ only in units must have equal scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from dynamark.errors import unknown
from dynamark.tasks.base import Metric, Scores, Solution, Task
from dynamark.tasks.problems import (
    Forecasting,
    ForecastingQuery,
    Online,
    OnlineQuery,
    Prediction,
    PredictionQuery,
    Rollout,
    Trajectories,
)

__all__ = ["CASES", "SAME_SKILL", "ForecastEdge", "OnlineEdge", "PredictionEdge"]

_TRAIN, _TIME, _CONTEXT, _HORIZON = 8, 300, 40, 10


@dataclass(frozen=True)
class _Guise:
    """How an edge case presents the data."""

    channels: int = 2
    inputs: bool = False
    context: int = _CONTEXT
    scale: float = 1.0
    shift: float = 0.0
    single: bool = False  # float32


# The first is what the others are compared with.
_GUISES: dict[str, _Guise] = {
    "plain": _Guise(),
    "one channel": _Guise(channels=1),
    "many channels": _Guise(channels=12),
    "with inputs": _Guise(inputs=True),
    "context of one sample": _Guise(context=1),
    "empty context": _Guise(inputs=True, context=0),
    "float32 data": _Guise(single=True),
    "data times 1e6": _Guise(scale=1e6),
    "data times 1e-6": _Guise(scale=1e-6),
    "data shifted by 1e3": _Guise(shift=1e3),
}
# Guises in which the score must be that of the plain case.
SAME_SKILL = ("data times 1e6", "data times 1e-6")


@dataclass(frozen=True, kw_only=True)
class _Edge(Task):
    case: str = "plain"

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("nrmse"),)

    @property
    def guise(self) -> _Guise:
        """How this edge case presents the data."""
        if self.case not in _GUISES:
            raise unknown("case", self.case, list(_GUISES))
        return _GUISES[self.case]

    def entropy(self, seed: int, axis: str) -> list[int]:
        """Equal for all edge cases, so that a randomly initialized method has equal initializations."""
        return Task.entropy(replace(self, case="plain", name="edge"), seed, axis)

    def generate(self, seed: int) -> dict[str, np.ndarray]:
        """Inputs [trajectory, time, 1] and outputs [trajectory, time, channel] of a lightly damped rotation."""
        rng = self.rng(seed)
        inputs = rng.standard_normal((_TRAIN, _TIME, 1))
        read = rng.standard_normal((2, self.guise.channels))
        state, paths = rng.standard_normal((_TRAIN, 2)), []
        turn = 0.98 * np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
        for t in range(_TIME):
            state = state @ turn + 0.3 * inputs[:, t] @ np.array([[1.0, 0.5]])
            paths.append(state @ read)
        noise = 0.05 * rng.standard_normal((_TRAIN, _TIME, self.guise.channels))
        return {"inputs": inputs, "outputs": self.guise.scale * (np.stack(paths, 1) + noise) + self.guise.shift}

    def _shown(self, seed: int) -> tuple[Tensor, Tensor | None]:
        kind = torch.float32 if self.guise.single else torch.float64
        data = self.data(seed)
        u, y = (torch.from_numpy(np.array(data[name])).to(kind) for name in ("inputs", "outputs"))
        return y, u if self.guise.inputs else None

    def _error(self, answer: np.ndarray, truth: np.ndarray) -> Scores:
        spread = self.data(0)["outputs"].std((0, 1))
        error = np.sqrt(np.mean(((np.asarray(answer, float) - truth) / spread) ** 2))
        return Scores({"nrmse": float(error) if np.isfinite(error) else 1e12})

    def baseline(self, seed: int) -> float:
        """The error of predicting the mean, 1."""
        return 1.0

    def oracle(self, seed: int) -> None:
        """There is no oracle."""


@dataclass(frozen=True, kw_only=True)
class ForecastEdge(_Edge):
    """Continue a trajectory."""

    kind: ClassVar[type] = Forecasting

    def problem(self, seed: int) -> Forecasting:
        """Six trajectories for training, one for validation, and one to continue."""
        y, u = self._shown(seed)
        part = {name: (y[rows], None if u is None else u[rows]) for name, rows in _SPLIT.items()}
        context = self.guise.context
        start = Trajectories(y[7:, :context], None if u is None else u[7:, :context])
        ahead = None if u is None else u[7:, context : context + _HORIZON]
        query = ForecastingQuery({"next": Rollout(start, _HORIZON, ahead)})
        return Forecasting(Trajectories(*part["train"]), Trajectories(*part["validation"]), context, query)

    def score(self, solution: Solution, seed: int) -> Scores:
        """The normalized error over the forecast horizon."""
        context = self.guise.context
        return self._error(solution["forecast.next"], self.data(seed)["outputs"][7:, context : context + _HORIZON])


@dataclass(frozen=True, kw_only=True)
class PredictionEdge(_Edge):
    """Predict one step ahead."""

    kind: ClassVar[type] = Prediction

    def problem(self, seed: int) -> Prediction:
        """Six sequences for training, one for validation, and one to predict."""
        y, u = self._shown(seed)
        train, validation, query = (Trajectories(y[r], None if u is None else u[r]) for r in _SPLIT.values())
        return Prediction(train, validation, PredictionQuery(query))

    def score(self, solution: Solution, seed: int) -> Scores:
        """The normalized error over the second half of the sequence."""
        half = _TIME // 2
        return self._error(solution["prediction"][0][:, half:], self.data(seed)["outputs"][7:, half:])


@dataclass(frozen=True, kw_only=True)
class OnlineEdge(_Edge):
    """Predict each output before it is revealed."""

    kind: ClassVar[type] = Online

    def problem(self, seed: int) -> Online:
        """Two sequences to predict online."""
        y, _ = self._shown(seed)
        u = torch.from_numpy(np.array(self.data(seed)["inputs"]))
        return Online(1, self.guise.channels, _TIME, OnlineQuery(u[6:].to(y.dtype), y[6:]))

    def score(self, solution: Solution, seed: int) -> Scores:
        """The normalized error over the second half of the sequence."""
        half = _TIME // 2
        return self._error(solution["prediction"][:, half:], self.data(seed)["outputs"][6:, half:])


_SPLIT: Mapping[str, slice] = {"train": slice(0, 6), "validation": slice(6, 7), "query": slice(7, 8)}
_CONTEXTS = ("context of one sample", "empty context")

# kind of problem -> the task of its edge cases, and their names, the plain one first.
CASES: dict[type, tuple[type[Task], tuple[str, ...]]] = {
    Forecasting: (ForecastEdge, tuple(_GUISES)),
    Prediction: (PredictionEdge, tuple(name for name in _GUISES if name not in _CONTEXTS)),
    Online: (OnlineEdge, ("plain", "one channel", "many channels", "float32 data")),
}
