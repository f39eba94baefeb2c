"""Convex recovery: the matrix of least nuclear norm."""

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

__all__ = ["NuclearNorm", "PenalisedNuclearNorm", "projection", "shrink"]


def shrink(matrix: Tensor, threshold: Tensor) -> Tensor:
    """U max(S - threshold, 0) V^T: the proximal map of the nuclear norm. threshold [seed, 1, 1]."""
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    return (u * (s[:, None, :] - threshold).clamp(min=0)) @ vt


def projection(measurements: Measurements) -> Callable[[Tensor], Tensor]:
    """X -> X - A^+ (A(X) - y), the nearest matrix with A(X) = y (least squares where there is none)."""
    if isinstance(measurements, SampledMeasurements):
        inverse = torch.where(measurements.mask > 0, 1 / measurements.mask, 0.0)

        def sampled(matrix: Tensor) -> Tensor:
            residual = measurements.forward(matrix) - measurements.y
            measurements.passes += 1
            return matrix - residual.view_as(matrix) * inverse

        return sampled
    if not isinstance(measurements, DenseMeasurements):
        raise UserError("NuclearNorm: projects with stored or sampled operators; use nuclear_penalized")
    inverses = [torch.linalg.pinv(operator.rows) for operator, _ in measurements.groups]
    order = {i: inverse for inverse, (_, members) in zip(inverses, measurements.groups, strict=True) for i in members}

    def dense(matrix: Tensor) -> Tensor:
        residual = measurements.forward(matrix) - measurements.y
        measurements.passes += 1
        flat = torch.stack([order[i] @ own for i, own in enumerate(residual)])
        step = unvectorize(flat, matrix.shape[-1]) if measurements.symmetric else flat.view_as(matrix)
        return matrix - step

    return dense


@dataclass(frozen=True)
class NuclearNorm:
    """min |X|_* subject to A(X) = y, by the alternating direction method: X = Pi(W - U), W = shrink(X + U), U <- U + X - W.

    Pi is the projection on {A(X) = y}, by the pseudo-inverse of A, made once; the threshold is `weight` s^_1. Three passes a
    step: two of the projection, and one that tells how far W is from the measurements. Succeeds from about the statistical
    dimension of measurements on. The estimate is W, dense. For noise-free measurements.

    Source: Recht, Fazel and Parrilo, Guaranteed minimum-rank solutions of linear matrix equations via nuclear norm
    minimization, SIAM Review 2010; the splitting is Boyd et al. 2011, section 5.2.
    key: recht2010
    """

    weight: Positive = 0.1
    search_space: ClassVar[SearchSpace] = {"weight": (0.1, 0.03, 0.3, 1.0)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate a problem, all members together."""
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
class PenalisedNuclearNorm:
    """min 1/2 |A(X) - y|^2 + lambda |X|_*, by accelerated proximal gradient with continuation lambda <- max(0.7 lambda, last).

    lambda starts at |A*y|_2 and is lowered every `hold` steps; the last is `level` sigma sqrt(n/m) where the noise sigma is
    known, `smallest` s^_1 otherwise. The step is 1/L with L by power iterations; the momentum restarts whenever the
    objective's gradient opposes the last move. Two passes a step; the estimate is dense.

    Source: Toh and Yun, An accelerated proximal gradient algorithm for nuclear norm regularized linear least squares
    problems, Pac. J. Optim. 2010 (continuation with 0.7); restart of O'Donoghue and Candes 2015.
    key: toh2010
    """

    level: Penalty = 2.0
    smallest: Penalty = 1e-6
    hold: Count = 10
    search_space: ClassVar[SearchSpace] = {"level": (2.0, 1.0, 0.5, 4.0), "hold": (10, 5, 20)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate a problem, all members together."""
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
    """A little more than the largest eigenvalue of A*A [seed, 1, 1], by power iterations from A*y."""
    x = measurements.adjoint(measurements.y)
    size = torch.ones(len(x), 1, 1, dtype=x.dtype, device=x.device)
    for _ in range(steps):
        x = measurements.adjoint(measurements.forward(x / x.norm(dim=(1, 2), keepdim=True)))
        size = x.norm(dim=(1, 2), keepdim=True)
    return 1.05 * size
