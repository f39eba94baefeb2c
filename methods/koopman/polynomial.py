"""Polynomial maps of increments: a cheap baseline for nonlinear forecasters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Range, SearchSpace
from dynamark.methods.koopman.dictionaries import refuse_large
from dynamark.tasks.numerics.least_squares import validated_ridge
from dynamark.tasks.numerics.polynomials import monomials
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["PolynomialIncrement"]


@dataclass(frozen=True)
class PolynomialIncrement:
    """x_{n+1} = x_n + m(x_n, ..., x_{n-k+1}) W, m all monomials of k delays up to a degree (next-generation reservoir).

    W is fitted by ridge regression, with the penalty that minimizes the one-step error on validation data. Delays are first
    scaled to unit standard deviation. A context shorter than k is padded by repeating its first state.

    Source: Gauthier et al. 2021, eqs. (5)-(10), with one delay by default.
    key: gauthier2021
    """

    degree: Annotated[int, Range(1, 20)] = 5
    delays: Annotated[int, Range(1, 1000)] = 1
    # One transition per trajectory cannot determine the penalty: a quintic through it leaves the data by 1e7.
    shortest: ClassVar[int] = 3
    search_space: ClassVar[SearchSpace] = {"degree": (5, 1, 2, 3), "delays": (1, 2, 4)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> PolynomialModel:
        """One decomposition of the features for all penalties."""
        refuse_large("monomials", self.degree, problem.train.dim * self.delays)
        flat = problem.train.observations.double().flatten(0, 1)
        model = PolynomialModel(self.degree, self.delays, flat.mean(0), _spread(flat), flat.new_zeros(0))
        validation = problem.validation if problem.validation.observations.shape[1] > self.delays else problem.train
        weights = validated_ridge(*model.regression(problem.train), *model.regression(validation))
        return PolynomialModel(self.degree, self.delays, model.mean, model.scale, weights)


def _spread(x: Float[Tensor, "state dim"]) -> Float[Tensor, " dim"]:
    """The standard deviation; 1 for a channel that is constant to rounding."""
    sd = x.std(0, correction=0)
    return torch.where(sd > 1e-12 * x.abs().amax(), sd, 1.0)


@dataclass(frozen=True)
class PolynomialModel:
    """x_{n+1} = x_n + m((x_n, ..., x_{n-k+1}), scaled by `mean` and `scale`) weights: the fitted map."""

    degree: int
    delays: int
    mean: Float[Tensor, " dim"]
    scale: Float[Tensor, " dim"]
    weights: Tensor

    def _features(self, past: Float[Tensor, "*batch delay dim"]) -> Float[Tensor, "*batch feature"]:
        return monomials(((past - self.mean) / self.scale).flatten(-2), self.degree)

    def regression(self, trajectories: Trajectories) -> tuple[Float[Tensor, "pair feature"], Float[Tensor, "pair dim"]]:
        """Features and increments of all steps with a complete window of delays."""
        x = trajectories.observations.double()
        past = x[:, :-1].unfold(1, self.delays, 1).transpose(-1, -2)
        increments = x[:, self.delays :] - x[:, self.delays - 1 : -1]
        return self._features(past).flatten(0, 1), increments.flatten(0, 1)

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Iterate the map; a trajectory that diverges overflows."""
        past = context.observations.double()[:, -self.delays :]
        past = torch.cat([past[:, :1].expand(-1, self.delays - past.shape[1], -1), past], dim=1)
        states = []
        for _ in range(horizon):
            states.append(past[:, -1] + self._features(past) @ self.weights)
            past = torch.cat([past[:, 1:], states[-1][:, None]], dim=1)
        return torch.stack(states, dim=1)

    def parameter_count(self) -> int:
        """Weights and scaling."""
        return self.weights.numel() + 2 * self.mean.numel()
