"""Preconditioned gradient descent on factors: for exact rank, and damped for a surplus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import Measurements, SampledMeasurements, measure
from dynamark.methods.sensing.start import fitted_rank, gaussian, scale, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

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
    x = state[0] @ state[-1].mT
    residual, z = measurements.normal(x)
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

    step: eta for dense operators, `sampled_step` for sampled entries, where 0.5 can diverge.

    Source: Tong, Ma and Chi, Accelerating ill-conditioned low-rank matrix estimation via scaled gradient descent, JMLR 2021
    (eta = 0.5 of the experiments).
    key: tong2021
    """

    step: float = 0.5
    sampled_step: float = 0.3
    rank: int | None = None

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate a problem, all members together."""
        measurements = measure(problems)
        step = self.sampled_step if isinstance(measurements, SampledMeasurements) else self.step
        symmetric = problems[0].symmetric
        first = spectral(measurements, fitted_rank(problems[0], self.rank), symmetric)
        return iterate(
            measurements,
            runs,
            first,
            lambda state, _: preconditioned(measurements, state, step, 0.0),
            "symmetric" if symmetric else "product",
        )


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

    step: float = 0.25
    product_step: float = 0.4
    damping: Literal["residual", "constant"] = "residual"
    level: float = 0.01
    start: Literal["spectral", "random"] = "spectral"
    start_scale: float = 1e-3
    rank: int | None = None

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
