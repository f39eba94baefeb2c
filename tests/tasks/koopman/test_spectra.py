"""Spectral scores on small spectra whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.koopman import spectra


def test_the_leading_values_keep_a_conjugate_pair_whole() -> None:
    values = np.array([0.2, 0.9 + 0.1j, 1.0, 0.9 - 0.1j], dtype=complex)
    assert set(spectra.leading(values, 2)) == {1.0, 0.9 + 0.1j, 0.9 - 0.1j}
    assert set(spectra.leading(values, 1)) == {1.0}
    assert len(spectra.leading(values, 3)) == 3
    assert len(spectra.leading(values, 9)) == 4


def test_error_and_miss_look_in_opposite_directions() -> None:
    truth = np.array([1.0, 0.9, 0.8], dtype=complex)
    assert spectra.spectral_error(np.array([1.0 + 0j]), truth, 3) == 0
    assert spectra.spectral_miss(np.array([1.0 + 0j]), truth) == pytest.approx(0.2)
    many = np.array([1.1, 1.0, 0.9, 0.8, 0.0], dtype=complex)
    assert spectra.spectral_error(many, truth, 3) == pytest.approx(0.1)
    assert spectra.spectral_miss(many, truth) == pytest.approx(0.0)


def test_a_spectrum_that_is_not_finite_scores_the_worst() -> None:
    bad = np.array([np.nan, 1.0], dtype=complex)
    assert spectra.spectral_radius(bad) == 1e3
    assert 900 < spectra.spectral_error(bad, np.array([1.0 + 0j]), 2) <= 1e3
    assert spectra.spectral_miss(np.empty(0, complex), np.array([1.0 + 0j])) == 1e3


def test_the_lattice_holds_products() -> None:
    result = spectra.lattice((-0.1, 2j), [(0, 0), (1, 0), (2, 1)], dt=0.5)
    np.testing.assert_allclose(result, [1, np.exp(-0.05), np.exp(-0.1 + 1j)], rtol=1e-15)


def test_residuals_leave_the_constant_out_and_are_exact_to_rounding() -> None:
    x = np.random.default_rng(0).standard_normal((200, 1))
    at_x = np.concatenate([np.ones_like(x), x, x**2], axis=1).astype(complex)
    at_y = np.concatenate([np.ones_like(x), 0.9 * x, 0.5 * x**2], axis=1).astype(complex)
    residual = spectra.residuals(at_x, at_y, np.array([1, 0.9, 0.8], dtype=complex))
    np.testing.assert_allclose(residual, [np.nan, 0, 0.3], atol=1e-15)
    at_y[3, 1] = np.nan
    assert spectra.residuals(at_x, at_y, np.array([1, 0.9, 0.8], dtype=complex))[1] == 1e3


def test_basins_are_told_by_an_indicator_and_not_by_noise() -> None:
    rng = np.random.default_rng(0)
    train, test = rng.random(400) < 0.4, rng.random(300) < 0.4
    shown = [np.where(side, 0.2, 0.7)[:, None] + 0.05 * rng.standard_normal((len(side), 1)) for side in (train, test)]
    assert spectra.basin_accuracy(shown[0], train, shown[1], test) == 1.0
    noise = [rng.standard_normal((len(side), 1)) for side in (train, test)]
    assert 0.3 < spectra.basin_accuracy(noise[0], train, noise[1], test) < 0.75


def test_basins_are_told_by_two_mixed_eigenfunctions_of_which_neither_suffices() -> None:
    rng = np.random.default_rng(1)
    side = rng.random(600) < 0.5
    hidden = 10 * rng.standard_normal(600)
    mixed = np.stack([hidden + side, hidden - side], axis=1)
    alone = spectra.basin_accuracy(mixed[:300, :1], side[:300], mixed[300:, :1], side[300:])
    both = spectra.basin_accuracy(mixed[:300], side[:300], mixed[300:], side[300:])
    assert alone < 0.7
    assert both == 1.0


def test_a_constant_indicator_gives_the_share_of_the_larger_basin() -> None:
    train, test = np.array([True, True, False]), np.array([True, False, False, False])
    flat = np.ones((3, 1)), np.ones((4, 1))
    assert spectra.basin_accuracy(flat[0], train, flat[1], test) == 0.25


def test_an_eigenfunction_counts_up_to_a_complex_factor() -> None:
    x = np.random.default_rng(0).standard_normal(400)
    phi, psi = (x + 1j * x**2)[:, None], x[:, None] ** 3
    values = np.array([0.8 + 0.1j, 0.5])
    given = np.concatenate([(2 - 3j) * phi, psi + 0.1], axis=1)
    true = np.concatenate([np.ones_like(phi), phi], axis=1)
    assert spectra.eigenfunction_error(given, values, true, np.array([1, 0.8 + 0.1j])) == pytest.approx(0, abs=1e-14)
    # Beside psi lies psi + 0.1: the best factor leaves sin of the angle between them.
    angle = np.abs(np.vdot(psi, psi + 0.1)) / np.linalg.norm(psi) / np.linalg.norm(psi + 0.1)
    actual = spectra.eigenfunction_error(given, values, psi, np.array([0.5 + 0j]))
    assert actual == pytest.approx(np.sqrt(1 - angle**2), rel=1e-6)
    crowded = spectra.eigenfunction_error(given, np.array([0.8, 0.8001], dtype=complex), psi, np.array([0.8 + 0j]))
    assert crowded == actual
    assert spectra.eigenfunction_error(given * np.nan, values, psi, np.array([0.5 + 0j])) == 1
    assert spectra.eigenfunction_error(given, values, np.ones_like(psi), np.array([1 + 0j])) is None


def test_the_picture_holds_the_leading_eigenvalues_and_residuals_by_rank() -> None:
    values = np.concatenate([[0.3, 1.0, np.nan, 0.9j], np.full(200, 0.1)]).astype(complex)
    residual = np.concatenate([[0.5, np.nan, 1e3, 0.25], np.full(200, 0.7)])
    actual = {c.name: c for c in spectra.picture(values, residual, np.array([1, 0.5j]))}
    assert len(actual["eigenvalues"].axis) == 128
    np.testing.assert_allclose(actual["eigenvalues"].axis[:3], [1, 0, 0.3])
    np.testing.assert_allclose(actual["eigenvalues"].values[:3], [0, 0.9, 0])
    np.testing.assert_allclose(actual["eigenvalues_true"].values, [0, 0.5])
    np.testing.assert_allclose(actual["residual_by_mode"].axis[:3], [2, 3, 4])
    np.testing.assert_allclose(actual["residual_by_mode"].values[:3], [0.25, 0.5, 0.7])
