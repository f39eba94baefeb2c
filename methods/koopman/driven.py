"""Linear models with inputs, by least squares: of the state (DMD with control) and of features (EDMD with control)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Order, Range, SearchSpace, Size, Units
from dynamark.methods.koopman.dictionaries import build, default_size
from dynamark.methods.koopman.lifted import pairs
from dynamark.tasks.numerics.least_squares import validated_ridge
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["ControlledEDMD", "DMDc", "DrivenModel", "inputs_between"]

# Maximum number of regressors: decompositions of more take minutes.
_MOST = 3000


def inputs_between(paths: Trajectories) -> Float[Tensor, "pair channel"]:
    """The input that acts between each state and its successor, in the order of `pairs`; without inputs no channel."""
    x, u = paths.observations, paths.inputs
    given = x.new_zeros(*x.shape[:2], 0) if u is None else u
    return given[:, 1 : x.shape[1]].double().flatten(0, 1)


@dataclass(frozen=True)
class DrivenModel:
    """psi_t = [psi_{t-1}, u_t] W, or [psi_{t-1}, u_t (x) psi_{t-1}] W if `bilinear`; x = psi C.

    Every `relift` steps the state is decoded and lifted again; 0 never. With psi(x) = x this is x_t = A x_{t-1} + B u_t.
    """

    lift: Callable[[Tensor], Tensor]
    weights: Float[Tensor, "regressor feature"]
    readout: Float[Tensor, "feature dim"] | None
    stored: int = 0
    bilinear: bool = False
    relift: int = 0

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Iterate from the features of the last context state."""
        psi, states = self.lift(context.observations[:, -1].double()), []
        driving = psi.new_zeros(len(psi), horizon, 0) if inputs is None else inputs.double()
        for t in range(horizon):
            psi = regressors(psi, driving[:, t], self.bilinear) @ self.weights
            states.append(psi if self.readout is None else psi @ self.readout)
            if self.relift and (t + 1) % self.relift == 0:
                psi = self.lift(states[-1])
        return torch.stack(states, dim=1)

    def parameter_count(self) -> int:
        """Entries of W and C, and the numbers that the dictionary stores."""
        return self.weights.numel() + (0 if self.readout is None else self.readout.numel()) + self.stored


def regressors(
    psi: Float[Tensor, "sample feature"], u: Float[Tensor, "sample channel"], bilinear: bool
) -> Float[Tensor, "sample regressor"]:
    """[psi, u], or [psi, u_1 psi, u_2 psi, ...] if `bilinear`."""
    driven = (u[:, :, None] * psi[:, None, :]).flatten(1) if bilinear else u
    return torch.cat([psi, driven], dim=1)


@dataclass(frozen=True)
class DMDc:
    """x_t = A x_{t-1} + B u_t: [A B] by least squares, with the r leading singular directions of the rows [x_{t-1}, u_t].

    rank: r; 0 uses all directions whose singular value is above `rcond` times the largest.

    Differs from the paper: the states are not projected onto a second, smaller basis. Source: Proctor et al. 2016, section 3.3.
    key: proctor2016
    """

    rank: Order = 0
    rcond: Annotated[float, Range(low=0, below=1)] = 1e-10
    data_units: ClassVar[Units] = "scaled"
    search_space: ClassVar[SearchSpace] = {"rank": (0, 4, 16, 64)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> DrivenModel:
        """One singular value decomposition."""
        x, y = pairs(problem.train)
        left, singular, right = torch.linalg.svd(torch.cat([x, inputs_between(problem.train)], 1), full_matrices=False)
        chosen = singular > self.rcond * singular[:1]
        chosen[self.rank or len(chosen) :] = False
        weights = (right[chosen].T / singular[chosen]) @ (left[:, chosen].T @ y)
        return DrivenModel(lambda state: state, weights, None)


@dataclass(frozen=True)
class ControlledEDMD:
    """psi(x_t) ~ [psi(x_{t-1}), u_t] W (`linear` inputs), or [psi(x_{t-1}), u_t (x) psi(x_{t-1})] W (`bilinear`).

    The generator of a control-affine system x' = f(x) + u g(x) is affine in u, with an operator on functions of x before u: a
    lifted model that is linear in u replaces this operator by constants.
    dictionary, size: see `dictionaries.build`; None: 100 centers, or degree 3, lowered until there are at most 3,000 regressors
    and no more than samples.
    relift: decode and lift again every `relift` steps; 0 never.
    W is a ridge regression; validation data selects the penalty.

    Source: Korda and Mezic 2018 for linear inputs, Bruder et al. 2021 for bilinear ones.
    key: bruder2021
    """

    inputs: Literal["linear", "bilinear"] = "bilinear"
    dictionary: Literal["monomials", "gaussian", "thin_plate"] = "monomials"
    size: Size | None = None
    relift: Order = 1
    search_space: ClassVar[SearchSpace] = {"relift": (1, 0), "dictionary": ("monomials", "gaussian")}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> DrivenModel:
        """One ridge regression for each penalty, from one decomposition."""
        x, _ = pairs(problem.train)
        lift = build(self.dictionary, self._size(problem.train), x, run.numpy)
        bilinear = self.inputs == "bilinear"
        (features, targets), validation = (
            (regressors(lift(a), inputs_between(part), bilinear), lift(b))
            for part, (a, b) in ((part, pairs(part)) for part in (problem.train, problem.validation))
        )
        if features.shape[1] > _MOST:
            raise UserError(
                f"{self.dictionary} with {problem.train.channels} inputs make {features.shape[1]} regressors, more than {_MOST}; "
                "use a smaller size"
            )
        weights = validated_ridge(features, targets, *validation)
        return DrivenModel(lift, weights, lift.readout(x.shape[1]), lift.parameter_count(), bilinear, self.relift)

    def _size(self, train: Trajectories) -> int | None:
        """The given size, or the largest degree up to 3 with at most `_MOST` regressors and no more than samples."""
        if self.size is not None or self.dictionary != "monomials":
            return self.size
        most = default_size(self.dictionary, train.dim)
        samples = len(train) * (train.observations.shape[1] - 1)
        copies = 1 + (train.channels if self.inputs == "bilinear" else 0)
        sizes = range(most, 1, -1)
        return next((size for size in sizes if _count(train.dim, size) * copies <= min(_MOST, samples)), 1)


def _count(dim: int, degree: int) -> int:
    """Monomials of `dim` variables up to a total degree."""
    return math.comb(dim + degree, degree)
