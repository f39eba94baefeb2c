"""State-space realization of an impulse response: the algorithm of Ho and Kalman."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["ho_kalman"]

Matrices = tuple[Float[ndarray, "state state"], Float[ndarray, "state channel"], Float[ndarray, "dim state"]]


def ho_kalman(markov: Float[ndarray, "lag dim channel"], order: int, tolerance: float = 0.0) -> Matrices:
    """A, B, C of the balanced realization of order n of G_{i+1} = C A^i B; the direct term G_0 is not used.

    H = (G_{j+k+1}), j, k = 0 .. h-1, = U S V'; A = S^{-1/2} U' H_1 V S^{-1/2}, H_1 = (G_{j+k+2}); C is the first block row of
    U S^{1/2} and B the first block column of S^{1/2} V'. Uses 2h + 1 lags. Singular values below `tolerance` times the largest
    are dropped, which reduces the order.
    """
    lags, dim, channels = markov.shape
    h = (lags - 1) // 2
    index = 1 + np.arange(h)[:, None] + np.arange(h)

    def block(shift: int) -> ndarray:
        return markov[index + shift].transpose(0, 2, 1, 3).reshape(h * dim, h * channels)

    u, s, v = np.linalg.svd(block(0), full_matrices=False)
    order = min(order, int(np.sum(s > tolerance * s[0])))
    root = np.sqrt(s[:order])
    left, right = u[:, :order] * root, root[:, None] * v[:order]
    inverse_left, inverse_right = (u[:, :order] / root).T, v[:order].T / root
    return inverse_left @ block(1) @ inverse_right, right[:, :channels], left[:dim]
