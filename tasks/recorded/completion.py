"""Completion of a recorded matrix with missing entries."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from dynamark.tasks.base import Metric, Scores, Solution
from dynamark.tasks.numerics.operators import SampledOperator
from dynamark.tasks.problems import Recovery
from dynamark.tasks.recorded.base import RecordedTask
from dynamark.tasks.sensing.metrics import estimate

__all__ = ["RecordedCompletion"]

# Errors are clamped to this many standard deviations.
_WORST = 1e3
# Of the known entries, one in so many is held out.
_HELD_OUT = 5


@dataclass(frozen=True, kw_only=True)
class RecordedCompletion(RecordedTask):
    """Complete X from y_ij = X_ij/sqrt(p), X a recording as a matrix [time, channel], p the share of the entries that are given.

    A fifth of the known entries, drawn at random by the seed, is held out for the score; entries that the recording lacks are
    neither given nor scored. Each column is centered and divided by its standard deviation over the given entries.

    rank: bound on the rank that methods are given; 0 for none. period: rows of a season, 1 if there is none.
    Errors are in these standard deviations. Persistence is the nearest earlier given entry of the column, seasonal persistence
    the given entry one period earlier (the mean where it is not given), and the mean is that of the column.
    """

    goal: Literal["completion"] = "completion"
    rank: int = 0
    period: int = 1

    kind: ClassVar[type] = Recovery
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "relative_error",
            about="nrmse / that of the best of persistence, seasonal persistence and mean of the column",
        ),
        Metric("nrmse", "sd", about="root mean squared error over the held-out entries"),
        Metric("persistence", "sd", None, "nrmse of the nearest earlier entry of the column"),
        Metric("seasonal", "sd", None, "nrmse of the entry one period earlier"),
        Metric("mean", "sd", None, "nrmse of the mean of the column"),
    )

    def given(self, seed: int) -> Bool[ndarray, "row column"]:
        """Which entries are given."""
        known = ~np.isnan(self.data(seed)["observations"])
        held_out = self.rng(seed).permutation(int(known.sum())) % _HELD_OUT == 0
        known[known] = ~held_out
        return known

    def scaled(self, seed: int) -> Float[ndarray, "row column"]:
        """The matrix, its columns centered and scaled by their given entries; NaN where an entry is missing."""
        return _scaled(self, seed)

    def problem(self, seed: int) -> Recovery:
        """The given entries, scaled so that E A*A = I."""
        x, given = self.scaled(seed), self.given(seed)
        row, column = (torch.from_numpy(places) for places in np.nonzero(given))
        scale = float(np.sqrt(given.size / given.sum()))
        operator = SampledOperator(row, column, (x.shape[0], x.shape[1]), scale)
        return Recovery(operator, torch.from_numpy(x[given] * scale), False, self.rank or None, rank_is_exact=False)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors over the held-out entries."""
        left, right = estimate(solution)
        error = self._error(np.einsum("ik,jk->ij", left, right), seed)
        return Scores({**self.relative(error, seed), "nrmse": error})

    def _error(self, answer: Float[ndarray, "row column"], seed: int) -> float:
        x = self.scaled(seed)
        held_out = ~np.isnan(x) & ~self.given(seed)
        gap = np.nan_to_num((answer - x)[held_out], nan=_WORST, posinf=_WORST, neginf=-_WORST)
        return float(np.sqrt(np.mean(np.clip(gap, -_WORST, _WORST) ** 2)))

    def trivial(self, seed: int) -> Mapping[str, float]:
        """The errors of the nearest earlier entry, the entry one period earlier, and the mean of the column."""
        x = np.where(self.given(seed), self.scaled(seed), np.nan)
        earlier = np.concatenate([np.zeros((1, x.shape[1])), x[:-1]])
        last = np.array([_carried(column) for column in earlier.T]).T
        answers = {"persistence": last, "mean": np.zeros_like(x)}
        if self.period > 1:
            season = np.concatenate([np.zeros((self.period, x.shape[1])), x[: -self.period]])
            answers["seasonal"] = np.nan_to_num(season)
        return {name: self._error(answer, seed) for name, answer in answers.items()}


@functools.lru_cache(maxsize=16)
def _scaled(task: RecordedCompletion, seed: int) -> ndarray:
    x = task.data(seed)["observations"]
    shown = np.where(task.given(seed), x, np.nan)
    mean, sd = np.nanmean(shown, axis=0), np.nanstd(shown, axis=0)
    return (x - mean) / np.where(sd > 0, sd, 1.0)


def _carried(column: Float[ndarray, " row"]) -> Float[ndarray, " row"]:
    """Each entry, or the last one before it that is not NaN; the first is known."""
    known = ~np.isnan(column)
    return column[np.maximum.accumulate(np.where(known, np.arange(len(column)), 0))]
