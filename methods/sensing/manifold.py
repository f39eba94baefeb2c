"""Methods on the manifold of fixed-rank matrices: Riemannian gradient descent and iterative hard thresholding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dynamark.methods.fields import Count, Penalty, SearchSpace
from dynamark.methods.sensing.base import Matrices, Measurements
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import measure
from dynamark.methods.sensing.positive import positive, spectral_positive
from dynamark.methods.sensing.start import fitted_rank, spectral_product
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["IterativeHardThresholding", "RiemannianDescent", "exact_step", "tangent"]

Parts = tuple[Tensor, Tensor, Tensor]

# Conjugate directions restart if the cosine between the gradient and the transported direction is this or more.
_COSINE = 0.1


def tangent(z: Matrices, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(M, U_p, V_p) with P_T Z = U M V^T + U_p V^T + U V_p^T and U^T U_p = V^T V_p = 0.

    P_T is the orthogonal projection on the tangent space at a matrix with orthonormal bases U, V [seed, n, k] of its column and
    row space.
    """
    across = z @ v
    core = u.mT @ across
    return core, across - u @ core, z.mT @ u - v @ core.mT


def exact_step(measurements: Measurements, u: Tensor, v: Tensor, parts: Parts) -> Tensor:
    """|P|^2 / |A(P)|^2 [seed, 1, 1], the exact step size along P = U M V^T + U_p V^T + U V_p^T; one pass.

    parts: (M, U_p, V_p), as returned by `tangent`. The step size is 0 if P = 0.
    """
    image = measurements.product(*_factors(u, v, parts)).square().sum(1)
    step = sum(part.square().sum((1, 2)) for part in parts) / image
    return torch.where(image > 0, step, 0.0)[:, None, None]


@dataclass(frozen=True)
class RiemannianDescent:
    """X <- P_k(X - a P), P = P_T Z, a = |P_T Z|^2/|A(P)|^2, Z = A*(A(X) - y), by a 2k x 2k singular value decomposition.

    conjugate: P = P_T Z + b P_T(P_before) with A(P) orthogonal to A(P_T P_before), a = <P_T Z, P>/|A(P)|^2, and b = 0 if the
        cosine between the gradient and P_T P_before is 0.1 or more (restart). One more pass per step.

    Spectral initialization; three passes per step. The iterates do not depend on the factorization of X; near X* the rate does
    not depend on the condition number of X*. On a symmetric problem P_k is the projection on positive semidefinite matrices of
    rank k.

    Source: Wei, Cai, Chan and Leung, Guarantees of Riemannian optimization for low rank matrix recovery, SIAM J. Matrix Anal.
    Appl. 2016, algorithms 2 and 4 (RGrad, and RCG with restarts).
    key: wei2016
    """

    rank: Count | None = None
    conjugate: bool = False
    search_space: ClassVar[SearchSpace] = {}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        rank = fitted_rank(problems[0], self.rank)
        last: tuple[Tensor, Tensor] | None = None  # the previous direction, as a product of factors

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            nonlocal last
            f, v = state
            u, s = (v, v.mT @ f) if measurements.symmetric else torch.linalg.qr(f)
            residual, z = measurements.gradient(f, v)
            parts = tangent(z, u, v)
            if self.conjugate:
                parts, step = _conjugate(measurements, u, v, parts, last)
                last = _factors(u, v, parts)
            else:
                step = exact_step(measurements, u, v, parts)
            retract = _retracted_positive if measurements.symmetric else _retracted
            return retract(u, s, v, parts, step, rank), residual

        return iterate(measurements, runs, _orthonormal(measurements, rank), advance, "product")


def _factors(u: Tensor, v: Tensor, parts: Parts) -> tuple[Tensor, Tensor]:
    """(L, R), each with 2 k columns, such that L R^T = U M V^T + U_p V^T + U V_p^T."""
    core, left, right = parts
    return torch.cat([u @ core + left, u], dim=2), torch.cat([v, right], dim=2)


def _inner(one: Parts, other: Parts) -> Tensor:
    """<P, Q> [seed, 1, 1] of two tangent vectors at the same point, whose three parts are mutually orthogonal."""
    return torch.stack([(a * b).sum((1, 2)) for a, b in zip(one, other, strict=True)]).sum(0)[:, None, None]


