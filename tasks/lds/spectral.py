"""Distance between the poles of a model and the true poles, weighted by their contributions to the output."""

from __future__ import annotations

import numpy as np
import scipy.optimize
from jaxtyping import Complex, Float
from numpy import ndarray

from dynamark.tasks.lds.systems import System
from dynamark.tasks.numerics.realization import ho_kalman

__all__ = ["modes", "realized_poles", "spectral_error"]

# Block rows of the Hankel matrix, and the relative threshold on its singular values: above the rounding of float32.
_ROWS, _RANK = 128, 1e-6


def modes(system: System) -> tuple[Complex[ndarray, " mode"], Float[ndarray, " mode"]] | None:
    """Poles lambda_i and contributions |c_i| |b_i| / sqrt(1 - |lambda_i|^2); None if A is not numerically diagonalizable.

    That is the case of Jordan-like blocks, whose eigenvalues alone do not describe the response.
    """
    poles, gains = [], []
    rows = system.blocks.shape[1]
    for k, block in enumerate(system.blocks):
        values, vectors = np.linalg.eig(block)
        if np.linalg.cond(vectors) > 1e8:
            return None
        states = slice(k * rows, (k + 1) * rows)
        b, c = np.linalg.solve(vectors, system.b[states].astype(complex)), system.c[:, states] @ vectors
        poles.append(values)
        gains.append(np.linalg.norm(b, axis=1) * np.linalg.norm(c, axis=0))
    pole, gain = np.concatenate(poles).astype(complex), np.concatenate(gains)
    return pole, gain / np.sqrt(np.maximum(1 - np.abs(pole) ** 2, 1e-12))


def realized_poles(markov: Float[ndarray, "lag dim channel"], order: int) -> Complex[ndarray, " pole"]:
    """Poles of an impulse response: eigenvalues of its balanced realization, of at most the given order and the numerical rank.

    A finite impulse response of n taps has n - 1 poles at 0. A zero response is given one pole at 0.
    """
    leading = markov[: 2 * min(_ROWS, (len(markov) - 1) // 2) + 1]
    if not leading[1:].any():
        return np.zeros(1, dtype=complex)
    return np.linalg.eigvals(ho_kalman(leading, order, _RANK)[0]).astype(complex)


def spectral_error(
    poles: Complex[ndarray, " mode"], weights: Float[ndarray, " mode"], estimated: Complex[ndarray, " pole"]
) -> float:
    """min over s of sum_i w_i |lambda_i - mu_{s(i)}| / sum_i w_i, lambda the true and mu the estimated poles.

    s is a linear assignment: each estimated pole is used at most once, or at most ceil(n/m) times if there are only m estimated
    poles for n true ones, since close poles cannot be distinguished in a response.
    """
    copies = -(-len(poles) // len(estimated))
    distance = np.abs(poles[:, None] - np.tile(estimated, copies))
    rows, columns = scipy.optimize.linear_sum_assignment(weights[:, None] * distance)
    return float(np.sum(weights[rows] * distance[rows, columns]) / np.sum(weights))
