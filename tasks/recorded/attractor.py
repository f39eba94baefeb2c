"""Reconstruction of the attractor of a recording."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Metric, Scores, Solution
from dynamark.tasks.chaos import metrics as attractors
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories
from dynamark.tasks.recorded.base import SplitTask, parted

__all__ = ["RecordedAttractor"]

# Standard deviations beyond which a free run counts as escaped, and the channels up to which cells can be filled.
_ESCAPED, _CELLS_UP_TO = 10.0, 3


@dataclass(frozen=True, kw_only=True)
class RecordedAttractor(SplitTask):
    """D_stsp = KL(p | q), p the occupation of state space by the test part, q that by a free run of the model.

    The free run begins after the first c values of the test part (context: c); it has 1.25 times the length of the test part, and
    its first fifth is dropped. The floor is the median of D_stsp between the test part and stretches of the same length in the
    training and validation parts: what two stretches of the data differ by. One channel is embedded in three delays. Occupation
    is counted in cells up to three channels, and by mixtures of Gaussians above. A free run that leaves ten standard deviations
    counts as a fixed point at the mean. Data is standardized by the training part. One trajectory only.
    """

    goal: Literal["attractor"] = "attractor"
    context: int = 50

    kind: ClassVar[type] = Forecasting
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "relative_error",
            about="d_stsp / that of the best of a fixed point at the last value, the last period repeated, "
            "and a fixed point at the mean",
        ),
        Metric("d_stsp", "nat", about="Kullback-Leibler divergence of the occupation of state space"),
        Metric("d_stsp_floor", "nat", None, "the same between two stretches of the data, median"),
        Metric("d_h", about="Hellinger distance of power spectra, smoothed over 20 bins"),
        Metric("d_h_floor", "", None, "the same between two stretches of the data, median"),
        Metric("escaped", about="1 where the free run left ten standard deviations, and counts as a fixed point"),
        Metric("persistence", "nat", None, "d_stsp of a fixed point at the last value of the context"),
        Metric("seasonal", "nat", None, "d_stsp of the last period of the context, repeated"),
        Metric("mean", "nat", None, "d_stsp of a fixed point at the training mean"),
    )

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The divergence of a free run on validation data."""
        return {"name": "divergence"}

    def scaled(self, seed: int) -> Float[ndarray, "time channel"]:
        """The recording in standard deviations from the mean of the training part."""
        mean, scale = self.units(seed)
        return (self.data(seed)["observations"] - mean) / scale

    def test(self, seed: int) -> Float[ndarray, "time channel"]:
        """The test part, standardized."""
        return self.scaled(seed)[slice(*parted(self.lengths(seed)[0]).range("test"))]

    def problem(self, seed: int) -> Forecasting:
        """The standardized training and validation parts; one free run from the begin of the test part."""
        mean, scale = (torch.from_numpy(x) for x in self.units(seed))
        train, validation = (
            replace(paths, observations=(paths.observations - mean) / scale)
            for paths in (self.part("train", seed), self.part("validation", seed))
        )
        test = self.test(seed)
        context = Trajectories(torch.from_numpy(test[None, : self.context].copy()), dt=self.dt)
        query = ForecastingQuery({"free": Rollout(context, len(test) * 5 // 4)})
        return Forecasting(train, validation, self.context, query)

    def score(self, solution: Solution, seed: int) -> Scores:
        """The distances between the free run and the test part, with their floors."""
        test = self.test(seed)
        free = solution["forecast.free"][0, -len(test) :].astype(float)
        escaped = not bool((np.abs(free) <= _ESCAPED).all())
        if escaped:
            free = np.zeros_like(test)
        divergence = _divergence(test, free)
        values = {
            **self.relative(divergence, seed),
            "d_stsp": divergence,
            "d_h": attractors.hellinger(test, free),
            "escaped": float(escaped),
            **_floors(self, seed),
        }
        return Scores(values)

    def trivial(self, seed: int) -> Mapping[str, float]:
        """D_stsp of a fixed point at the last value, of the last period repeated, and of a fixed point at the mean."""
        return _trivial(self, seed)


def _divergence(truth: Float[ndarray, "time channel"], generated: Float[ndarray, "time channel"]) -> float:
    if truth.shape[1] == 1:
        lag = min(attractors.delay(truth), len(truth) // 4)
        truth, generated = attractors.embedded(truth, lag), attractors.embedded(generated, lag)
    measure = attractors.state_space_divergence if truth.shape[1] <= _CELLS_UP_TO else attractors.mixture_divergence
    return float(measure(truth, generated))


@functools.lru_cache(maxsize=64)
def _trivial(task: RecordedAttractor, seed: int) -> dict[str, float]:
    test = task.test(seed)
    last = test[: task.context]
    answers = {"persistence": np.zeros_like(test) + last[-1], "mean": np.zeros_like(test)}
    if task.period > 1:
        answers["seasonal"] = last[np.arange(len(test)) % task.period - task.period]
    return {name: _divergence(test, answer) for name, answer in answers.items()}


@functools.lru_cache(maxsize=64)
def _floors(task: RecordedAttractor, seed: int) -> dict[str, float]:
    test, y = task.test(seed), task.scaled(seed)
    before = len(y) - len(test)
    stretches = [y[end - len(test) : end] for end in range(before, len(test) - 1, -len(test))]
    return {
        "d_stsp_floor": float(np.median([_divergence(test, x) for x in stretches])),
        "d_h_floor": float(np.median([attractors.hellinger(test, x) for x in stretches])),
    }
