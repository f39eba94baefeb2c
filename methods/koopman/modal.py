"""Forecasts from eigenvalues, eigenfunctions and modes; the cost of one forecast step does not depend on the horizon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from dynamark.tasks.problems import Trajectories

__all__ = ["ModalModel"]


@dataclass(frozen=True)
class ModalModel:
    """x_n = Re sum_j phi_j(x_0) lambda_j^n m_j."""

    values: Complex[Tensor, " mode"]
    functions: Callable[[Tensor], Tensor]  # states [state, dim] to phi [state, mode]
    modes: Complex[Tensor, "mode dim"]
    stored: int  # floats of the functions

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Evaluate the sum with powers of the eigenvalues."""
        powers = self.values ** torch.arange(1, horizon + 1)[:, None]
        return ((self.eigenfunctions(context.observations)[:, None] * powers) @ self.modes).real

    def eigenvalues(self) -> Tensor:
        """The eigenvalues lambda of one time step."""
        return self.values

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """phi at the last state of each window."""
        return self.functions(points[:, -1].double())

    def parameter_count(self) -> int:
        """Eigenvalues and modes, two floats per complex number, and the numbers that the eigenfunctions store."""
        return 2 * (self.values.numel() + self.modes.numel()) + self.stored
