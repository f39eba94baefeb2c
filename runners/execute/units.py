"""Units: a method sees standardized data, its model answers in the data's own units. It stands once, around all methods.

A method declares by an attribute `data_units` what it wants to see:

standardized  (x - mean)/sd of each channel of the training data: the default;
scaled        x/rms: for models that are linear without a constant, and networks that start from rest: their zero is that of the
              data. A channel is centered only where its mean is more than a hundred standard deviations from zero, beyond any
              slow decay to zero, where "linear" means about an operating point;
raw           data as it is: for vector fields that are sparse in their own units, angles, a dictionary that is listed.

Eigenvalues stay, eigenfunctions are asked at standardized points, and the state, step and Jacobian of a model whose state is the
observation are conjugated, S J S^{-1}; a state of another size belongs to the model. Other kinds of problem have no training data
to take units from: their methods are to be free of units themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.problems import Forecasting, HasJacobian, HasSample, HasSpectrum, Prediction, Trajectories

__all__ = ["Channels", "Units", "bare", "restored", "standardized", "units_of"]

P = TypeVar("P")

# Standard deviations between the mean and zero beyond which a linear model is one about the mean.
_FAR = 100.0
# A channel whose spread is below this part of its mean is constant to rounding.
_CONSTANT = 1e-12


@dataclass(frozen=True)
class Channels:
    """x = scale u + mean, a channel each."""

    mean: Float[Tensor, " dim"]
    scale: Float[Tensor, " dim"]

    def enter(self, x: Tensor) -> Tensor:
        """Into the units that the method sees."""
        return (x - self.mean) / self.scale

    def leave(self, u: Tensor) -> Tensor:
        """Map from the method's units into those of the data."""
        return u * self.scale + self.mean

    @classmethod
    def of(cls, x: Float[Tensor, "sample dim"], linear: bool) -> Channels:
        """Those of data; a constant channel has its own size as scale, or that of the largest channel where it is zero."""
        mean = x.mean(0)
        sd = (x - mean).square().mean(0).sqrt()
        constant = sd <= _CONSTANT * mean.abs()
        sd = torch.where(constant, 0.0, sd)
        mean = torch.where(constant, x[0], mean)  # exactly, so that nothing but zeros is left
        if linear:
            mean = torch.where((mean.abs() > _FAR * sd) & ~constant, mean, 0.0)
        size = torch.where(constant, x.abs().amax(0), (x - mean).square().mean(0).sqrt())
        largest = size.amax() if len(size) else size.new_ones(())
        size = torch.where(size > 0, size, largest if largest > 0 else 1.0)
        return cls(mean, size)


@dataclass(frozen=True)
class Units:
    """What a method sees: of observations, of inputs, and the time that counts as one between uneven samples."""

    observations: Channels
    inputs: Channels | None
    gap: float = 1.0

    def enter(self, paths: Trajectories) -> Trajectories:
        """Trajectories as the method sees them."""
        return replace(
            paths,
            observations=self.observations.enter(paths.observations),
            inputs=self.enter_inputs(paths.inputs),
            twin=None if paths.twin is None else self.observations.enter(paths.twin),
            gaps=None if paths.gaps is None else paths.gaps / self.gap,
        )

    def enter_inputs(self, inputs: Tensor | None) -> Tensor | None:
        """Inputs as the method sees them."""
        return inputs if inputs is None or self.inputs is None else self.inputs.enter(inputs)


def units_of(method: Any, problem: Any) -> Units | None:
    """The units in which a method sees a problem; None for the data's own."""
    wanted = getattr(method, "data_units", "standardized")
    if wanted == "raw" or not isinstance(problem, Forecasting | Prediction):
        return None
    train, linear = problem.train, wanted == "scaled"
    shown = train.observations[train.seen] if train.seen is not None else train.observations.flatten(0, 1)
    shown = shown if len(shown) else train.observations.flatten(0, 1)
    inputs = None if train.inputs is None else Channels.of(train.inputs.flatten(0, 1), linear)
    gap = 1.0 if train.gaps is None else float(train.gaps.mean())
    return Units(Channels.of(shown, linear), inputs, gap if gap > 0 else 1.0)


