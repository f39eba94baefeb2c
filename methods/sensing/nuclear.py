"""Convex recovery: nuclear norm minimization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Penalty, Positive, SearchSpace
from dynamark.methods.sensing.base import Measurements
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import DenseMeasurements, measure
from dynamark.methods.sensing.sampled import SampledMeasurements
from dynamark.methods.sensing.start import scale
from dynamark.tasks.numerics.operators import unvectorize
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["NuclearNorm", "PenalizedNuclearNorm", "projection", "shrink"]


def shrink(matrix: Tensor, threshold: Tensor) -> Tensor:
    """U max(S - threshold, 0) V^T, the proximal operator of threshold |X|_*; threshold [seed, 1, 1]."""
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    return (u * (s[:, None, :] - threshold).clamp(min=0)) @ vt


def projection(measurements: Measurements) -> Callable[[Tensor], Tensor]:
    """The map X -> X - A^+ (A(X) - y), the projection on {A(X) = y} (on the least-squares solutions if that set is empty)."""
    if isinstance(measurements, SampledMeasurements):
        inverse = torch.where(measurements.mask > 0, 1 / measurements.mask, 0.0)

        def sampled(matrix: Tensor) -> Tensor:
            residual = measurements.forward(matrix) - measurements.y
            measurements.passes += 1
            return matrix - residual.view_as(matrix) * inverse

        return sampled
    if not isinstance(measurements, DenseMeasurements):
        raise UserError("NuclearNorm needs a DenseOperator or SampledOperator; use nuclear_penalized")
    inverses = [torch.linalg.pinv(operator.rows) for operator, _ in measurements.groups]
    order = {i: inverse for inverse, (_, members) in zip(inverses, measurements.groups, strict=True) for i in members}

    def dense(matrix: Tensor) -> Tensor:
        residual = measurements.forward(matrix) - measurements.y
        measurements.passes += 1
        flat = torch.stack([order[i] @ r for i, r in enumerate(residual)])
        step = unvectorize(flat, matrix.shape[-1]) if measurements.symmetric else flat.view_as(matrix)
        return matrix - step

    return dense


@dataclass(frozen=True)
class NuclearNorm:
    """min |X|_* subject to A(X) = y, by ADMM: X = Pi(W - U), W = shrink(X + U), U <- U + X - W.

    Pi is the projection on {A(X) = y}, by the pseudo-inverse of A, which is computed once; shrink is `shrink` with threshold
    `weight` s^_1. Three passes per step: two of the projection, one for the residual of W. Recovers X* if the number of
    measurements exceeds about the statistical dimension. The estimate is W, dense. For noise-free measurements.

    Source: Recht, Fazel and Parrilo, Guaranteed minimum-rank solutions of linear matrix equations via nuclear norm
    minimization, SIAM Review 2010; the splitting is that of Boyd et al. 2011, section 5.2.
    key: recht2010
    """

    weight: Positive = 0.1
    search_space: ClassVar[SearchSpace] = {"weight": (0.1, 0.03, 0.3, 1.0)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        threshold = self.weight * scale(measurements)
        project = projection(measurements)
        rest = torch.zeros(len(problems), *measurements.shape, dtype=threshold.dtype, device=threshold.device)

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            nonlocal rest
            (low,) = state
            feasible = project(low - rest)
            following = shrink(feasible + rest, threshold)
            rest = rest + feasible - following
            return (following,), measurements.forward(low) - measurements.y

        return iterate(measurements, runs, (torch.zeros_like(rest),), advance, "dense")


@dataclass(frozen=True)
class PenalizedNuclearNorm:
    """min 1/2 |A(X) - y|^2 + lambda |X|_*, by accelerated proximal gradient with continuation lambda <- max(0.7 lambda, last).

    lambda starts at |A*y|_2 and decreases every `hold` steps; `last` is `level` sigma sqrt(n/m) if the noise level sigma is
    known, else `smallest` s^_1. The step size is 1/L, with L, the largest eigenvalue of A*A, by power iteration; the momentum
    restarts whenever the proximal gradient has a positive inner product with the last step. Two passes per step; the estimate
    is dense.

    Source: Toh and Yun, An accelerated proximal gradient algorithm for nuclear norm regularized linear least squares
    problems, Pac. J. Optim. 2010 (continuation with 0.7); the restart is that of O'Donoghue and Candes 2015.
    key: toh2010
    """

    level: Penalty = 2.0
    smallest: Penalty = 1e-6
    hold: Count = 10
    search_space: ClassVar[SearchSpace] = {"level": (2.0, 1.0, 0.5, 4.0), "hold": (10, 5, 20)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        size = scale(measurements)
        curvature = largest_eigenvalue(measurements)
        last = self.smallest * size
        if (noise := problems[0].noise) is not None:
            counts = torch.tensor([len(p.y) for p in problems], dtype=size.dtype, device=size.device)
            last = (self.level * noise * (max(measurements.shape) / counts).sqrt())[:, None, None]
        zero = torch.zeros(len(problems), *measurements.shape, dtype=size.dtype, device=size.device)
        ahead, weight, penalty = zero, torch.ones_like(size), size.clone()

        def advance(state: State, step: int) -> tuple[State, Tensor]:
            nonlocal ahead, weight, penalty
            (x,) = state
            residual, z = measurements.normal(ahead)
            following = shrink(ahead - z / curvature, penalty / curvature)
            opposed = ((ahead - following) * (following - x)).sum((1, 2), keepdim=True) > 0
            weight = torch.where(opposed, 1.0, weight)
            heavier = (1 + (1 + 4 * weight.square()).sqrt()) / 2
            momentum = torch.where(opposed, 0.0, (weight - 1) / heavier)
            ahead, weight = following + momentum * (following - x), heavier
            if step % self.hold == 0:
                penalty = torch.maximum(0.7 * penalty, last)
            return (following,), residual

        return iterate(measurements, runs, (zero,), advance, "dense")


def largest_eigenvalue(measurements: Measurements, steps: int = 20) -> Tensor:
    """1.05 times the estimate of the largest eigenvalue of A*A [seed, 1, 1] by `steps` power iterations from A*y."""
    x = measurements.adjoint(measurements.y)
    size = torch.ones(len(x), 1, 1, dtype=x.dtype, device=x.device)
    for _ in range(steps):
        x = measurements.adjoint(measurements.forward(x / x.norm(dim=(1, 2), keepdim=True)))
        size = x.norm(dim=(1, 2), keepdim=True)
    return 1.05 * size
