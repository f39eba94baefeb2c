"""Convergence in space of the reaction-diffusion solver: exponential for smooth fields, slow for the usual spiral."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.koopman.fields import ReactionDiffusion, smooth_field, spiral
from dynamark.tasks.problems import Run

__all__ = ["SpatialConvergence"]


@dataclass(frozen=True)
class SpatialConvergence:
    """max |u - u_ref| at t = 5 on the points that grids of n and 192 share, stable parameters, length 20, step .05."""

    start: Literal["smooth", "spiral"] = "smooth"
    n: int = 48
    reference: int = 192
    time: float = 5.0

    def measure(self, run: Run) -> Scores:
        """The largest difference from the solution on the grid of `reference` points."""
        fine, coarse = (self._solve(n)[:, :: n // 48, :: n // 48] for n in (self.reference, self.n))
        return Scores({"error": float(np.abs(fine - coarse).max())})

    def _solve(self, n: int) -> ndarray:
        equation = ReactionDiffusion(n=n)
        x, y = equation.grid()
        field = smooth_field(x, y, equation.length) if self.start == "smooth" else spiral(x, y)
        return equation(field[None], self.time, 1)[0, -1]
