"""Gradient descent on factors, for exact and over-specified rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Penalty, Positive, SearchSpace
from dynamark.methods.sensing.base import Matrices, Measurements
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import measure
from dynamark.methods.sensing.start import fitted_rank, gaussian, scale, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["GradientDescent", "rebalanced"]


@dataclass(frozen=True)
class GradientDescent:
    """X <- X - eta Z X, or simultaneously F <- F - eta Z G and G <- G - eta Z^T F, with Z = A*(A(X^) - y).

    Gradient descent on f(X) = 1/4 |A(X X^T) - y|^2 if the problem is symmetric, and on f(F, G) = 1/2 |A(F G^T) - y|^2
    otherwise, without a balancing term. Two passes per step.

    step: eta, divided by s^_1 = |A*y|_2 unless `absolute`.
    start: `random`: the entries of X_0 and F_0 are start_scale N(0, 1/n), those of G_0 are `imbalance` times as large (all are
        multiplied by sqrt(s^_1) unless `absolute`); `spectral`: the best rank-k approximation of A*y.
    factors: `as_posed`: one factor if the problem is symmetric, else two; `two`: two factors even if the problem is symmetric;
        `equal`: two factors of a symmetric problem with equal initialization, which then stay equal.
    balance: if positive, the one-step modification: at the first step whose relative residual is at most `trigger`,
        F <- beta P and G <- G Q S/beta, where F = P S Q^T and beta = balance sqrt(s^_1). The product F G^T is unchanged, all
        singular values of F become beta, and the rate no longer depends on the initialization scale.

    With over-specified rank, the squared error of the symmetric form decreases like 1/t^2; the form with two factors converges
    linearly, at a rate of order start_scale^2. Source: Xiong, Ding and Du, How over-parameterization slows down gradient descent
    in matrix sensing, ICLR 2024 (step size and imbalance 1/3 of their experiments; the trigger uses the residual instead of the
    error, because the ground truth is unknown).
    key: xiong2024
    """

    step: Positive = 0.25
    start_scale: Positive = 0.5
    imbalance: Positive = 1 / 3
    rank: Count | None = None
    start: Literal["random", "spectral"] = "random"
    factors: Literal["as_posed", "two", "equal"] = "as_posed"
    balance: Penalty = 0.0
    trigger: Positive = 0.1
    absolute: bool = False
    search_space: ClassVar[SearchSpace] = {"step": (0.25, 0.1, 0.4), "start_scale": (0.5, 0.1, 0.01)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        proxy = measurements.proxy()
        size = scale(measurements, proxy)
        step = self.step / (torch.ones_like(size) if self.absolute else size)
        symmetric = problems[0].symmetric and self.factors == "as_posed"
        if symmetric and self.balance:
            raise UserError("GradientDescent: balance > 0 (the one-step modification) needs factors = 'two' or 'equal'")
        beta = self.balance * size.sqrt()
        pending = torch.full((len(problems),), self.balance > 0, device=size.device)

        def advance_symmetric(state: State, _: int) -> tuple[State, Tensor]:
            (x,) = state
            residual, z = measurements.gradient(x, x)
            return (x - step * (z @ x),), residual

        def advance_product(state: State, _: int) -> tuple[State, Tensor]:
            nonlocal pending
            f, g = state
            residual, z = measurements.gradient(f, g)
            if bool(pending.any()):
                now = pending & (measurements.relative(residual) <= self.trigger)
                if bool(now.any()):
                    flat, other = rebalanced(f, g, beta)
                    f, g = (torch.where(now[:, None, None], a, b) for a, b in ((flat, f), (other, g)))
                    pending = pending & ~now
            return (f - step * (z @ g), g - step * (z.mT @ f)), residual

        first = self._first(problems[0], runs, measurements, proxy, size, symmetric)
        return iterate(
            measurements,
            runs,
            first,
            advance_symmetric if symmetric else advance_product,
            "symmetric" if symmetric else "product",
        )

    def _first(
        self,
        problem: Recovery,
        runs: Sequence[Run],
        measurements: Measurements,
        proxy: Matrices,
        size: Tensor,
        symmetric: bool,
    ) -> State:
        """The initial factors."""
        rank = fitted_rank(problem, self.rank)
        if self.start == "spectral":
            return spectral(measurements, rank, symmetric, proxy)
        rows, columns = problem.operator.shape
        unit = self.start_scale * (1.0 if self.absolute else size.sqrt())
        left = unit * gaussian(runs, rows, rank, size)
        if symmetric:
            return (left,)
        if self.factors == "equal":
            return left, left.clone()
        return left, self.imbalance * unit * gaussian(runs, columns, rank, size)


def rebalanced(f: Tensor, g: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """(beta P, G Q S / beta) with the thin singular value decomposition F = P S Q^T; the product F G^T is unchanged."""
    p, s, qt = torch.linalg.svd(f, full_matrices=False)
    # Contiguous: the rounding of kernels depends on the memory layout, and decompositions return column-major tensors.
    return (beta * p).contiguous(), ((g @ qt.mT) * s[:, None, :] / beta).contiguous()
