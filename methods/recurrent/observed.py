"""Models whose first units are the observations."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.recurrent.forecaster import StateForecaster
from dynamark.tasks.problems import Trajectories

__all__ = ["ObservedUnits"]


class ObservedUnits(StateForecaster):
    """x_t = the first N units of z_t; the state after a context is z = [x; L x], x its last observation."""

    start: Float[Tensor, "hidden N"]

    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """[x; L x], x the last observation of the context."""
        x = context.observations[:, -1].double()
        return torch.cat([x, x @ self.start.T], dim=-1)

    def observe(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory dim"]:
        """The first N units."""
        return state[..., : self.start.shape[1]]
