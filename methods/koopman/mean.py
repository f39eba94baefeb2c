"""The mean of the training data as the forecast of everything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["TrainMean"]


@dataclass(frozen=True)
class TrainMean:
    """x_{t+h} = mean of the training states: what a mixing system allows at long horizons. Its spectrum is {1, 0}."""

    def fit_forecaster(self, problem: Forecasting, run: Run) -> MeanModel:
        """One average."""
        return MeanModel(problem.train.observations.double().mean(dim=(0, 1)))


@dataclass(frozen=True)
class MeanModel:
    """A constant."""

    mean: Float[Tensor, " dim"]

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The mean, `horizon` times."""
        return self.mean.expand(len(context), horizon, -1)

    def eigenvalues(self) -> Tensor:
        """1, of the constant, and 0, of whatever has mean zero."""
        return torch.eye(1 + self.mean.numel(), dtype=torch.complex128)[0]

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """The constant, and the state without its mean."""
        x = points[:, -1].double()
        return torch.cat([torch.ones_like(x[:, :1]), x - self.mean], dim=1).to(torch.complex128)

    def parameter_count(self) -> int:
        """The mean."""
        return self.mean.numel()