def standardized(problem: P, units: Units | None) -> P:
    """A problem without its query, in these units."""
    if units is None:
        return problem
    assert isinstance(problem, Forecasting | Prediction)
    return replace(problem, train=units.enter(problem.train), validation=units.enter(problem.validation))


# --- models


def restored(model: Any, units: Units | None, kind: type) -> Any:
    """The model in the data's units, with the abilities that it has."""
    if units is None:
        return model
    if kind is Prediction:
        return _Predictor(model, units)
    bases = [_Forecaster]
    bases += [_WithJacobian] if isinstance(model, HasJacobian) else []
    bases += [_WithSpectrum] if isinstance(model, HasSpectrum) else []
    bases += [_WithSample] if isinstance(model, HasSample) else []
    cls = type("_Restored", tuple(bases[::-1]), {}) if len(bases) > 1 else _Forecaster
    return cls(model, units)


def bare(model: Any) -> Any:
    """The method's own model, without the change of units."""
    return model.inner if isinstance(model, _Restored) else model


class _Restored:
    def __init__(self, inner: Any, units: Units) -> None:
        self.inner, self.units = inner, units


class _Predictor(_Restored):
    def predict(self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)) -> Any:
        return _left(self.units, self.inner.predict(self.units.enter(sequences), horizons))


class _Forecaster(_Restored):
    def forecast(self, context: Trajectories, horizon: int, inputs: Tensor | None = None) -> Any:
        answer = self.inner.forecast(self.units.enter(context), horizon, self.units.enter_inputs(inputs))
        return _left(self.units, answer)


class _WithSample(_Forecaster):
    def sample(
        self, context: Trajectories, horizon: int, draws: int, generator: torch.Generator, inputs: Tensor | None = None
    ) -> Any:
        inside = self.units.enter(context), self.units.enter_inputs(inputs)
        return _left(self.units, self.inner.sample(inside[0], horizon, draws, generator, inside[1]))


class _WithSpectrum(_Forecaster):
    def eigenvalues(self) -> Any:
        return self.inner.eigenvalues()

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Any:
        return self.inner.eigenfunctions(self.units.observations.enter(points))


class _WithJacobian(_Forecaster):
    """States of the observation's size are shown in the data's units."""

    def _own(self, state: Tensor) -> bool:
        return state.shape[-1] == len(self.units.observations.scale)

    def _enter(self, state: Tensor) -> Tensor:
        return self.units.observations.enter(state) if self._own(state) else state

    def _leave(self, state: Tensor) -> Tensor:
        return self.units.observations.leave(state) if self._own(state) else state

    def initial_state(self, context: Trajectories) -> Tensor:
        return self._leave(self.inner.initial_state(self.units.enter(context)))

    def step(self, state: Tensor) -> Tensor:
        return self._leave(self.inner.step(self._enter(state)))

    def jacobian(self, state: Tensor) -> Tensor:
        inner = self.inner.jacobian(self._enter(state))
        scale = self.units.observations.scale
        return scale[:, None] * inner / scale if self._own(state) else inner

    def tangent(self, state: Tensor, vectors: Tensor) -> Tensor:
        scale = self.units.observations.scale[:, None] if self._own(state) else 1.0
        push = getattr(self.inner, "tangent", lambda at, v: self.inner.jacobian(at).double() @ v)
        return scale * push(self._enter(state), vectors / scale)


def _left(units: Units, answer: Any) -> Any:
    """An answer in the data's units; one that is no tensor is left for the check of answers to refuse."""
    if not isinstance(answer, Tensor) or not answer.is_floating_point():
        return answer
    if answer.shape[-1:] != units.observations.scale.shape:
        return answer
    return units.observations.leave(answer.double())