def _conjugate(
    measurements: Measurements, u: Tensor, v: Tensor, gradient: Parts, last: tuple[Tensor, Tensor] | None
) -> tuple[Parts, Tensor]:
    """The conjugate direction and its exact step size; `last` is the previous direction as a product of factors."""
    image = measurements.product(*_factors(u, v, gradient))
    if last is None:
        direction = gradient
    else:
        left, right = last
        across = left @ (right.mT @ v)
        core = u.mT @ across
        transported = core, across - u @ core, right @ (left.mT @ u) - v @ core.mT
        other = measurements.product(*_factors(u, v, transported))
        size = other.square().sum(1)[:, None, None]
        cosine = (
            _inner(gradient, transported).abs() / (_inner(gradient, gradient) * _inner(transported, transported)).sqrt()
        )
        weight = torch.where((size > 0) & (cosine < _COSINE), -(image * other).sum(1)[:, None, None] / size, 0.0)
        image = image + weight[..., 0] * other
        core, left, right = (a + weight * b for a, b in zip(gradient, transported, strict=True))
        direction = core, left, right
    size = image.square().sum(1)[:, None, None]
    return direction, torch.where(size > 0, _inner(gradient, direction) / size, 0.0)


def _retracted(u: Tensor, s: Tensor, v: Tensor, parts: Parts, step: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(F, V) with F V^T = P_k(U S V^T - step P), V orthonormal, by the SVD of a 2 k x 2 k matrix in the joint bases."""
    core, left, right = parts
    # One decomposition of both blocks: where `left` is deficient in rank, its own basis need not be orthogonal to U.
    q_left, q_right = torch.linalg.qr(torch.cat([u, left], dim=2))[0], torch.linalg.qr(torch.cat([v, right], dim=2))[0]
    a, b = q_left.mT @ u, q_right.mT @ v
    matrix = a @ (s - step * core) @ b.mT - step * (q_left.mT @ left @ b.mT + a @ (q_right.mT @ right).mT)
    x, sigma, yt = torch.linalg.svd(matrix)
    return q_left @ x[..., :rank] * sigma[:, None, :rank], (q_right @ yt.mT[..., :rank]).contiguous()


def _retracted_positive(
    v: Tensor, s: Tensor, _: Tensor, parts: Parts, step: Tensor, rank: int
) -> tuple[Tensor, Tensor]:
    """(F, V) with F V^T the projection of V S V^T - step P on positive semidefinite matrices, by a 2 k x 2 k eigenproblem."""
    core, left, right = parts
    across = (left + right) / 2
    # One decomposition of both blocks: where `across` is deficient in rank, its own basis need not be orthogonal to V.
    basis = torch.linalg.qr(torch.cat([v, across], dim=2))[0]
    a, b = basis.mT @ v, step * (basis.mT @ across)
    matrix = a @ (s - step * core) @ a.mT - b @ a.mT - a @ b.mT
    # A diverged state has no decomposition.
    f, w = positive(torch.where(torch.isfinite(matrix), matrix, 0.0), rank)
    return basis @ f, basis @ w


@dataclass(frozen=True)
class IterativeHardThresholding:
    """X <- P_k(X - mu Z), Z = A*(A(X) - y); mu = |P_T Z|^2/|A(P_T Z)|^2 (NIHT), or a constant (singular value projection).

    step: the constant mu; 0 means the normalized step size. mu = 1 diverges if the largest eigenvalue of A*A is large; 0.7 works.
    Spectral initialization; three passes per step, two with constant mu. Each step has an SVD of the full matrix. On a symmetric
    problem P_k is the projection on positive semidefinite matrices of rank k.

    Source: Tanner and Wei, Normalized iterative hard thresholding for matrix completion, SIAM J. Sci. Comput. 2013 (there mu
    uses the projection of Z on the column space; here on the tangent space); Jain, Meka and Dhillon, Guaranteed rank
    minimization via singular value projection, NeurIPS 2010.
    key: tanner2013
    """

    step: Penalty = 0.0
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        rank = fitted_rank(problems[0], self.rank)

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            f, v = state
            residual, z = measurements.normal(f @ v.mT)
            if self.step:
                matrix = f @ v.mT - self.step * z
            else:
                u = v if measurements.symmetric else torch.linalg.qr(f)[0]
                matrix = f @ v.mT - exact_step(measurements, u, v, tangent(z, u, v)) * z
            # Non-finite entries are set to zero: the decomposition of a diverged state would fail.
            finite = torch.where(torch.isfinite(matrix), matrix, 0.0)
            if measurements.symmetric:
                return positive(finite, rank), residual
            a, sigma, bt = torch.linalg.svd(finite, full_matrices=False)
            f = (a[..., :rank] * sigma[:, None, :rank]).contiguous()
            return (f, bt.mT[..., :rank].contiguous()), residual

        return iterate(measurements, runs, _orthonormal(measurements, rank), advance, "product")


def _orthonormal(measurements: Measurements, rank: int) -> State:
    """The spectral initialization as (U S, V), V orthonormal."""
    if measurements.symmetric:
        x = spectral_positive(measurements, rank)
        return positive(x @ x.mT, rank)
    f, g = spectral_product(measurements.proxy(), measurements.shape, rank)
    root = g.norm(dim=1, keepdim=True)
    return f * root, g / root
