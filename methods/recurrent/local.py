"""A polynomial map of the neighborhood of each site of a ring, shared by all sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Penalty, Range, SearchSpace
from dynamark.methods.koopman.dictionaries import refuse_large
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.tasks.numerics.least_squares import ridge
from dynamark.tasks.numerics.polynomials import monomials
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["LocalModel", "LocalReservoir"]


@dataclass(frozen=True)
class LocalReservoir:
    """x_i(t+1) = x_i(t) + w' p(x_{i-r}, ..., x_{i+r} at t, t-s, ..., t-(k-1)s): one map for all channels, which form a ring.

    p: all monomials up to degree d, including 1. w [monomial] minimizes |P w - (x_i(t+1) - x_i(t))|^2 + penalty |w|^2 over all
    channels and times, so that the number of weights does not depend on the number of channels. Without a ring (fewer than
    2 r + 1 channels) the neighborhood is all channels, and each appears once.
    radius: r. taps: k. skip: s. degree: d. penalty: ridge parameter.
    Source: Pathak, Hunt, Girvan, Lu & Ott 2018, who give each neighborhood its own reservoir; with the polynomial features of
    Gauthier et al. 2021, equations 5 to 10.
    key: pathak2018
    """

    radius: Annotated[int, Range(0, 100)] = 2
    taps: Annotated[int, Range(1, 1000)] = 2
    skip: Count = 1
    degree: Annotated[int, Range(1, 20)] = 3
    penalty: Penalty = 1e-6
    search_space: ClassVar[SearchSpace] = {"penalty": (1e-6, 1e-4, 1e-2, 1.0), "radius": (2, 1, 3), "degree": (3, 2)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> LocalModel:
        """One ridge regression over all windows of all trajectories and all channels."""
        x = autonomous(problem).train.observations.double()
        reach = (self.taps - 1) * self.skip
        if x.shape[1] < reach + 2:
            raise UserError(
                f"trajectories of {x.shape[1]} samples are too short: {self.taps} taps and skip {self.skip} need {reach + 2}"
            )
        places = neighborhoods(x.shape[-1], self.radius)
        refuse_large("monomials", self.degree, self.taps * places.shape[1])
        model = LocalModel(x.new_zeros(0), places, self.taps, self.skip, self.degree)
        windows = x.unfold(1, reach + 2, 1).movedim(-1, 2).flatten(0, 1)  # [window, reach + 2, dim]
        change = (windows[:, -1] - windows[:, -2]).flatten()
        features = model.features(windows[:, :-1]).flatten(0, 1)
        weights = ridge(features, change[:, None], self.penalty)[:, 0]
        return LocalModel(weights, places, self.taps, self.skip, self.degree)


def neighborhoods(dim: int, radius: int) -> Tensor:
    """The channels around each channel of a ring [channel, neighbor], from i - r to i + r; all of them on a small ring."""
    reach = torch.arange(-radius, radius + 1) if dim > 2 * radius else torch.arange(dim)
    return (torch.arange(dim)[:, None] + reach) % dim


@dataclass(frozen=True)
class LocalModel:
    """The fitted map."""

    weights: Float[Tensor, " monomial"]
    places: Tensor
    taps: int
    skip: int
    degree: int

    def features(self, past: Float[Tensor, "batch reach dim"]) -> Float[Tensor, "batch dim monomial"]:
        """The monomials of the neighborhood of each channel, from the last observations, the newest last."""
        newest_first = past.flip(1)[:, :: self.skip]  # [batch, tap, dim]
        around = newest_first[..., self.places]  # [batch, tap, dim, neighbor]
        terms = monomials(around.movedim(1, 2).flatten(2).flatten(0, 1), self.degree)
        return terms.reshape(len(past), past.shape[2], -1)

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The free run after the context. A context that is too short is padded with its first observation."""
        reach = (self.taps - 1) * self.skip + 1
        past = context.observations.double()[:, -reach:]
        past = torch.cat([past[:, :1].expand(-1, reach - past.shape[1], -1), past], dim=1)
        out = past.new_empty(len(past), horizon, past.shape[2])
        for step in range(horizon):
            new = past[:, -1] + self.features(past) @ self.weights
            out[:, step] = new
            past = torch.cat([past[:, 1:], new[:, None]], dim=1)
        return out

    def parameter_count(self) -> int:
        """The number of entries of w."""
        return self.weights.numel()
