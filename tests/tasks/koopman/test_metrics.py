"""Errors of forecasts on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.koopman import metrics

MEAN, SIGMA = np.array([1.0, -2.0]), np.array([0.5, 4.0])


def test_the_error_is_in_units_of_the_standard_deviation() -> None:
    truth = np.zeros((3, 4, 2))
    gap = metrics.deviation(truth, truth + SIGMA * [1.0, 7.0], MEAN, SIGMA)
    np.testing.assert_allclose(metrics.nrmse(gap.error), 5.0)  # sqrt((1 + 49) / 2)
    assert not gap.diverged.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_or_far_counts_as_the_clamp(bad: float) -> None:
    truth = np.broadcast_to(MEAN, (2, 3, 2))
    forecast = truth.copy()
    forecast[1, 2, 0] = bad
    gap = metrics.deviation(truth, forecast, MEAN, SIGMA)
    assert gap.diverged.tolist() == [False, True]
    assert abs(gap.error[1, 2, 0]) == 1e3
    assert np.count_nonzero(gap.error) == 1


def test_the_valid_horizon_is_the_first_time_beyond_the_threshold() -> None:
    error = np.zeros((3, 10, 1))
    error[0, 3:] = 0.41
    error[1, 0] = -0.5
    assert metrics.valid_horizon(error, dt=0.5) == pytest.approx(0.5 * (4 + 1 + 10) / 3)


def test_drift_compares_the_horizon_with_a_tenth_of_it() -> None:
    assert metrics.drift(np.arange(1.0, 101.0), 100) == pytest.approx(10.0)
    assert metrics.drift(np.zeros(100), 100) == 1.0


def test_the_wasserstein_distance_of_a_shift_and_of_a_reordering() -> None:
    x = np.random.default_rng(0).standard_normal((20, 50, 1))
    assert metrics.wasserstein(x, x + 0.3) == pytest.approx(0.3 / x.std(), rel=1e-12)
    assert metrics.wasserstein(x, x[::-1, ::-1]) == 0
    plane = np.random.default_rng(1).standard_normal((40, 50, 2))
    assert 0.5 < metrics.wasserstein(plane, 0 * plane) < 1  # E|z| of a normal is .8


def test_the_energy_spectrum_of_a_damped_wave() -> None:
    x = 2 * np.pi * np.arange(32) / 32
    field = np.sin(x) + 0.1 * np.cos(3 * x)
    damped = np.sin(x) + 0.1 * np.exp(-1) * np.cos(3 * x + 1)
    truth, result = (np.tile(f, (2, 3, 1)) for f in (field, damped))
    assert metrics.log_spectrum_rmse(truth, truth) == 0
    assert metrics.log_spectrum_rmse(truth, result) == pytest.approx(2 / np.sqrt(2))
