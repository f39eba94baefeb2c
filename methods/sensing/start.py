"""Where the iterations start: the rank to fit, the scale of the problem, random and spectral factors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.sensing.measurements import Measurements
from dynamark.tasks.problems import Recovery, Run

__all__ = ["fitted_rank", "gaussian", "scale", "spectral", "spectral_product", "spectral_symmetric"]


def fitted_rank(problem: Recovery, rank: int | None) -> int:
    """The method's own rank if it has one, else the hint of the problem, else the smaller side."""
    smaller = min(problem.operator.shape)
    return min(rank or problem.rank or smaller, smaller)


def scale(
    measurements: Measurements, proxy: Float[Tensor, "seed row column"] | None = None
) -> Float[Tensor, "seed 1 1"]:
    """s^_1 = |A*y|_2, the estimate of the largest singular value of the truth."""
    return torch.linalg.matrix_norm(measurements.proxy() if proxy is None else proxy, 2)[:, None, None]


def gaussian(runs: Sequence[Run], rows: int, rank: int, like: Tensor) -> Float[Tensor, "seed rows rank"]:
    """Entries N(0, 1/rows), each member's from its own generator."""
    drawn = [torch.randn(rows, rank, generator=run.generator, dtype=like.dtype) for run in runs]
    return (torch.stack(drawn) / rows**0.5).to(like.device)


def spectral_symmetric(proxy: Float[Tensor, "seed n n"], rank: int) -> Float[Tensor, "seed n rank"]:
    """X with X X^T the best positive semidefinite approximation of this rank."""
    values, vectors = torch.linalg.eigh((proxy + proxy.mT) / 2)
    return vectors[..., -rank:].flip(-1) * values[:, None, -rank:].flip(-1).clamp(min=0).sqrt()


def spectral_product(proxy: Float[Tensor, "seed row column"], rank: int) -> tuple[Tensor, Tensor]:
    """(F, G) with F G^T the best approximation of this rank, balanced: F^T F = G^T G."""
    u, s, vt = torch.linalg.svd(proxy, full_matrices=False)
    root = s[:, None, :rank].sqrt()
    return u[..., :rank] * root, vt.mT[..., :rank] * root


def spectral(measurements: Measurements, rank: int, symmetric: bool) -> tuple[Tensor, ...]:
    """Factors of the best approximation of A*y: (X,) or (F, G)."""
    proxy = measurements.proxy()
    return (spectral_symmetric(proxy, rank),) if symmetric else spectral_product(proxy, rank)
