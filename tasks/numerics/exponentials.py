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
    """The rates a and amplitudes B that minimize |X - Phi(a) B|, Phi = e^{a_k t}, from the given rates.

    B = Phi^+ X is eliminated; the rates follow by Levenberg-Marquardt with Kaufman's Jacobian -(I - Phi Phi^+) (t phi_k) b_k.
    Channels are first reduced to the leading len(start) directions of X, which holds all of X but noise.
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
        gap = reduced - phi @ (inverse @ reduced)
        return np.concatenate([gap.real.ravel(), gap.imag.ravel()])

    def jacobian(flat: ndarray) -> ndarray:
        phi, inverse = basis(flat)
        moved = times[:, None] * phi
        outside = moved - phi @ (inverse @ moved)
        columns = -(outside[:, None, :] * (inverse @ reduced).T).reshape(-1, len(start))
        both = np.concatenate([columns, 1j * columns], axis=1)
        return np.concatenate([both.real, both.imag])

    first = np.concatenate([start.real, start.imag])
    found = least_squares(residual, first, jacobian, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    rates = found[: len(start)] + 1j * found[len(start) :]
    return rates, basis(found)[1] @ samples
