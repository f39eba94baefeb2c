"""Alternating minimization with inexact half steps, at a cost linear in the number of samples and the rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, SearchSpace
from dynamark.methods.sensing.base import Measurements
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import measure
from dynamark.methods.sensing.sampled import SampledMeasurements, SparseMeasurements
from dynamark.methods.sensing.start import fitted_rank, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["InexactAlternatingMinimization", "improved"]


@dataclass(frozen=True)
class InexactAlternatingMinimization:
    """`AlternatingMinimization` with `inner` conjugate-gradient iterations per half step, warm-started from the last factor.

    With G = Q R, F G^T = (F R^T) Q^T, so the half step for F starts from F R^T. For sampled entries the least-squares problem
    separates into rows, each with its own conjugate-gradient coefficients, computed by the same two matrix products. An inner
    iteration costs two passes, a half step two more. The number of outer steps is that of the exact method, in theory and in
    our experiments. Not for symmetric problems (UserError).

    Source: Gu, Song, Yin and Zhang, Low rank matrix completion via robust alternating minimization in nearly linear time, ICLR
    2024 (which solves each regression by sketching and preconditioned refinement).
    key: gu2024
    """

    inner: Count = 4
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {"inner": (4, 2, 8, 16)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        if problems[0].symmetric:
            raise UserError(
                "InexactAlternatingMinimization: a symmetric operator does not determine the skew-symmetric part of F G^T; "
                "use scaled_gd"
            )
        measurements = measure(problems)
        first = spectral(measurements, fitted_rank(problems[0], self.rank), symmetric=False)

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            f, g = state
            q, r = torch.linalg.qr(g)
            f, residual = improved(measurements, f @ r.mT, q, self.inner, transposed=False)
            p, r = torch.linalg.qr(f)
            g, _unused = improved(measurements, q @ r.mT, p, self.inner, transposed=True)
            return (p, g), residual

        return iterate(measurements, runs, first, advance, "product")


def improved(
    measurements: Measurements, start: Tensor, fixed: Tensor, steps: int, transposed: bool
) -> tuple[Tensor, Tensor]:
    """F after `steps` conjugate-gradient iterations on |A(F Q^T) - y|^2 from `start`, Q = `fixed`; and the residual at `start`.

    If `transposed`, G on |A(Q G^T) - y|^2. Rows whose gradient is zero do not change.
    """
    axes = (2,) if isinstance(measurements, SampledMeasurements | SparseMeasurements) else (1, 2)

    def forward(factor: Tensor) -> Tensor:
        return measurements.product(*((fixed, factor) if transposed else (factor, fixed)))

    def adjoint(values: Tensor) -> Tensor:
        z = measurements.back(values)
        return (z.mT if transposed else z) @ fixed

    first = forward(start) - measurements.y
    factor, gradient = start, -adjoint(first)
    direction, power = gradient, gradient.square().sum(axes, keepdim=True)
    for _ in range(steps):
        image = adjoint(forward(direction))
        bend = (direction * image).sum(axes, keepdim=True)
        length = torch.where(bend > 0, power / bend, 0.0)
        factor = factor + length * direction
        gradient = gradient - length * image
        following = gradient.square().sum(axes, keepdim=True)
        direction = gradient + torch.where(power > 0, following / power, 0.0) * direction
        power = following
    return factor, first
