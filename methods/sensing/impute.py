"""Soft-impute by alternating ridge regressions: nuclear norm regularization in factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dynamark.methods.fields import Count, Penalty, Range, SearchSpace
from dynamark.methods.sensing.base import Measurements
from dynamark.methods.sensing.gauss_newton import balanced
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import measure
from dynamark.methods.sensing.nuclear import largest_eigenvalue
from dynamark.methods.sensing.sampled import SampledMeasurements, SparseMeasurements
from dynamark.methods.sensing.scaled import inverse_gram
from dynamark.methods.sensing.start import fitted_rank, scale, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["SoftImpute"]


@dataclass(frozen=True)
class SoftImpute:
    """G <- X^T F (F^T F + lambda/L)^{-1}, then F <- X G (G^T G + lambda/L)^{-1}, X = F G^T - Z/L recomputed before each.

    Minimizes 1/2 |A(F G^T) - y|^2 + lambda/2 (|F|^2 + |G|^2) by majorization: L is the largest eigenvalue of A*A. For sampled
    entries, X is F G^T with the observed entries replaced by their measurements (imputation). After each half step the factors
    are balanced by the singular value decomposition of their product. With enough columns, the minimizer is that of the penalty
    lambda |F G^T|_*.

    lambda starts at s^_1 and is multiplied by `shrink` in every step, down to `level` sigma sqrt(n/m) if the noise level sigma is
    known, else down to `smallest` s^_1. Spectral initialization; four passes per step.

    Source: Hastie, Mazumder, Lee and Zadeh, Matrix completion and low-rank SVD via fast alternating least squares, JMLR 2015,
    algorithm 3.1 (softImpute-ALS; there L p = 1 in our scaling, and lambda runs through a grid with warm starts).
    key: hastie2015
    """

    level: Penalty = 2.0
    smallest: Penalty = 1e-12
    shrink: Annotated[float, Range(above=0, below=1)] = 0.7
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {"level": (2.0, 1.0, 0.5, 4.0), "shrink": (0.7, 0.5, 0.9)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        proxy = measurements.proxy()
        size, bound = scale(measurements, proxy), _bound(measurements)
        last = self.smallest * size
        if (noise := problems[0].noise) is not None:
            counts = torch.tensor([len(p.y) for p in problems], dtype=size.dtype, device=size.device)
            last = (self.level * noise * (max(measurements.shape) / counts).sqrt())[:, None, None]
        penalty = size.clone()

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            nonlocal penalty
            f, g = state
            residual, z = measurements.gradient(f, g)
            g = (g @ (f.mT @ f) - (z.mT @ f) / bound) @ inverse_gram(f, penalty / bound)
            f, g = balanced(f, g)
            z = measurements.gradient(f, g)[1]
            f = (f @ (g.mT @ g) - (z @ g) / bound) @ inverse_gram(g, penalty / bound)
            penalty = torch.maximum(self.shrink * penalty, last)
            return balanced(f, g), residual

        first = spectral(measurements, fitted_rank(problems[0], self.rank), False, proxy)
        return iterate(measurements, runs, first, advance, "product")


def _bound(measurements: Measurements) -> Tensor:
    """An upper bound of the largest eigenvalue of A*A [seed, 1, 1]: exact for sampled entries, else by power iteration."""
    if isinstance(measurements, SampledMeasurements):
        return measurements.mask.amax(dim=(1, 2)).square()[:, None, None]
    if isinstance(measurements, SparseMeasurements):
        scales = [operator.scale**2 for operator in measurements.operators]
        return measurements.y.new_tensor(scales)[:, None, None]
    return largest_eigenvalue(measurements)
