"""Sums of complex exponentials fitted to samples by variable projection."""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex, Float, Shaped
from numpy import ndarray
from scipy.optimize import least_squares

__all__ = ["fit_exponentials"]


def fit_exponentials(
    samples: Shaped[ndarray, "time channel"], times: Float[ndarray, " time"], start: Complex[ndarray, " mode"]
) -> tuple[Complex[ndarray, " mode"], Complex[ndarray, "mode channel"]]:
    """min over rates a and amplitudes B of |X - Phi(a) B|, Phi_{tk} = e^{a_k t}, from initial rates `start`: returns (a, B).

    B = Phi^+ X is eliminated; a is found by Levenberg-Marquardt with Kaufman's Jacobian -(I - Phi Phi^+) (t phi_k) b_k.
    Channels are first projected on the leading len(start) right singular vectors of X.
    Source: Golub and Pereyra 1973; Askham and Kutz 2018, optimized DMD, section 3.
    """
    directions = np.linalg.svd(samples, full_matrices=False)[2][: len(start)]
    reduced = samples @ directions.conj().T

    def basis(flat: ndarray) -> tuple[ndarray, ndarray]:
        rates = flat[: len(start)] + 1j * flat[len(start) :]
        phi = np.exp(np.outer(times, rates))
        return phi, np.linalg.pinv(phi)

    def residual(flat: ndarray) -> ndarray:
        phi, inverse = basis(flat)
        error = reduced - phi @ (inverse @ reduced)
        return np.concatenate([error.real.ravel(), error.imag.ravel()])

    def jacobian(flat: ndarray) -> ndarray:
        phi, inverse = basis(flat)
        derivative = times[:, None] * phi
        orthogonal = derivative - phi @ (inverse @ derivative)
        columns = -(orthogonal[:, None, :] * (inverse @ reduced).T).reshape(-1, len(start))
        both = np.concatenate([columns, 1j * columns], axis=1)
        return np.concatenate([both.real, both.imag])

    first = np.concatenate([start.real, start.imag])
    solution = least_squares(residual, first, jacobian, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    rates = solution[: len(start)] + 1j * solution[len(start) :]
    return rates, basis(solution)[1] @ samples
