"""Gauss-Newton methods on factors: approximate steps in one factor at a time, and steps of the full linearization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Positive, Range, SearchSpace
from dynamark.methods.sensing.base import Measurements
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import DenseMeasurements, measure
from dynamark.methods.sensing.positive import spectral_positive
from dynamark.methods.sensing.start import fitted_rank, gaussian, scale, spectral
from dynamark.tasks.numerics.operators import unvectorize
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["ApproximateGaussNewton", "GaussNewtonRecovery", "balanced", "linearized", "solved"]


@dataclass(frozen=True)
class ApproximateGaussNewton:
    """F <- F - eta Z G (G^T G)^+, then, with Z recomputed, G <- G - eta Z^T F (F^T F)^+; Z = A*(A(F G^T) - y).

    Converges linearly from small random initialization, also with over-specified rank, at a rate independent of the condition
    number. Four passes per step. The pseudo-inverses treat singular values below `cutoff` times the largest as zero. Not for
    symmetric problems (UserError): a symmetric operator does not determine the skew-symmetric part of F G^T, and the iteration
    stalls.

    Source: Jia, Feng, Meng and Sun, Globally Q-linear Gauss-Newton method for overparameterized non-convex matrix sensing,
    NeurIPS 2024 (eta = 1; initial entries 1e-2 N(0, 1/n), here multiplied by sqrt(s^_1)).
    key: jia2024
    """

    step: Positive = 1.0
    start_scale: Positive = 1e-2
    cutoff: Annotated[float, Range(low=0, below=1)] = 1e-8
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {"step": (1.0, 0.75, 0.5), "start_scale": (1e-2, 1e-1, 1e-3)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        if problems[0].symmetric:
            raise UserError(
                "ApproximateGaussNewton: a symmetric operator does not determine the skew-symmetric part of F G^T; "
                "use prec_gd"
            )
        measurements = measure(problems)
        rank, size = fitted_rank(problems[0], self.rank), scale(measurements)

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            f, g = state
            residual, z = measurements.gradient(f, g)
            f = f - self.step * (z @ _pseudo_inverse(g, self.cutoff).mT)
            z = measurements.gradient(f, g)[1]
            return (f, g - self.step * (z.mT @ _pseudo_inverse(f, self.cutoff).mT)), residual

        first = tuple(self.start_scale * size.sqrt() * gaussian(runs, n, rank, size) for n in measurements.shape)
        return iterate(measurements, runs, first, advance, "product")


def _pseudo_inverse(factor: Tensor, cutoff: float) -> Tensor:
    """F^+, with non-finite entries set to zero first, because the decomposition of a diverged factor would fail."""
    return torch.linalg.pinv(torch.where(torch.isfinite(factor), factor, 0.0), rtol=cutoff)


@dataclass(frozen=True)
class GaussNewtonRecovery:
    """GNMR: (dF, dG) = min-norm argmin |A(F dG^T + dF G^T) - (y - A(F G^T))|; F <- F + dF, G <- G + dG, then balanced.

    The `updating` variant of the paper, which converges quadratically, also with few measurements. The linear least-squares
    problem is rank-deficient (gauge directions). Dense operators: its minimum-norm solution by singular value decomposition (2 k
    passes to assemble it). Other operators: conjugate gradients on the normal equations from zero, which converge to the
    minimum-norm solution too, with at most `inner` iterations of two passes each, until the norm of the gradient has decreased
    by the factor `tolerance`. After each step the factors are balanced by the singular value decomposition of F G^T. Spectral
    initialization. On a symmetric problem F = G: the minimum-norm solution then has dF = dG. Dense operators ignore `inner`.

    Source: Zilber and Nadler, GNMR: a provable one-line algorithm for low rank matrix recovery, SIAM J. Math. Data Sci. 2022
    (which uses LSQR, with the same solution in exact arithmetic).
    key: zilber2022
    """

    inner: Count = 500
    tolerance: Annotated[float, Range(above=0, below=1)] = 1e-12
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {"inner": (500, 100, 50, 20)}

    def fit_estimate(self, problem: Recovery, run: Run) -> Estimate:
        """One estimate. Seeds are not batched, because they need different numbers of inner iterations."""
        measurements = measure([problem])
        rank = fitted_rank(problem, self.rank)
        first = (
            2 * (spectral_positive(measurements, rank),)
            if measurements.symmetric
            else spectral(measurements, rank, symmetric=False)
        )

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            f, g = state
            residual = measurements.product(f, g) - measurements.y
            if isinstance(measurements, DenseMeasurements):
                df, dg = solved(measurements, f, g, -residual)
            else:
                affordable = self.inner if run.budget is None else max((run.budget - measurements.passes) // 2 - 1, 1)
                df, dg = linearized(measurements, f, g, -residual, min(self.inner, affordable), self.tolerance)
            if measurements.symmetric:
                return 2 * (f + (df + dg) / 2,), residual
            return balanced(f + df, g + dg), residual

        return iterate(measurements, [run], first, advance, "product")[0]


def solved(measurements: DenseMeasurements, f: Tensor, g: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """(dF, dG): the minimum-norm argmin |A(F dG^T + dF G^T) - target| for dense operators; 2 k passes."""
    rows, columns = measurements.shape
    parts: dict[int, Tensor] = {}
    for operator, members in measurements.groups:
        wide = unvectorize(operator.rows, rows) if measurements.symmetric else operator.rows.view(-1, rows, columns)
        for i in members:
            design = torch.cat([(wide @ g[i]).flatten(1), (wide.mT @ f[i]).flatten(1)], dim=1)
            finite = torch.where(torch.isfinite(design), design, 0.0)  # a diverged state has no decomposition
            parts[i] = torch.linalg.lstsq(finite, target[i][:, None], driver="gelsd").solution
    measurements.passes += 2 * f.shape[-1]
    both = torch.stack([parts[i] for i in range(len(f))]).view(len(f), rows + columns, -1)
    return both[:, :rows], both[:, rows:]


def linearized(
    measurements: Measurements, f: Tensor, g: Tensor, target: Tensor, inner: int, tolerance: float
) -> tuple[Tensor, Tensor]:
    """(dF, dG): the minimum-norm argmin |A(F dG^T + dF G^T) - target|, by conjugate gradients (CGLS) for each seed separately.

    At most `inner` iterations; a seed stops when the norm of its gradient has decreased by the factor `tolerance`.
    """
    rows = f.shape[1]

    def down(values: Tensor) -> Tensor:
        z = measurements.back(values)
        return torch.cat([z @ g, z.mT @ f], dim=1)

    x = torch.zeros(len(f), rows + g.shape[1], f.shape[2], dtype=f.dtype, device=f.device)
    residual = target.clone()
    gradient = down(residual)
    direction, power = gradient, gradient.square().sum((1, 2))
    # A gradient at the level of its rounding errors has no information: with noise, where the residual stays, CG would diverge.
    rounding = 1e-14 * target.norm(dim=1) * (f.square().sum((1, 2)) + g.square().sum((1, 2))).sqrt()
    enough = torch.maximum(power * tolerance**2, rounding.square())
    for _ in range(inner):
        active = power > enough
        if not bool(active.any()):
            break
        image = measurements.product(torch.cat([f, direction[:, :rows]], 2), torch.cat([direction[:, rows:], g], 2))
        length = torch.where(active, power / image.square().sum(1), 0.0)
        x = x + length[:, None, None] * direction
        residual = residual - length[:, None] * image
        gradient = down(residual)
        following = gradient.square().sum((1, 2))
        direction = torch.where(
            active[:, None, None], gradient + (following / power)[:, None, None] * direction, direction
        )
        power = torch.where(active, following, power)
    return x[:, :rows], x[:, rows:]


def balanced(f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """(F', G') with F' G'^T = F G^T and F'^T F' = G'^T G' diagonal, by the singular value decomposition of F G^T."""
    left, a = torch.linalg.qr(f)
    right, b = torch.linalg.qr(g)
    u, s, vt = torch.linalg.svd(a @ b.mT)
    root = s[:, None, :].sqrt()
    return left @ u * root, right @ vt.mT * root
