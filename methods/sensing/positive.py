"""Positive semidefinite estimates of a symmetric problem, for methods that work on matrices of a given rank.

A symmetric operator does not see the skew-symmetric part of X. An iteration on general matrices that starts symmetric stays
symmetric in exact arithmetic only: rounding errors of the skew-symmetric part can grow, and then the symmetric part of X has
twice the rank and fits the noise. And an eigenvalue of the wrong sign cannot cross zero on the matrices of rank k.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.sensing.base import Measurements
from dynamark.methods.sensing.start import spectral_symmetric

__all__ = ["positive", "spectral_positive"]


def positive(matrix: Float[Tensor, "seed n n"], rank: int) -> tuple[Tensor, Tensor]:
    """(F, V) such that F V^T is the best positive semidefinite approximation of rank `rank`, V^T V = I."""
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    v = vectors[..., -rank:].flip(-1).contiguous()
    return v * values[:, None, -rank:].flip(-1).clamp(min=0), v


def spectral_positive(measurements: Measurements, rank: int) -> Float[Tensor, "seed n rank"]:
    """X such that X X^T is the best positive semidefinite approximation of A*y of rank `rank`."""
    proxy = measurements.proxy()
    assert isinstance(proxy, Tensor), "a symmetric operator measures dense matrices"
    return spectral_symmetric(proxy, rank)
