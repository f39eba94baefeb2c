"""A task of a package of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from dynamark.tasks.base import Metric, Scores, Solution, Task
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories


@dataclass(frozen=True, kw_only=True)
class Still(Task):
    """x_t = x_0."""

    length: int = 8

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": {"length": 4}, "standard": {}}
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("error"),)

    def generate(self, seed: int) -> dict[str, np.ndarray]:
        return {"start": self.rng(seed).standard_normal(2)}

    def problem(self, seed: int) -> Forecasting:
        still = torch.from_numpy(np.tile(self.data(seed)["start"], (1, self.length, 1)))
        query = ForecastingQuery({"next": Rollout(Trajectories(still), self.length)})
        return Forecasting(Trajectories(still), Trajectories(still), self.length, query)

    def score(self, solution: Solution, seed: int) -> Scores:
        error = np.abs(solution["forecast.next"] - self.data(seed)["start"]).max()
        return Scores({"error": float(min(np.nan_to_num(error, nan=1e6), 1e6))})

    def baseline(self, seed: int) -> float:
        return float(np.abs(self.data(seed)["start"]).max())

    def oracle(self, seed: int) -> float:
        return 0.0
