"""Trivial forecasts, the references for skill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import SearchSpace, Units
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["Constant", "Mean", "Persistence"]


@dataclass(frozen=True)
class Persistence:
    """x_{t+h} = x_t: repeats the last observation. After an empty context it predicts zeros."""

    data_units: ClassVar[Units] = "raw"
    search_space: ClassVar[SearchSpace] = {}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Persistence:
        """The method itself: there is nothing to fit."""
        return self

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The last observation, `horizon` times."""
        if context.observations.shape[1] == 0:
            return context.observations.new_zeros(len(context), horizon, context.dim)
        return context.observations[:, -1:].expand(-1, horizon, -1)


@dataclass(frozen=True)
class Mean:
    """x_{t+h} = the mean of all training observations: the best forecast of a mixing system at long horizons."""

    data_units: ClassVar[Units] = "raw"
    search_space: ClassVar[SearchSpace] = {}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Constant:
        """Compute one mean per channel."""
        return Constant(problem.train.observations.double().mean(dim=(0, 1)))


@dataclass(frozen=True)
class Constant:
    """A forecast that is always `value`."""

    value: Float[Tensor, " dim"]

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The value, `horizon` times."""
        return self.value.expand(len(context), horizon, -1)

    def eigenvalues(self) -> Tensor:
        """The Koopman spectrum: 1 for the constant, and 0 for observables with mean zero."""
        return torch.eye(1 + self.value.numel(), dtype=torch.complex128)[0]

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """The constant, and the state minus `value`."""
        x = points[:, -1].double()
        return torch.cat([torch.ones_like(x[:, :1]), x - self.value], dim=1).to(torch.complex128)

    def parameter_count(self) -> int:
        """One number per channel."""
        return self.value.numel()
