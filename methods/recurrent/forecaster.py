"""The base class of forecasters with a state, and the problems that they accept."""

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
    """Return the problem unchanged. Raises UserError if it has inputs or if forecasts start without a context."""
    if problem.train.inputs is not None:
        raise UserError("this method supports only autonomous systems, and this task has inputs")
    if problem.context == 0:
        raise UserError(
            "this method needs a context of observations, and this task has none: forecasts start from rest"
        )
    return problem


class StateForecaster(ABC):
    """z_{t+1} = step(z_t), x_t = observe(z_t): an autonomous model that forecasts from the state after a context."""

    @abstractmethod
    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """The state after the context."""

    @abstractmethod
    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The next state."""

    @abstractmethod
    def observe(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory dim"]:
        """The observation of a state."""

    def as_map(self) -> CompiledMap | None:
        """Compiled kernels of the step and its tangent map, used by forecasts and Lyapunov exponents; None: not available."""
        return None

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The free run from the state after the context. A run that diverges contains infinity and NaN."""
        state = self.initial_state(context)
        form = compiled_map(self)
        if form is not None and state.device.type == "cpu":
            return free_run(form, state, horizon, context.dim)
        out = torch.empty(horizon, len(context), context.dim, dtype=state.dtype, device=state.device)
        for place in out.unbind(0):
            state = self.step(state)
            place.copy_(self.observe(state))
        return out.transpose(0, 1)
