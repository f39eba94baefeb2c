"""One-step prediction of a recording."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution
from dynamark.tasks.koopman.metrics import deviation
from dynamark.tasks.problems import Prediction, PredictionQuery, Trajectories
from dynamark.tasks.recorded.base import SplitTask, padded, parted

__all__ = ["RecordedOneStep"]

# Validation samples that are not scored, since the sequence begins there: at most this many, and a quarter of the part.
_BURN_IN = 64


@dataclass(frozen=True, kw_only=True)
class RecordedOneStep(SplitTask):
    """Predict y_t of a recording from y_{<t} and, with inputs, u_{<=t}.

    The sequences to predict are the whole trajectories, so that all past values are available; only their test parts are scored.
    Trajectories of unequal length are continued by their last value, which is not scored and which no earlier prediction may use.
    Unequal steps of time are given to methods as gaps.

    Errors are in standard deviations of the training part.
    """

    goal: Literal["onestep"] = "onestep"

    kind: ClassVar[type] = Prediction
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "relative_error", about="nrmse / that of the best of persistence, seasonal persistence and training mean"
        ),
        Metric("nrmse", "sd", about="root mean squared error over the test part"),
        Metric("persistence", "sd", None, "nrmse of the last value"),
        Metric("seasonal", "sd", None, "nrmse of the value one period ago"),
        Metric("mean", "sd", None, "nrmse of the training mean"),
    )

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The nrmse on validation data, after its first samples."""
        return {"name": "scaled_error", "start": _BURN_IN}

    def whole(self, seed: int) -> tuple[Float[ndarray, "trajectory time channel"], Bool[ndarray, "trajectory time"]]:
        """All trajectories, the shorter ones continued by their last value, and which of their samples are scored."""
        lengths = self.lengths(seed)
        tested = np.zeros((len(lengths), max(lengths)), dtype=bool)
        for row, length in zip(tested, lengths, strict=True):
            row[slice(*parted(length).range("test"))] = True
        return padded(self.pieces("observations", seed), max(lengths)), tested

    def problem(self, seed: int) -> Prediction:
        """Training and validation parts; the query: one-step predictions of the whole trajectories."""
        y, _ = self.whole(seed)
        rest: dict[str, Any] = {
            name: torch.from_numpy(padded(self.pieces(name, seed), y.shape[1]))
            for name in ("inputs", "gaps")
            if name in self.data(seed)
        }
        sequences = replace(Trajectories(torch.from_numpy(y), dt=self.dt), **rest)
        return Prediction(self.part("train", seed), self.part("validation", seed), PredictionQuery(sequences))

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors over the test parts, and the curve of those of the first trajectory."""
        y, tested = self.whole(seed)
        gap = deviation(y, solution["prediction"][0], *self.units(seed))
        error = _rms(gap.error[tested])
        first = np.flatnonzero(tested[0])
        curve = Curve("error_by_time", self.dt * first, np.sqrt(np.mean(gap.error[0, first] ** 2, axis=-1)))
        return Scores({**self.relative(error, seed), "nrmse": error}, (curve,))

    def trivial(self, seed: int) -> Mapping[str, float]:
        """The nrmse of the last value, the value one period ago, and the training mean."""
        return _trivial(self, seed)


def _rms(error: ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


@functools.lru_cache(maxsize=64)
def _trivial(task: RecordedOneStep, seed: int) -> dict[str, float]:
    (y, tested), (mean, scale) = task.whole(seed), task.units(seed)
    lags = {"persistence": 1, **({"seasonal": task.period} if task.period > 1 else {})}
    answers = {name: np.roll(y, lag, axis=1) for name, lag in lags.items()}  # test samples have so many before them
    answers["mean"] = np.zeros_like(y) + mean
    return {name: _rms(deviation(y, x, mean, scale).error[tested]) for name, x in answers.items()}
