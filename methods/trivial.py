"""The trivial answers, against which skill is judged."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["Persistence"]


@dataclass(frozen=True)
class Persistence:
    """x_{t+h} = x_t: repeats the last observation. A context of length zero is continued by zeros."""

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Persistence:
        """Nothing to learn."""
        return self

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The last observation, `horizon` times."""
        if context.observations.shape[1] == 0:
            return context.observations.new_zeros(len(context), horizon, context.dim)
        return context.observations[:, -1:].expand(-1, horizon, -1)
