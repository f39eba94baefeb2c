"""Matrices of low rank with a known spectrum: what sensing and completion recover."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["degrees_of_freedom", "incoherence", "low_rank", "orthonormal", "spectrum"]


def spectrum(rank: int, condition: float, spacing: Literal["linear", "geometric"]) -> Float[ndarray, " rank"]:
    """Singular values from 1 down to 1/condition, equally spaced or in geometric progression."""
    if spacing == "linear":
        return np.linspace(1.0, 1.0 / condition, rank)
    return np.geomspace(1.0, 1.0 / condition, rank)


def orthonormal(rng: np.random.Generator, rows: int, rank: int) -> Float[ndarray, "rows rank"]:
    """A uniformly distributed orthonormal frame: QR of a Gaussian matrix, the diagonal of R positive."""
    q, r = np.linalg.qr(rng.standard_normal((rows, rank)))
    return q * np.sign(np.diagonal(r))


def low_rank(
    rng: np.random.Generator, rows: int, columns: int, values: Float[ndarray, " rank"], symmetric: bool
) -> dict[str, ndarray]:
    """X* = left diag(values) right^T with independent frames; left = right when symmetric."""
    left = orthonormal(rng, rows, len(values))
    right = left if symmetric else orthonormal(rng, columns, len(values))
    return {"left": left, "values": values, "right": right}


def degrees_of_freedom(rows: int, columns: int, rank: int, symmetric: bool) -> int:
    """Dimension of the set of matrices of this rank: r (n1 + n2 - r), or r n - r (r - 1)/2 when symmetric."""
    return rank * rows - rank * (rank - 1) // 2 if symmetric else rank * (rows + columns - rank)


def incoherence(frame: Float[ndarray, "rows rank"]) -> float:
    """Incoherence mu = (n/r) max_i |e_i^T U|^2: 1 when every row has its share of the energy, n/r when one row has all of it."""
    rows, rank = frame.shape
    return float(rows / rank * np.max(np.sum(frame**2, axis=1)))
