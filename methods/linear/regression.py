"""Regression on filtered inputs and outputs: one closed-form fit for all fixed banks of filters.

Minimizes sum_t |y_t - U_t M - Y_{t-1} N|^2, U and Y the filtered inputs and outputs, with a ridge penalty selected on the
validation sequences. Without an output bank the model is a simulation; with one it is a one-step predictor, iterated for
forecasts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Order, Range, SearchSpace, Units
from dynamark.methods.linear import banks
from dynamark.methods.linear.model import LinearPredictor
from dynamark.tasks.numerics.convolution import filtered
from dynamark.tasks.numerics.least_squares import PENALTIES, ridge_path
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories

__all__ = [
    "ARX",
    "FIR",
    "Bank",
    "FilterRegression",
    "RealPoles",
    "SpectralARX",
    "SpectralFiltering",
    "WedgeFiltering",
    "regress",
]

# Maximum number of features: decompositions of more take minutes.
_MOST = 3000

# Anonymous axes: two banks may differ in lags and filters.
Bank = Float[Tensor, "_ _"]


def regress(problem: Prediction | Forecasting, inputs: Bank, outputs: Bank | None) -> tuple[LinearPredictor, float]:
    """The predictor fitted on these banks, and its mean squared one-step error on the validation sequences."""
    count = problem.train.channels * inputs.shape[1] + (0 if outputs is None else problem.train.dim * outputs.shape[1])
    if count > _MOST:
        raise UserError(
            f"{problem.train.dim} channels and {problem.train.channels} inputs through these filters make {count} features, more "
            f"than {_MOST}; use fewer lags or filters, or fewer channels"
        )
    features, targets = features_of(problem.train, inputs, outputs)
    validation_features, validation_targets = features_of(problem.validation, inputs, outputs)
    path = ridge_path(features, targets, PENALTIES)
    errors = torch.nan_to_num(
        (validation_features @ path - validation_targets).square().mean(dim=(1, 2)), nan=torch.inf
    )
    best = int(errors.argmin())
    return responses(path[best], problem.train, inputs, outputs), float(errors[best])


def features_of(
    paths: Trajectories, inputs: Bank, outputs: Bank | None
) -> tuple[Float[Tensor, "sample feature"], Float[Tensor, "sample dim"]]:
    """Features (filtered inputs up to t and outputs before t) and targets y_t of all sequences and times."""
    y = paths.observations
    columns = [y.new_zeros(*y.shape[:2], 0)]
    if paths.inputs is not None:
        columns.append(filtered(paths.inputs, inputs).flatten(2))
    if outputs is not None:
        past = torch.cat([torch.zeros_like(y[:, :1]), y[:, :-1]], dim=1)
        columns.append(filtered(past, outputs).flatten(2))
    return torch.cat(columns, dim=2).flatten(0, 1), y.flatten(0, 1)


def responses(
    weights: Float[Tensor, "feature dim"], paths: Trajectories, inputs: Bank, outputs: Bank | None
) -> LinearPredictor:
    """The predictor of these weights: filters times weights are impulse responses."""
    split = paths.channels * inputs.shape[1]
    first = weights[:split].reshape(paths.channels, -1, paths.dim) if paths.channels else None
    second = weights[split:].reshape(paths.dim, -1, paths.dim) if outputs is not None else None
    return LinearPredictor(
        None if first is None else torch.einsum("lf,cfd->lcd", inputs, first),
        None if second is None or outputs is None else torch.einsum("lf,cfd->lcd", outputs, second),
        weights.numel(),
    )


@dataclass(frozen=True)
class FilterRegression(ABC):
    """Base class of methods that differ only in their filter banks."""

    from_rest: ClassVar[bool] = True
    data_units: ClassVar[Units] = "scaled"

    @abstractmethod
    def banks(self, length: int) -> tuple[Bank, Bank | None]:
        """Filters of inputs and of past outputs (or None) for sequences of `length` steps."""

    def fit_predictor(self, problem: Prediction, run: Run) -> LinearPredictor:
        """The fitted one-step predictor."""
        return regress(problem, *self.banks(problem.train.observations.shape[1]))[0]

    def fit_forecaster(self, problem: Forecasting, run: Run) -> LinearPredictor:
        """The one-step predictor, iterated; a simulation if past outputs are not used."""
        return regress(problem, *self.banks(problem.train.observations.shape[1]))[0]


@dataclass(frozen=True)
class FIR(FilterRegression):
    """y^_t = sum_{i<taps} u_{t-i} G_i: the finite impulse response model.

    key: ljung1999
    """

    taps: Count = 100
    search_space: ClassVar[SearchSpace] = {"taps": (100, 25, 50, 200)}

    def banks(self, length: int) -> tuple[Bank, Bank | None]:
        """Unit impulses for inputs; no output bank."""
        return banks.taps(self.taps, self.taps), None


@dataclass(frozen=True)
class ARX(FilterRegression):
    """y^_t = sum_{i<=order} u_{t-i} G_i + sum_{0<j<=order} y_{t-j} H_j.

    order: number of lags; None selects from `orders` by the error on the validation sequences: the one-step error for prediction
        and for forecasts from a context, the simulation error for forecasts from rest. Orders with more lags than a sequence
        has steps or with more features than samples are skipped; if all are, the smallest order is used.

    key: ljung1999
    """

    order: Count | None = None
    orders: tuple[Count, ...] = (1, 2, 4, 8, 16, 32, 64)
    # The order is chosen on validation data by the method itself.
    search_space: ClassVar[SearchSpace] = {}

    def banks(self, length: int) -> tuple[Bank, Bank | None]:
        """Unit impulses for inputs and outputs, of the largest order."""
        return self._banks(self.order or max(self.orders))

    def _banks(self, order: int) -> tuple[Bank, Bank]:
        return banks.taps(order + 1, order + 1), banks.taps(order, order)

    def _fits(self, problem: Prediction | Forecasting) -> list[tuple[LinearPredictor, float]]:
        n, length, dim = problem.train.observations.shape
        width = dim + problem.train.channels
        feasible = [m for m in self.orders if m < length and (m + 1) * width <= min(n * length, _MOST)]
        orders = [self.order] if self.order is not None else feasible or [min(self.orders)]
        return [regress(problem, *self._banks(order)) for order in orders]

    def fit_predictor(self, problem: Prediction, run: Run) -> LinearPredictor:
        """The fitted one-step predictor."""
        return min(self._fits(problem), key=lambda fit: fit[1])[0]

    def fit_forecaster(self, problem: Forecasting, run: Run) -> LinearPredictor:
        """The one-step predictor, iterated."""
        fits = self._fits(problem)
        if problem.context or len(fits) == 1:
            return min(fits, key=lambda fit: fit[1])[0]
        return min((fit[0] for fit in fits), key=lambda model: _simulation_error(model, problem.validation))


def _simulation_error(model: LinearPredictor, paths: Trajectories) -> float:
    """Mean squared error of the simulation from rest; infinite if it diverges."""
    empty = Trajectories(paths.observations[:, :0], None if paths.inputs is None else paths.inputs[:, :0])
    answer = model.forecast(empty, paths.observations.shape[1], paths.inputs)
    return float(torch.nan_to_num((answer - paths.observations).square().mean(), nan=torch.inf))


@dataclass(frozen=True)
class RealPoles(FilterRegression):
    """Regression on a^i sqrt(1 - a^2) at fixed real poles a with log-spaced 1 - a: the control for spectral filtering.

    The response of any real pole in [0, 1) is close to the span of a few such filters; the poles are chosen without theory.
    poles: number of poles. recursive: filter past outputs too.

    key: heuberger2005
    """

    poles: Annotated[int, Range(1, 1000)] = 20
    recursive: bool = False
    search_space: ClassVar[SearchSpace] = {"poles": (20, 5, 10, 40), "recursive": (False, True)}

    def banks(self, length: int) -> tuple[Bank, Bank | None]:
        """The same poles for inputs and, if `recursive`, outputs."""
        bank = banks.poles(length, self.poles)
        return bank, bank if self.recursive else None


@dataclass(frozen=True)
class SpectralFiltering(FilterRegression):
    """y^_t = sum_{i<taps} u_{t-i} M_i + sum_j (M+_j U+_{t,j} + M-_j U-_{t,j}), U+_{t,j} = sum_i phi_j(i+1) u_{t-i}.

    phi_j are the leading eigenvectors of the Hankel matrix 2 / ((i+j)^3 - (i+j)); U- uses the filters (-1)^i phi_j(i+1), for
    negative poles. For real poles the error decays exponentially in the number of filters, independent of the number of states.

    Differs from equation (5) of the paper: features are not delayed by two steps, which would only reduce accuracy here, and not
    scaled by s_j^{1/4}, which helps gradient descent only; the readout is a ridge regression instead of online gradient descent.

    key: hazan2017
    """

    filters: Annotated[int, Range(1, 500)] = 20
    taps: Order = 3
    both_signs: bool = True
    search_space: ClassVar[SearchSpace] = {"filters": (20, 10, 30, 40), "taps": (3, 1, 10)}

    def banks(self, length: int) -> tuple[Bank, Bank | None]:
        """Taps and spectral filters for inputs; no output bank."""
        parts = [banks.taps(length, self.taps), banks.spectral(length, self.filters, self.both_signs)]
        return torch.cat(parts, dim=1), None


@dataclass(frozen=True)
class SpectralARX(SpectralFiltering):
    """Spectral filtering of inputs and of past outputs: y^_t = M (taps, U+-)_t + N (taps, Y+-)_{t-1}.

    Approximates the Kalman predictor, a linear system driven by inputs and outputs, instead of the simulation. Its poles are
    nearly real for a symmetric system with independent noise.

    key: hazan2017
    """

    filters: Annotated[int, Range(1, 500)] = 17
    both_signs: bool = False
    search_space: ClassVar[SearchSpace] = {"filters": (17, 8, 24, 32), "taps": (3, 1, 10)}

    def banks(self, length: int) -> tuple[Bank, Bank | None]:
        """The same filters for inputs and outputs."""
        bank, _ = super().banks(length)
        return bank, bank


@dataclass(frozen=True)
class WedgeFiltering(FilterRegression):
    """Spectral filtering for complex poles: the phi_j are eigenvectors of int a^i conj(a)^j dA over |a| <= 1, |arg a| <= angle.

    mirrored: also poles near -1. recursive: filter past outputs too. About angle * T / pi filters are needed, so the basis
    is efficient for angles well below pi.

    Differs from the paper: no polynomial preconditioning (see the online method `usp`), and the readout is a ridge regression.

    key: marsden2025
    """

    filters: Annotated[int, Range(1, 500)] = 60
    taps: Order = 3
    angle: Annotated[float, Range(above=0, high=math.pi)] = 0.2
    mirrored: bool = False
    recursive: bool = False
    search_space: ClassVar[SearchSpace] = {
        "filters": (60, 30, 100),
        "angle": (0.2, 0.1, 0.4, 0.8),
        "recursive": (False, True),
    }

    def banks(self, length: int) -> tuple[Bank, Bank | None]:
        """Taps and wedge filters for inputs and, if `recursive`, outputs."""
        parts = [banks.taps(length, self.taps), banks.wedge(length, self.filters, self.angle, self.mirrored)]
        bank = torch.cat(parts, dim=1)
        return bank, bank if self.recursive else None
