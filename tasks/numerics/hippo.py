"""HiPPO matrices: the states of x' = A x + B u are coefficients of the past of u in a basis (window 1; else divide by theta)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

__all__ = ["fout", "legs", "legs_normal_poles", "legt", "low_rank_form", "perturbed_legs"]

Pair = tuple[Float[ndarray, "n n"], Float[ndarray, " n"]]


def legs(states: int) -> Pair:
    """LegS, scaled Legendre: A_nk = -sqrt((2n+1)(2k+1)) for n > k, -(n+1) for n = k, else 0; B_n = sqrt(2n+1).

    e^{tA} B = sqrt(2n+1) P_n(2 e^{-t} - 1) e^{-t} (Gu et al. 2023, theorem 5).
    """
    root = np.sqrt(2.0 * np.arange(states) + 1)
    return -np.tril(np.outer(root, root), -1) - np.diag(np.arange(states) + 1.0), root


def legt(states: int) -> Pair:
    """LegT, sliding window of length 1: A_nk = -sqrt((2n+1)(2k+1)) (1 if n >= k else (-1)^{n-k}), B_n = sqrt(2n+1).

    The official code uses A/2 and B/2 (a window of length 2).
    """
    n = np.arange(states)
    root = np.sqrt(2.0 * n + 1)
    sign = np.where(n[:, None] >= n, 1.0, (-1.0) ** (n[:, None] - n))
    return -np.outer(root, root) * sign, root


def fout(states: int) -> Pair:
    """FouT, Fourier basis on a sliding window of length 1: A = D - 2 b b', B = 2 b, b = (1, 0, sqrt2, 0, sqrt2, ...).

    D_{2j,2j+1} = -2 pi j = -D_{2j+1,2j}. State 1 (sine of frequency 0) remains 0. The number of states must be even.
    """
    b = np.where(np.arange(states) % 2 == 0, np.sqrt(2.0), 0.0)
    b[0] = 1.0
    d = np.zeros((states, states))
    even = np.arange(0, states, 2)
    d[even, even + 1] = -np.pi * even
    d[even + 1, even] = np.pi * even
    return d - 2 * np.outer(b, b), 2 * b


def legs_normal_poles(states: int) -> Complex[ndarray, " half"]:
    """Eigenvalues with positive imaginary part of A + P P', the normal part of LegS, P_n = sqrt(n + 1/2); ascending.

    A + P P' = -1/2 I + a skew-symmetric matrix, so the eigenproblem is Hermitian. The condition number of the
    eigenvectors of A itself exceeds 1e19 at 32 states.
    """
    a, _ = legs(states)
    p = np.sqrt(np.arange(states) + 0.5)
    skew = a + np.outer(p, p) + 0.5 * np.eye(states)
    return -0.5 + 1j * np.linalg.eigvalsh(-1j * skew)[-(states // 2) :]


def low_rank_form(
    basis: str, states: int
) -> tuple[Complex[ndarray, " half"], Complex[ndarray, "rank half"], Complex[ndarray, " half"]]:
    """Lambda, P, B of A = V (Lambda - P* P) V*, B = V* B, V unitary; one of each conjugate pair.

    basis: `legs`, `legt` or `fout`; states must be even. A is normal plus low-rank: LegS = -1/2 I + skew - p p',
    p_n = sqrt(n + 1/2); LegT = skew - p p' - q q', p and q the even and the odd entries of B; FouT = D - 2 b b'.
    """
    a, b = {"legs": legs, "legt": legt, "fout": fout}[basis](states)
    half = states // 2
    if basis == "fout":
        # The eigenvalue 0 is double: its eigenspace is split into a conjugate pair explicitly.
        j = np.arange(half)
        vectors = np.zeros((states, half), dtype=complex)
        vectors[2 * j, j], vectors[2 * j + 1, j] = np.sqrt(0.5), -1j * np.sqrt(0.5)
        return 2j * np.pi * j, np.sqrt(2.0) * (b[None] / 2) @ vectors, vectors.conj().T @ b
    even = np.arange(states) % 2 == 0
    p = np.sqrt(np.arange(states) + 0.5)[None] if basis == "legs" else np.stack([b * even, b * ~even])
    decay = 0.5 if basis == "legs" else 0.0
    values, full = np.linalg.eigh(-1j * (a + p.T @ p + decay * np.eye(states)))
    vectors = full[:, half:]
    return -decay + 1j * values[half:], p @ vectors, vectors.conj().T @ b


def perturbed_legs(
    states: int, size: float, rng: np.random.Generator, draws: int = 10
) -> tuple[Complex[ndarray, " slot"], Complex[ndarray, "state slot"], Complex[ndarray, " slot"]]:
    """Lambda, V and V^{-1} B of A + E = V Lambda V^{-1}, A of LegS, E real Gaussian with |E|_2 = size |A|_2.

    The best-conditioned V of `draws` random E is used. One of each conjugate pair is returned, real eigenvalues with half weight,
    so e^{t(A+E)} B = 2 Re V e^{t Lambda} (V^{-1} B). The states/2 + 2 slots are padded with zero weights. Real
    parts are at most -1e-4. Raises ValueError if every draw has too many real eigenvalues. Source: Yu et al. 2024.
    """
    a, b = legs(states)
    slots, best = states // 2 + 2, np.inf
    eigen: tuple[ndarray, ndarray, ndarray] | None = None
    scale = size * np.linalg.norm(a, 2)
    for _ in range(100 * draws):
        e = rng.standard_normal(a.shape)
        values, vectors = np.linalg.eig(a + scale * e / np.linalg.norm(e, 2))
        upper = values.imag >= 0
        draws -= upper.sum() <= slots
        condition = np.linalg.cond(vectors)
        if upper.sum() <= slots and condition < best:
            best = condition
            weights = np.linalg.solve(vectors, b.astype(complex)) * np.where(values.imag == 0, 0.5, 1.0)
            eigen = values[upper], vectors[:, upper], weights[upper]
        if draws <= 0:
            break
    if eigen is None:
        raise ValueError(f"every perturbation of size {size} leaves more than {slots} modes: use a larger size")
    values, vectors, weights = eigen
    spare = slots - len(values)
    values = np.minimum(values.real, -1e-4) + 1j * values.imag
    return (
        np.concatenate([values, np.full(spare, -1.0 + 0j)]),
        np.concatenate([vectors, np.zeros((states, spare), dtype=complex)], axis=1),
        np.concatenate([weights, np.zeros(spare, dtype=complex)]),
    )
