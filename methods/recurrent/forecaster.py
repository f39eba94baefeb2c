"""Forecasting with a state: what all models here share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.tasks.numerics.maps import CompiledMap, compiled_map, free_run
from dynamark.tasks.problems import Forecasting, Trajectories

__all__ = ["StateForecaster", "autonomous"]


def autonomous(problem: Forecasting) -> Forecasting:
    """The problem, if it is one of an autonomous system that is continued from observations; else UserError."""
    if problem.train.inputs is not None:
        raise UserError("this method learns autonomous systems: it takes no inputs")
    if problem.context == 0:
        raise UserError("this method continues observations: it cannot start from rest, without a context")
    return problem


class StateForecaster(ABC):
    """z_{t+1} = step(z_t), x_t = observe(z_t): an autonomous model that runs freely from the state after a context."""

    @abstractmethod
    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """The state after the context."""

    @abstractmethod
    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The next state."""

    @abstractmethod
    def observe(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory dim"]:
        """What is observed of a state."""

    def as_map(self) -> CompiledMap | None:
        """The step and its tangent as compiled kernels, where the model has them: the free run and its exponents take these."""
        return None

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The free run. A run that leaves every bound holds infinity and NaN."""
        state = self.initial_state(context)
        form = compiled_map(self)
        if form is not None and state.device.type == "cpu":
            return free_run(form, state, horizon, context.dim)
        out = torch.empty(horizon, len(context), context.dim, dtype=state.dtype, device=state.device)
        for place in out.unbind(0):
            state = self.step(state)
            place.copy_(self.observe(state))
        return out.transpose(0, 1)
