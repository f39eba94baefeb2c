"""Gradient descent on factors with Nesterov or heavy-ball momentum, optional preconditioning, and adaptive restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from dynamark.methods.fields import Count, Positive, Range, SearchSpace
from dynamark.methods.sensing.base import Matrices
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import measure
from dynamark.methods.sensing.scaled import inverse_gram
from dynamark.methods.sensing.start import fitted_rank, scale, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["AcceleratedDescent"]


@dataclass(frozen=True)
class AcceleratedDescent:
    """Nesterov: X' = Y - eta D(Y), Y' = X' + b (X' - X), b = (t - 1)/t', t' = (1 + sqrt(1 + 4 t^2))/2 from t = 1.

    Heavy ball: Y' = Y - eta D(Y) + b (Y - Y_before), b = `weight`. D is the gradient: Z X for a symmetric problem, (Z G, Z^T F)
    for two factors. `preconditioned` multiplies it by inverse Gram matrices, Z G (G^T G)^{-1}, as in `ScaledGradientDescent`. The
    momentum of a seed is reset (t = 1, b = 0 for one step) whenever its residual increases. Spectral initialization; two passes
    per step.

    step: eta, divided by s^_1 = |A*y|_2 unless `preconditioned`.

    Source: Nesterov 1983; the restart is the function scheme of O'Donoghue and Candès, Adaptive restart for accelerated gradient
    schemes, Found. Comput. Math. 2015, section 3.2 (analyzed there for convex functions; here it applies near the ground truth).
    key: odonoghue2015
    """

    momentum: Literal["nesterov", "heavy_ball"] = "nesterov"
    preconditioned: bool = False
    step: Positive = 0.25
    weight: Annotated[float, Range(low=0, below=1)] = 0.9
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {"step": (0.25, 0.1, 0.4), "weight": (0.9, 0.8, 0.95)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        symmetric, proxy = problems[0].symmetric, measurements.proxy()
        first = spectral(measurements, fitted_rank(problems[0], self.rank), symmetric, proxy)
        size = scale(measurements, proxy)
        step = self.step / (torch.ones_like(size) if self.preconditioned else size)
        before, age = first, torch.ones_like(size)
        last = torch.full_like(size, torch.inf)

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            nonlocal before, age, last
            residual, z = measurements.gradient(state[0], state[-1])
            now = residual.norm(dim=1)[:, None, None]
            age = torch.where(now > last, 1.0, age)
            last = now
            points = tuple(y - step * d for y, d in zip(state, self._direction(state, z), strict=True))
            if self.momentum == "nesterov":
                older = (1 + (1 + 4 * age.square()).sqrt()) / 2
                push = (age - 1) / older
                ahead = tuple(new + push * (new - old) for new, old in zip(points, before, strict=True))
                before, age = points, older
            else:
                push = torch.where(age > 1, self.weight, 0.0)
                ahead = tuple(new + push * (y - old) for new, y, old in zip(points, state, before, strict=True))
                before, age = state, age + 1
            return ahead, residual

        return iterate(measurements, runs, first, advance, "symmetric" if symmetric else "product")

    def _direction(self, state: State, z: Matrices) -> tuple[Tensor, ...]:
        """The gradient with respect to each factor, multiplied by the inverse Gram matrix if `preconditioned`."""
        others = state[::-1]  # the factor by which Z is multiplied
        parts = (z @ others[0], z.mT @ others[1]) if len(state) == 2 else (z @ others[0],)
        if not self.preconditioned:
            return parts
        return tuple(part @ inverse_gram(gram) for part, gram in zip(parts, others, strict=True))
