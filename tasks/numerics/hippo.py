"""HiPPO matrices: x' = A x + B u keeps the coefficients of the past of u in a basis (unit window; divide A, B by theta)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

__all__ = ["fout", "legs", "legs_normal_poles", "legt"]

Pair = tuple[Float[ndarray, "n n"], Float[ndarray, " n"]]


def legs(states: int) -> Pair:
    """Scaled Legendre: A_nk = -sqrt((2n+1)(2k+1)) for n > k, -(n+1) for n = k, else 0; B_n = sqrt(2n+1).

    e^{tA} B = sqrt(2n+1) P_n(2 e^{-t} - 1) e^{-t} (Gu et al. 2023, theorem 5).
    """
    root = np.sqrt(2.0 * np.arange(states) + 1)
    return -np.tril(np.outer(root, root), -1) - np.diag(np.arange(states) + 1.0), root


def legt(states: int) -> Pair:
    """Legendre on a sliding window of length 1: A_nk = -sqrt((2n+1)(2k+1)) (1 if n >= k else (-1)^{n-k}), B_n = sqrt(2n+1).

    The official code halves both (a window of length 2).
    """
    n = np.arange(states)
    root = np.sqrt(2.0 * n + 1)
    sign = np.where(n[:, None] >= n, 1.0, (-1.0) ** (n[:, None] - n))
    return -np.outer(root, root) * sign, root


def fout(states: int) -> Pair:
    """Truncated Fourier on a sliding window of length 1: A = D - 2 b b', B = 2 b, b = (1, 0, sqrt2, 0, sqrt2, ...).

    D_{2j,2j+1} = -2 pi j = -D_{2j+1,2j}. State 1 (sine of frequency 0) stays 0. The number of states is even.
    """
    b = np.where(np.arange(states) % 2 == 0, np.sqrt(2.0), 0.0)
    b[0] = 1.0
    d = np.zeros((states, states))
    even = np.arange(0, states, 2)
    d[even, even + 1] = -np.pi * even
    d[even + 1, even] = np.pi * even
    return d - 2 * np.outer(b, b), 2 * b


def legs_normal_poles(states: int) -> Complex[ndarray, " half"]:
    """Eigenvalues with positive imaginary part of the normal part A + P P', P_n = sqrt(n + 1/2), of LegS; ascending.

    A + P P' = -1/2 I + a skew matrix: a Hermitian eigenproblem. The eigenvectors of A itself have a condition number that
    grows beyond 1e19 at 32 states.
    """
    a, _ = legs(states)
    p = np.sqrt(np.arange(states) + 0.5)
    skew = a + np.outer(p, p) + 0.5 * np.eye(states)
    return -0.5 + 1j * np.linalg.eigvalsh(-1j * skew)[-(states // 2) :]
