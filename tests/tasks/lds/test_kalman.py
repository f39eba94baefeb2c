"""The Kalman filter against the conditional mean of the joint Gaussian, written out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from dynamark.tasks.lds.data import excitation, normalized, simulate
from dynamark.tasks.lds.kalman import KalmanFilter
from dynamark.tasks.lds.systems import Shape, draw


@pytest.mark.parametrize(
    ("spectrum", "drive", "noise"),
    [
        ("asym", "white", "nw+nv"),
        ("nonnormal", "white", "nw+nv"),
        ("delay", "white", "nw+nv"),
        ("sym_pos", "start", "nv"),
        ("rot", "none", "nv"),
        ("sym", "white", "nv"),
    ],
)
@pytest.mark.parametrize("seen", [None, 9])
def test_predictions_are_conditional_means(spectrum: str, drive: str, noise: str, seen: int | None) -> None:
    time, channels = 12, 2 if drive == "white" else 0
    s = normalized(draw(spectrum, Shape(8, time, channels, 2), np.random.default_rng(0)), time, drive)
    e = excitation(s, noise, drive)
    rng = np.random.default_rng(1)
    u = rng.standard_normal((1, time, channels))
    y, clean = simulate(s, u, e, rng)
    n = s.order
    a = scipy.linalg.block_diag(*s.blocks)
    powers = [np.linalg.matrix_power(a, i) for i in range(time + 1)]
    # y - clean is Gaussian of mean 0: rows C A^{t-s} sqrt(Q) of process noise, C A^{t+1} of x_0, and v.
    rows = np.zeros((time, 2, (time + 1) * n))
    for t in range(time):
        rows[t, :, :n] = e.start * s.c @ powers[t + 1]
        for k in range(t + 1):
            rows[t, :, n * (k + 1) : n * (k + 2)] = (s.c @ powers[t - k]) * e.process
    flat = rows.reshape(2 * time, -1)
    covariance = flat @ flat.T + e.measured**2 * np.eye(2 * time)
    kalman = KalmanFilter.of(s, e, time, seen)
    predicted = kalman.predict(y, u)
    for t in range(time):
        known = 2 * min(t, seen or time)
        own = slice(2 * t, 2 * t + 2)
        gain = np.linalg.solve(covariance[:known, :known], covariance[:known, own]).T if known else np.zeros((2, 0))
        mean = clean[0, t] + gain @ (y - clean)[0].reshape(-1)[:known]
        np.testing.assert_allclose(predicted[0, t], mean, atol=1e-9)
        expected = covariance[own, own] - gain @ covariance[:known, own]
        np.testing.assert_allclose(kalman.innovation[t], expected, atol=1e-9)


def test_innovations_have_the_covariance_that_the_filter_says() -> None:
    s = normalized(draw("sym_pos", Shape(16, 128, 1, 1), np.random.default_rng(0)), 128, "white")
    e = excitation(s, "nw+nv", "white")
    rng = np.random.default_rng(1)
    u = rng.standard_normal((300, 128, 1))
    y, _ = simulate(s, u, e, rng)
    kalman = KalmanFilter.of(s, e, 128)
    assert np.mean((y - kalman.predict(y, u)) ** 2) == pytest.approx(kalman.innovation.mean(), rel=0.03)


def test_no_filter_without_measurement_noise() -> None:
    s = draw("sym_pos", Shape(4, 16, 1, 1), np.random.default_rng(0))
    with pytest.raises(ValueError, match="singular"):
        KalmanFilter.of(s, excitation(s, "n0", "white"), 16)
