"""Alternating minimization: with one factor fixed, the other is a linear least-squares problem."""

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
from dynamark.methods.sensing.measurements import DenseMeasurements, measure
from dynamark.methods.sensing.sampled import SampledMeasurements, SparseMeasurements
from dynamark.methods.sensing.start import fitted_rank, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["AlternatingMinimization", "left_factor"]

# Ridge, relative to the mean diagonal, in the systems of rows with fewer samples than unknowns.
_TINY = 1e-12


@dataclass(frozen=True)
class AlternatingMinimization:
    """F <- argmin |A(F Q^T) - y|, G = QR; then G <- argmin |A(Q G^T) - y|, F = QR; each half step solved exactly.

    Spectral initialization. Dense operators: one m x (n k) least-squares problem, solved with its Gram matrix (well
    conditioned, since Q is orthonormal) or, if m < n k, the minimum-norm solution by singular value decomposition. Sampled
    entries: one k x k system per row, all assembled by one product of the mask (sparse if few entries are observed) with the
    products q_a q_b of columns of Q. A half step costs k passes; the residual costs one more.

    Not for symmetric problems (UserError): a symmetric operator does not determine the skew-symmetric part of F G^T, so exact
    alternation turns an error E of the column space into -E (for the identity operator F = 2 X* Q - Q Q^T X* Q) instead of
    reducing it.

    Source: Jain, Netrapalli and Sanghavi, Low-rank matrix completion using alternating minimization, STOC 2013.
    key: jain2013
    """

    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        if problems[0].symmetric:
            raise UserError(
                "AlternatingMinimization: a symmetric operator does not determine the skew-symmetric part of F G^T; "
                "use scaled_gd"
            )
        measurements = measure(problems)
        rank = fitted_rank(problems[0], self.rank)
        first = spectral(measurements, rank, symmetric=False)

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            f, g = state
            residual = measurements.product(f, g) - measurements.y
            f = left_factor(measurements, torch.linalg.qr(g)[0], transposed=False)
            f = torch.linalg.qr(f)[0]
            return (f, left_factor(measurements, f, transposed=True)), residual

        return iterate(measurements, runs, first, advance, "product")


def left_factor(measurements: Measurements, fixed: Tensor, transposed: bool) -> Tensor:
    """argmin_F |A(F Q^T) - y| [seed, row, k], Q = `fixed` [seed, column, k]; if `transposed`, argmin_G |A(Q G^T) - y|."""
    if isinstance(measurements, SampledMeasurements | SparseMeasurements):
        return _sampled(measurements, fixed, transposed)
    if not isinstance(measurements, DenseMeasurements):
        raise UserError("AlternatingMinimization needs a DenseOperator or SampledOperator; use altmin_inexact")
    return _dense(measurements, fixed, transposed)


def _dense(measurements: DenseMeasurements, fixed: Tensor, transposed: bool) -> Tensor:
    """One least-squares problem for all entries of the factor, for each seed."""
    count, (rows, columns) = len(measurements.y[0]), measurements.shape
    factor = torch.empty(len(fixed), columns if transposed else rows, fixed.shape[-1]).to(fixed)
    for operator, members in measurements.groups:
        matrices = operator.rows.view(count, rows, columns)
        if transposed:
            matrices = matrices.mT
        for i in members:
            design = (matrices @ fixed[i]).flatten(1)
            target = measurements.y[i][:, None]
            factor[i] = _least_squares(design, target).view(factor.shape[1:])
    measurements.passes += fixed.shape[-1]
    return factor


def _least_squares(design: Tensor, target: Tensor) -> Tensor:
    """argmin |design x - target| by Cholesky; by SVD with minimum norm if the Gram matrix is singular to rounding."""
    factor, failed = torch.linalg.cholesky_ex(design.T @ design)
    if design.shape[1] > len(design) or failed:
        return torch.linalg.lstsq(design, target, driver="gelsd").solution
    return torch.cholesky_solve(design.T @ target, factor)


def _sampled(measurements: SampledMeasurements | SparseMeasurements, fixed: Tensor, transposed: bool) -> Tensor:
    """One k x k system per row, with the Gram matrix sum_j q_j q_j^T over its observed entries j."""
    mask, values = measurements.entries()
    if transposed:
        mask, values = mask.mT, values.mT
    k = fixed.shape[-1]
    outer = (fixed[..., :, None] * fixed[..., None, :]).flatten(2)
    grams = (mask @ outer).view(*fixed.shape[:1], -1, k, k)
    level = grams.diagonal(dim1=-2, dim2=-1).mean(dim=(1, 2))[:, None]
    few = (mask @ torch.ones_like(fixed[..., :1]))[..., 0] < k - 0.5
    grams.diagonal(dim1=-2, dim2=-1).add_((_TINY * level * few)[..., None])
    right = values @ fixed
    measurements.passes += k
    return torch.cholesky_solve(right[..., None], torch.linalg.cholesky_ex(grams)[0])[..., 0]
