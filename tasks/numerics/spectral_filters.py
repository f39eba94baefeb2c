"""The filters of spectral filtering: eigenvectors of Z = int_0^1 mu(a) mu(a)' da, mu(a) = (1 - a)(1, a, ..., a^{T-1}).

Z is the Hankel matrix 2 / ((i+j)^3 - (i+j)). Its eigenvalues decay exponentially, so an eigensolver applied to Z loses all
filters from about the 25th on (in single precision from the 13th). Here Z = M M' by quadrature, and the thin SVD of M gives the
filters with singular values sqrt(s): down to s = 1e-28, in O(T q^2), q about 900 nodes.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

__all__ = ["hankel", "quadrature_root", "spectral_filters", "wedge_filters", "wedge_gram"]

# Gauss-Legendre nodes per unit of v, where a = 1 - e^{-v}. M M' equals Z to rounding with 12 already, but small eigenvalues
# need every column of M: against 60-digit arithmetic, 12 nodes lose the filters of s < 1e-11, 20 those of s < 1e-22.
_NODES = 24

# Eigenvalues of a Gram matrix in closed form below this part of the first have vectors that rounding decides.
_ROUNDING = 1e-13


def hankel(length: int) -> Float[ndarray, "i j"]:
    """Z_ij = 2 / ((i+j)^3 - (i+j)), i, j = 1 .. length: the closed form of int_0^1 mu(a) mu(a)' da."""
    total = np.arange(1, length + 1)[:, None] + np.arange(1.0, length + 1)
    return 2.0 / (total**3 - total)


def quadrature_root(length: int, nodes: int = _NODES) -> Float[ndarray, "lag node"]:
    """M with M M' = Z: columns sqrt(w e^{-v}) mu(1 - e^{-v}) at composite Gauss-Legendre nodes v in [0, 2 ln T + 25].

    In v the integrand varies on scale 1 for all powers up to T, so a fixed number of nodes per unit suffices; the truncation
    error is of order e^{-3 (2 ln T + 25)}.
    """
    panels = math.ceil(2 * math.log(length) + 25)
    point, weight = np.polynomial.legendre.leggauss(nodes)
    v = (np.arange(panels)[:, None] + (point + 1) / 2).ravel()
    w = np.tile(weight / 2, panels)
    gap = np.exp(-v)
    powers = np.exp(np.arange(length)[:, None] * np.log1p(-gap))
    return np.sqrt(w * gap) * gap * powers


@functools.lru_cache(maxsize=32)
def spectral_filters(length: int, count: int) -> tuple[Float[Tensor, " filter"], Float[Tensor, "lag filter"]]:
    """The `count` largest eigenvalues s_j of Z, descending, and unit eigenvectors phi_j with phi_j(1) > 0, in float64.

    Accuracy: |phi_j - exact| < 2e-15 / sqrt(s_j) and |s_j / exact - 1| < 2e-15 / sqrt(s_j), for s_j > 1e-28. Cached by
    (length, count). Raises ValueError if count > length.

    Source: Hazan, Singh, Zhang 2017, section 3; the quadrature is not from the paper.
    """
    if count > length:
        raise ValueError(f"{count} filters of {length} lags: use at most as many filters as lags")
    root = quadrature_root(length)
    if length > root.shape[1]:
        q, r = np.linalg.qr(root)
        left, singular, _ = np.linalg.svd(r)
        left = q @ left
    else:
        left, singular, _ = np.linalg.svd(root, full_matrices=False)
    phi = left[:, :count] * np.where(left[0, :count] < 0, -1.0, 1.0)
    return torch.from_numpy(singular[:count] ** 2), torch.from_numpy(phi)


def wedge_gram(length: int, angle: float, mirrored: bool = False) -> Float[ndarray, "i j"]:
    """Z_ij = int a^i conj(a)^j dA over the wedge |a| <= 1, |arg a| <= angle, i, j = 0 .. length-1.

    2 sin((i-j) angle) / ((i-j)(i+j+2)), on the diagonal 2 angle / (2i+2). mirrored: plus the integral over the wedge around -1,
    which doubles entries of even i-j and cancels those of odd i-j.
    """
    i = np.arange(length)
    difference, total = i[:, None] - i, i[:, None] + i + 2.0
    # sin(k x) / k = x sinc(k x / pi), NumPy's sinc(y) being sin(pi y) / (pi y).
    gram = 2 * angle * np.sinc(difference * angle / np.pi) / total
    return gram * np.where(difference % 2 == 0, 2.0, 0.0) if mirrored else gram


@functools.lru_cache(maxsize=32)
def wedge_filters(length: int, count: int, angle: float, mirrored: bool = False) -> Float[Tensor, "lag filter"]:
    """Leading eigenvectors of `wedge_gram`, at most `count`: filters for complex poles of small angle.

    About angle * length / pi + O(ln^2 length) eigenvalues are significant (a time-bandwidth product). Those below 1e-13 of the
    first are left out, because rounding decides their vectors; the others leave 1e-10 of the energy of responses in the wedge
    unexplained. By an eigensolver on the closed form. O(length^3).

    Source: Marsden, Hazan 2025 (v1), with their polynomial p_n = 1.
    """
    if count > length:
        raise ValueError(f"{count} filters of {length} lags: use at most as many filters as lags")
    values, vectors = (part[..., ::-1][..., :count] for part in np.linalg.eigh(wedge_gram(length, angle, mirrored)))
    vectors = vectors[:, values > _ROUNDING * values[0]]
    return torch.from_numpy(vectors * np.where(vectors[0] < 0, -1.0, 1.0))
