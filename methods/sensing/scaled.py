"""Preconditioned gradient descent on factors: for exact rank, and with damping for over-specified rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from dynamark.methods.fields import Count, Penalty, Positive, SearchSpace
from dynamark.methods.sensing.base import Measurements
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import measure
from dynamark.methods.sensing.sampled import SampledMeasurements, SparseMeasurements
from dynamark.methods.sensing.start import fitted_rank, gaussian, scale, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

# After halving, eta grows by this factor with every step that decreases the residual.
_GROWTH = 1.1

__all__ = ["PreconditionedDescent", "ScaledGradientDescent", "inverse_gram", "preconditioned"]


def inverse_gram(factor: Tensor, damping: Tensor | float = 0.0) -> Tensor:
    """(G^T G + damping I)^{-1} [seed, k, k]; infinite or NaN if singular, never an exception."""
    gram = factor.mT @ factor
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return torch.linalg.inv_ex(gram + damping * eye)[0]


def preconditioned(
    measurements: Measurements, state: State, step: float, damping: Tensor | float | None
) -> tuple[State, Tensor]:
    """One preconditioned step of (X,) or (F, G), and the residual before the step; damping None means |A(X^) - y|."""
    residual, z = measurements.gradient(state[0], state[-1])
    shift = residual.norm(dim=1)[:, None, None] if damping is None else damping
    if len(state) == 1:
        return (state[0] - step * (z @ state[0]) @ inverse_gram(state[0], shift),), residual
    f, g = state
    return (f - step * (z @ g) @ inverse_gram(g, shift), g - step * (z.mT @ f) @ inverse_gram(f, shift)), residual


@dataclass(frozen=True)
class ScaledGradientDescent:
    """F <- F - eta Z G (G^T G)^{-1}, G <- G - eta Z^T F (F^T F)^{-1} at once; symmetric X <- X - eta Z X (X^T X)^{-1}.

    Spectral initialization; Z = A*(A(X^) - y). The number of steps is independent of the condition number of X*. Exact rank
    only: with over-specified rank the Gram matrices become singular. Two passes per step.

    step: eta. For sampled entries, its initial and largest value: a step that increases the residual is undone and eta halved.

    Source: Tong, Ma and Chi, Accelerating ill-conditioned low-rank matrix estimation via scaled gradient descent, JMLR 2021
    (eta = 0.5 of their experiments; for completion they project on incoherent factors instead of halving eta).
    key: tong2021
    """

    step: Positive = 0.5
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {"step": (0.5, 0.25, 0.7, 0.9)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        sampled = isinstance(measurements, SampledMeasurements | SparseMeasurements)
        symmetric = problems[0].symmetric
        first = spectral(measurements, fitted_rank(problems[0], self.rank), symmetric)
        return iterate(
            measurements,
            runs,
            first,
            _Backtracking(measurements, first, self.step)
            if sampled
            else lambda state, _: preconditioned(measurements, state, self.step, 0.0),
            "symmetric" if symmetric else "product",
        )


class _Backtracking:
    """Scaled steps of (F, G) with one eta per seed, halved when the residual of the seed increases and slowly restored."""

    def __init__(self, measurements: Measurements, first: State, step: float) -> None:
        self.measurements = measurements
        self.largest, self.step = step, torch.full_like(first[0][:, :1, :1], step)
        # F, G, their scaled gradients, and the residual, at the last accepted state.
        self.accepted: tuple[Tensor, ...] = (*first, *first, torch.full_like(measurements.y, torch.inf))

    def __call__(self, state: State, _: int) -> tuple[State, Tensor]:
        """The next state, and the residual of the last accepted state."""
        f, g = state
        residual, z = self.measurements.gradient(f, g)
        candidate = (f, g, (z @ g) @ inverse_gram(g), (z.mT @ f) @ inverse_gram(f), residual)
        decreased = residual.norm(dim=1) <= self.accepted[-1].norm(dim=1)  # False if the residual is NaN
        self.step = torch.where(decreased[:, None, None], (_GROWTH * self.step).clamp(max=self.largest), self.step / 2)
        self.accepted = tuple(
            torch.where(decreased.view(-1, *[1] * (new.dim() - 1)), new, old)
            for new, old in zip(candidate, self.accepted, strict=True)
        )
        f, g, down, across, residual = self.accepted
        return (f - self.step * down, g - self.step * across), residual


@dataclass(frozen=True)
class PreconditionedDescent:
    """X <- X - eta Z X (X^T X + lambda_t I)^{-1}; two factors: as `ScaledGradientDescent`, Gram matrices + lambda_t I.

    damping: `residual`: lambda_t = |A(X^) - y| (PrecGD), which restores linear convergence at a rate independent of the condition
        number with over-specified rank; `constant`: lambda = `level` s^_1 (ScaledGD(lambda)), which slows down once the error is
        below about lambda.
    step: eta for symmetric problems; `product_step`: eta for two factors.
    start: `spectral`, or `random` with entries start_scale sqrt(s^_1) N(0, 1/n).

    Two passes per step. Source: Zhang, Fattahi and Zhang, Preconditioned gradient descent for over-parameterized nonconvex matrix
    factorization, NeurIPS 2021; Xu, Shen, Chi and Ma, The power of preconditioning in overparameterized low-rank matrix
    sensing, ICML 2023 (there lambda is of the order of s_r, which is unknown here and replaced by s^_1).
    key: zhang2021, xu2023
    """

    step: Positive = 0.25
    product_step: Positive = 0.4
    damping: Literal["residual", "constant"] = "residual"
    level: Penalty = 0.01
    start: Literal["spectral", "random"] = "spectral"
    start_scale: Positive = 1e-3
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {
        "step": (0.25, 0.1, 0.4),
        "product_step": (0.4, 0.2, 0.6),
        "level": (0.01, 1e-3, 1e-4, 0.1),
    }

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        rank, symmetric = fitted_rank(problems[0], self.rank), problems[0].symmetric
        size = scale(measurements)
        damping = None if self.damping == "residual" else self.level * size
        if self.start == "spectral":
            first = spectral(measurements, rank, symmetric)
        else:
            sides = measurements.shape[:1] if symmetric else measurements.shape
            first = tuple(self.start_scale * size.sqrt() * gaussian(runs, side, rank, size) for side in sides)
        step = self.step if symmetric else self.product_step
        return iterate(
            measurements,
            runs,
            first,
            lambda state, _: preconditioned(measurements, state, step, damping),
            "symmetric" if symmetric else "product",
        )
