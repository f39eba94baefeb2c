"""Initialization: the rank to fit, the scale of the problem, and random or spectral factors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.sensing.base import Matrices, Measurements
from dynamark.tasks.problems import Recovery, Run

__all__ = ["fitted_rank", "gaussian", "leading", "scale", "spectral", "spectral_product", "spectral_symmetric"]

# Oversampling (extra columns) and number of steps of the subspace iteration on sampled entries.
_OVERSAMPLING, _STEPS = 10, 30


def fitted_rank(problem: Recovery, rank: int | None) -> int:
    """`rank` if given, else the rank in the problem, else min(rows, columns); at most min(rows, columns)."""
    smaller = min(problem.operator.shape)
    return min(rank or problem.rank or smaller, smaller)


def scale(measurements: Measurements, proxy: Matrices | None = None) -> Float[Tensor, "seed 1 1"]:
    """s^_1 = |A*y|_2, an estimate of the largest singular value of X*."""
    proxy = measurements.proxy() if proxy is None else proxy
    if isinstance(proxy, Tensor):
        return torch.linalg.matrix_norm(proxy, 2)[:, None, None]
    return leading(proxy, measurements.shape, 1)[1][..., None]


def gaussian(runs: Sequence[Run], rows: int, rank: int, like: Tensor) -> Float[Tensor, "seed rows rank"]:
    """Independent entries N(0, 1/rows), those of each seed from the generator of its run."""
    samples = [torch.randn(rows, rank, generator=run.generator, dtype=like.dtype) for run in runs]
    return (torch.stack(samples) / rows**0.5).to(like.device)


def leading(matrix: Matrices, shape: tuple[int, int], rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `rank` leading singular vectors and values (U, s, V) of matrices [seed, row, column].

    Dense tensors: singular value decomposition. Sampled entries: subspace iteration with oversampling, started from sums of
    columns of the matrix; accurate enough for an initialization, but not to rounding.
    """
    if isinstance(matrix, Tensor):
        u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
        return u[..., :rank], s[:, :rank], vt.mT[..., :rank]
    width = min(rank + _OVERSAMPLING, *shape)
    groups = torch.eye(width, dtype=matrix.values.dtype, device=matrix.values.device)
    block = groups.repeat(-(-shape[1] // width), 1)[: shape[1]].expand(len(matrix.values), -1, -1)
    for _ in range(_STEPS):
        u = torch.linalg.qr(matrix @ block)[0]
        block = matrix.mT @ u
    v, r = torch.linalg.qr(block)
    a, s, bt = torch.linalg.svd(r.mT)
    return u @ a[..., :rank], s[:, :rank], v @ bt.mT[..., :rank]


def spectral_symmetric(proxy: Float[Tensor, "seed n n"], rank: int) -> Float[Tensor, "seed n rank"]:
    """X such that X X^T is the best positive semidefinite approximation of `proxy` of rank `rank`."""
    values, vectors = torch.linalg.eigh((proxy + proxy.mT) / 2)
    return vectors[..., -rank:].flip(-1) * values[:, None, -rank:].flip(-1).clamp(min=0).sqrt()


def spectral_product(proxy: Matrices, shape: tuple[int, int], rank: int) -> tuple[Tensor, Tensor]:
    """(F, G) such that F G^T is the best approximation of `proxy` of rank `rank`, balanced: F^T F = G^T G."""
    u, s, v = leading(proxy, shape, rank)
    root = s[:, None].sqrt()
    return u * root, v * root


def spectral(
    measurements: Measurements, rank: int, symmetric: bool, proxy: Matrices | None = None
) -> tuple[Tensor, ...]:
    """Spectral initialization, the best rank-`rank` approximation of A*y: (X,) if `symmetric`, else (F, G)."""
    proxy = measurements.proxy() if proxy is None else proxy
    if symmetric and isinstance(proxy, Tensor):
        return (spectral_symmetric(proxy, rank),)
    return spectral_product(proxy, measurements.shape, rank)
