"""A method of a package of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from dynamark.tasks.problems import Forecasting, Run, Trajectories


@dataclass(frozen=True)
class Halfway:
    """x_{t+h} = share x_t, in the data's own units."""

    share: float = 0.5
    data_units: ClassVar[str] = "raw"

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Halfway:
        return self

    def forecast(self, context: Trajectories, horizon: int, inputs: Tensor | None = None) -> Tensor:
        return self.share * context.observations[:, -1:].expand(-1, horizon, -1)
