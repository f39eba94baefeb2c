"""Preconditioned gradient descent on factors: for exact rank, and damped for a surplus."""

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

# A step that was halved grows again by this factor with every step that lowers the residual.
_GROWTH = 1.1

__all__ = ["PreconditionedDescent", "ScaledGradientDescent", "inverse_gram", "preconditioned"]


def inverse_gram(factor: Tensor, damping: Tensor | float = 0.0) -> Tensor:
    """(G^T G + damping I)^{-1} [seed, k, k]; infinite or NaN where it is singular, never an error."""
    gram = factor.mT @ factor
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return torch.linalg.inv_ex(gram + damping * eye)[0]


def preconditioned(
    measurements: Measurements, state: State, step: float, damping: Tensor | float | None
) -> tuple[State, Tensor]:
    """One preconditioned step of (X,) or (F, G) and the residual before it; damping None is |A(X^) - y|."""
    residual, z = measurements.gradient(state[0], state[-1])
    shift = residual.norm(dim=1)[:, None, None] if damping is None else damping
    if len(state) == 1:
        return (state[0] - step * (z @ state[0]) @ inverse_gram(state[0], shift),), residual
    f, g = state
    return (f - step * (z @ g) @ inverse_gram(g, shift), g - step * (z.mT @ f) @ inverse_gram(f, shift)), residual


@dataclass(frozen=True)
class ScaledGradientDescent:
    """F <- F - eta Z G (G^T G)^{-1}, G <- G - eta Z^T F (F^T F)^{-1} together; symmetric X <- X - eta Z X (X^T X)^{-1}.

    From the spectral start; Z = A*(A(X^) - y). The number of steps does not depend on the condition of X*. Exact rank only:
    with a surplus the Gram matrices become singular. Two passes a step.

    step: eta. For sampled entries it is where eta starts: a step after which the residual has risen is taken back and eta halved.

    Source: Tong, Ma and Chi, Accelerating ill-conditioned low-rank matrix estimation via scaled gradient descent, JMLR 2021
    (eta = 0.5 of the experiments; their analysis of completion projects on incoherent factors instead of halving).
    key: tong2021
    """

    step: Positive = 0.5
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {"step": (0.5, 0.25, 0.7, 0.9)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate a problem, all members together."""
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
    """Scaled steps of (F, G), each member with an eta of its own, halved when its residual has risen and slowly restored."""

    def __init__(self, measurements: Measurements, first: State, step: float) -> None:
        self.measurements = measurements
        self.most, self.step = step, torch.full_like(first[0][:, :1, :1], step)
        self.kept: tuple[Tensor, ...] = (*first, *first, torch.full_like(measurements.y, torch.inf))

    def __call__(self, state: State, _: int) -> tuple[State, Tensor]:
        """The next state, and the residual of the last that was good."""
        f, g = state
        residual, z = self.measurements.gradient(f, g)
        found = (f, g, (z @ g) @ inverse_gram(g), (z.mT @ f) @ inverse_gram(f), residual)
        fell = residual.norm(dim=1) <= self.kept[-1].norm(dim=1)  # not so where it is NaN
        self.step = torch.where(fell[:, None, None], (_GROWTH * self.step).clamp(max=self.most), self.step / 2)
        self.kept = tuple(
            torch.where(fell.view(-1, *[1] * (new.dim() - 1)), new, old)
            for new, old in zip(found, self.kept, strict=True)
        )
        f, g, down, across, residual = self.kept
        return (f - self.step * down, g - self.step * across), residual


@dataclass(frozen=True)
class PreconditionedDescent:
    """X <- X - eta Z X (X^T X + lambda_t I)^{-1}; for two factors as `ScaledGradientDescent` with the same damping.

    damping: `residual` takes lambda_t = |A(X^) - y| (PrecGD), which restores a linear rate free of the condition when the rank
        is a surplus; `constant` takes lambda = `level` s^_1 (ScaledGD(lambda)), which slows down below about lambda.
    step: eta of a symmetric problem, `product_step` of two factors.
    start: `spectral`, or `random` with entries start_scale sqrt(s^_1) N(0, 1/n).

    Two passes a step. Source: Zhang, Fattahi and Zhang, Preconditioned gradient descent for over-parameterized nonconvex matrix
    factorization, NeurIPS 2021; Xu, Shen, Chi and Ma, The power of preconditioning in overparameterized low-rank matrix
    sensing, ICML 2023 (there lambda is of the order of s_r, which a method is not told: s^_1 stands for it).
    key: zhang2021
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
        """One estimate a problem, all members together."""
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
