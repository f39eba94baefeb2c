"""Persistence with Gaussian increments: the plainest forecast that is a distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import SearchSpace
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["GaussianWalk", "GaussianWalkModel"]


@dataclass(frozen=True)
class GaussianWalk:
    """x_{t+h} = x_t + sum of h independent increments N(0, S), S the mean square of one-step increments of the training data.

    Its mean is persistence; its spread grows as the square root of h without bound. A baseline without a reference paper.
    """

    search_space: ClassVar[SearchSpace] = {}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> GaussianWalkModel:
        """One covariance matrix. Raises UserError if there are no two successive samples."""
        x = autonomous(problem).train.observations.double()
        if x.shape[1] < 2:
            raise UserError("this method needs trajectories of at least 2 samples")
        step = (x[:, 1:] - x[:, :-1]).flatten(0, 1)
        return GaussianWalkModel(square_root(step.mT @ step / len(step)))


def square_root(covariance: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
    """The symmetric R with R R = S, for a positive semidefinite S: unlike Cholesky's factor it exists where S is singular."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt() @ vectors.mT


@dataclass(frozen=True)
class GaussianWalkModel:
    """root: R with R R = S."""

    root: Float[Tensor, "dim dim"]

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The last observation, `horizon` times."""
        return context.observations[:, -1:].double().expand(-1, horizon, -1)

    def sample(
        self,
        context: Trajectories,
        horizon: int,
        draws: int,
        generator: torch.Generator,
        inputs: Float[Tensor, "trajectory horizon channel"] | None = None,
    ) -> Float[Tensor, "trajectory draw horizon dim"]:
        """Random walks from the last observation."""
        x = context.observations[:, -1].double()
        noise = torch.randn(len(x), draws, horizon, context.dim, generator=generator, dtype=torch.float64)
        return x[:, None, None] + (noise @ self.root).cumsum(2)

    def parameter_count(self) -> int:
        """The entries of S on and above its diagonal."""
        return len(self.root) * (len(self.root) + 1) // 2
