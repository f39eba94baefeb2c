"""A task that costs nothing: continue a straight line. And a method that solves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Run, Trajectories


@dataclass(frozen=True, kw_only=True)
class Walk(Task):
    """x_t = x_0 + v t."""

    length: int = 20
    noise: float = 0.0

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": {"length": 10}, "standard": {}}
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("error"),)

    @property
    def floor(self) -> float:
        return 1e-9

    def generate(self, seed: int) -> dict[str, np.ndarray]:
        rng = self.rng(seed)
        start, speed = rng.standard_normal((2, 3, 1, 2))
        time = np.arange(2 * self.length, dtype=float)[None, :, None]
        return {"paths": start + speed * time + self.noise * rng.standard_normal((3, 2 * self.length, 2))}

    def problem(self, seed: int) -> Forecasting:
        paths = torch.from_numpy(np.array(self.data(seed)["paths"][:, : self.length]))
        query = ForecastingQuery({"next": Rollout(Trajectories(paths[2:]), self.length)})
        return Forecasting(Trajectories(paths[:1]), Trajectories(paths[1:2]), self.length, query)

    def score(self, solution: Solution, seed: int) -> Scores:
        error = np.abs(solution["forecast.next"] - self.data(seed)["paths"][2:, self.length :]).max(axis=(0, 2))
        error = np.minimum(np.nan_to_num(error, nan=1e6, posinf=1e6), 1e6)
        return Scores({"error": float(error.mean())}, (Curve("error_by_step", np.arange(self.length), error),))

    def baseline(self, seed: int) -> float:
        paths = self.data(seed)["paths"]
        return float(
            np.abs(paths[2:, self.length :] - paths[2:, self.length - 1 : self.length]).max(axis=(0, 2)).mean()
        )

    def oracle(self, seed: int) -> float:
        return 0.0


@dataclass(frozen=True)
class Line:
    """x_{t+1} = x_t + gain (x_t - x_{t-1}): exact at gain 1."""

    gain: float = 1.0

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Line:
        return self

    def forecast(self, context: Trajectories, horizon: int, inputs: torch.Tensor | None = None) -> torch.Tensor:
        x = context.observations
        step = self.gain * (x[:, -1:] - x[:, -2:-1])
        return x[:, -1:] + step * torch.arange(1, horizon + 1, dtype=x.dtype)[None, :, None]


@dataclass(frozen=True)
class Drawn:
    """Adds noise that each member draws from its own run; fitted together where there are several."""

    def fit_forecasters(self, problems: list[Forecasting], runs: list[Run]) -> list[_Shifted]:
        return [_Shifted(torch.randn(2, generator=run.generator, dtype=torch.float64)) for run in runs]


@dataclass
class _Shifted:
    shift: torch.Tensor

    def forecast(self, context: Trajectories, horizon: int, inputs: torch.Tensor | None = None) -> torch.Tensor:
        return (context.observations[:, -1:] + self.shift).expand(-1, horizon, -1)
