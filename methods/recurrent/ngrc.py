"""Next-generation reservoir computing: a polynomial in a few delayed observations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Penalty, Range, SearchSpace
from dynamark.methods.koopman.dictionaries import refuse_large
from dynamark.methods.recurrent.compiled_maps import polynomial_map
from dynamark.methods.recurrent.forecaster import StateForecaster, autonomous
from dynamark.tasks.numerics.least_squares import ridge
from dynamark.tasks.numerics.maps import CompiledMap
from dynamark.tasks.numerics.polynomials import monomial_jacobian, monomials
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["NextGenerationReservoir"]


@dataclass(frozen=True)
class NextGenerationReservoir:
    """x_{t+1} = x_t + W' p(x_t, x_{t-s}, ..., x_{t-(k-1)s}), p all monomials up to degree d, including 1.

    W [monomial, dim] minimizes |P W - (x_{t+1} - x_t)|^2 + penalty |W|^2; the Gram matrix is not normalized, and the
    constant is penalized like the other terms. The data is standardized by the task.
    taps: k. skip: s. degree: d. penalty: ridge parameter.
    Raises UserError if the trajectories are not longer than (k - 1) s + 1.
    Source: Gauthier, Bollt, Griffith & Barbosa, Nature Communications 12, 5564 (2021), equations 5 to 10. The paper uses
    degree 2, penalty 2.5e-6 and raw units; the defaults here are degree 3 and 1e-6, for accurately integrated data.
    key: gauthier2021
    """

    taps: Annotated[int, Range(1, 1000)] = 2
    skip: Count = 1
    degree: Annotated[int, Range(1, 20)] = 3
    penalty: Penalty = 1e-6
    search_space: ClassVar[SearchSpace] = {"penalty": (1e-6, 1e-4, 1e-2, 1.0), "taps": (2, 1, 3), "degree": (3, 2)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Polynomial:
        """Fit W by one ridge regression over all windows of all trajectories."""
        x = autonomous(problem).train.observations.double()
        reach = (self.taps - 1) * self.skip
        if x.shape[1] < reach + 2:
            raise UserError(
                f"trajectories of {x.shape[1]} samples are too short: {self.taps} taps and skip {self.skip} need {reach + 2}"
            )
        refuse_large("monomials", self.degree, self.taps * x.shape[-1])
        windows = x.unfold(1, reach + 2, 1).movedim(-1, 2)  # [trajectory, window, reach + 2, dim]
        now = windows[:, :, :-1].flip(2)  # the newest first
        features = monomials(now[:, :, :: self.skip].flatten(2).flatten(0, 1), self.degree)
        change = (windows[:, :, -1] - windows[:, :, -2]).flatten(0, 1)
        return Polynomial(ridge(features, change, self.penalty), x.shape[-1], self.skip, reach, self.degree)


@dataclass(frozen=True)
class Polynomial(StateForecaster):
    """The fitted map. Its state is the flattened last `reach` + 1 observations, the newest first."""

    weights: Float[Tensor, "monomial dim"]
    dim: int
    skip: int
    reach: int
    degree: int

    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """The last observations of the context. A context that is too short is padded with its first observation."""
        x = context.observations.double()
        missing = self.reach + 1 - x.shape[1]
        if missing > 0:
            x = torch.cat([x[:, :1].expand(-1, missing, -1), x], dim=1)
        return x[:, x.shape[1] - self.reach - 1 :].flip(1).flatten(1)

    def as_map(self) -> CompiledMap:
        """Compiled kernels of the polynomial and the shift of delays."""
        return polynomial_map(self.weights, self.degree, self.reach // self.skip + 1, self.skip)

    def _taps(self, state: Tensor) -> Tensor:
        return state.reshape(*state.shape[:-1], self.reach + 1, self.dim)[..., :: self.skip, :].flatten(-2)

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """Prepend the next observation and drop the oldest."""
        new = state[..., : self.dim] + monomials(self._taps(state), self.degree) @ self.weights
        return torch.cat([new, state[..., : -self.dim]], dim=-1) if self.reach else new

    def observe(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory dim"]:
        """The newest observation."""
        return state[..., : self.dim]

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """The Jacobian of `step`: the Jacobian of the polynomial, above a shift matrix."""
        size, dim = state.shape[-1], self.dim
        slope = self.weights.T @ monomial_jacobian(self._taps(state), self.degree)
        out = torch.diag(state.new_ones(size - dim), -dim).expand(*state.shape, size).clone()
        blocks = out.view(*state.shape, self.reach + 1, dim)
        blocks[..., :dim, :: self.skip, :] += slope.reshape(*slope.shape[:-1], -1, dim)
        out[..., :dim, :dim] += torch.eye(dim, dtype=state.dtype)
        return out

    def parameter_count(self) -> int:
        """The number of entries of W."""
        return self.weights.numel()
