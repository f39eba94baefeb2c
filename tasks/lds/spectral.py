"""How far the poles of a model are from the true ones, weighted by what each contributes to the output."""

from __future__ import annotations

import numpy as np
import scipy.optimize
from jaxtyping import Complex, Float
from numpy import ndarray

from dynamark.tasks.lds.systems import System
from dynamark.tasks.numerics.realization import ho_kalman

__all__ = ["modes", "realized_poles", "spectral_error"]

# Lags of half a Hankel matrix, and the relative size of singular values that count: beyond float32.
_ROWS, _RANK = 128, 1e-6


def modes(system: System) -> tuple[Complex[ndarray, " mode"], Float[ndarray, " mode"]] | None:
    """Poles lambda_i and contributions |c_i| |b_i| / sqrt(1 - |lambda_i|^2); None where A has no basis of eigenvectors.

    Jordan-like blocks have none, and their eigenvalues alone say little.
    """
    poles, gains = [], []
    rows = system.blocks.shape[1]
    for k, block in enumerate(system.blocks):
        values, vectors = np.linalg.eig(block)
        if np.linalg.cond(vectors) > 1e8:
            return None
        own = slice(k * rows, (k + 1) * rows)
        b, c = np.linalg.solve(vectors, system.b[own].astype(complex)), system.c[:, own] @ vectors
        poles.append(values)
        gains.append(np.linalg.norm(b, axis=1) * np.linalg.norm(c, axis=0))
    pole, gain = np.concatenate(poles).astype(complex), np.concatenate(gains)
    return pole, gain / np.sqrt(np.maximum(1 - np.abs(pole) ** 2, 1e-12))


def realized_poles(markov: Float[ndarray, "lag dim channel"], order: int) -> Complex[ndarray, " pole"]:
    """The poles of an impulse response: eigenvalues of its balanced realization, of an order that its rank allows.

    A finite response of n taps has n - 1 poles at 0; no response has the pole 0.
    """
    used = markov[: 2 * min(_ROWS, (len(markov) - 1) // 2) + 1]
    if not used[1:].any():
        return np.zeros(1, dtype=complex)
    return np.linalg.eigvals(ho_kalman(used, order, _RANK)[0]).astype(complex)


def spectral_error(
    poles: Complex[ndarray, " mode"], weights: Float[ndarray, " mode"], found: Complex[ndarray, " pole"]
) -> float:
    """The weighted mean of |lambda_i - found_{s(i)}| under the assignment s that makes it least.

    No two true poles share one that was found; where fewer were found than there are, each may stand for equally many, since
    close poles cannot be told apart from a response.
    """
    copies = -(-len(poles) // len(found))
    distance = np.abs(poles[:, None] - np.tile(found, copies))
    rows, columns = scipy.optimize.linear_sum_assignment(weights[:, None] * distance)
    return float(np.sum(weights[rows] * distance[rows, columns]) / np.sum(weights))
