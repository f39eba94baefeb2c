"""Variable projection on exponentials with known rates."""

from __future__ import annotations

import numpy as np

from dynamark.tasks.numerics.exponentials import fit_exponentials

RATES = np.array([-0.1 + 2j, -0.1 - 2j, -0.5])
TIMES = 0.1 * np.arange(60)


def test_clean_exponentials_are_recovered_from_a_rough_start() -> None:
    amplitudes = np.random.default_rng(0).standard_normal((3, 5)) + 0j
    actual, fitted = fit_exponentials(np.exp(np.outer(TIMES, RATES)) @ amplitudes, TIMES, RATES + 0.2)
    order = np.abs(actual[None] - RATES[:, None]).argmin(1)
    np.testing.assert_allclose(actual[order], RATES, atol=1e-9)
    np.testing.assert_allclose(fitted[order], amplitudes, atol=1e-8)


def test_noise_is_fitted_in_the_least_squares_sense() -> None:
    """No rate nearby fits better, and the error falls with the number of channels."""
    rng = np.random.default_rng(1)
    noisy = np.exp(np.outer(TIMES, RATES)) @ rng.standard_normal((3, 40)) + 0.1 * rng.standard_normal((60, 40))
    actual, _ = fit_exponentials(noisy, TIMES, RATES)
    # the fit works in the three leading directions of the data
    directions = np.linalg.svd(noisy, full_matrices=False)[2][:3]
    reduced = noisy @ directions.T

    def misfit(rates: np.ndarray) -> float:
        phi = np.exp(np.outer(TIMES, rates))
        return float(np.linalg.norm(reduced - phi @ np.linalg.lstsq(phi, reduced, rcond=None)[0]))

    best = misfit(actual)
    for j in range(3):
        for step in (1e-3, -1e-3, 1e-3j, -1e-3j):
            assert misfit(actual + step * np.eye(3)[j]) > best
