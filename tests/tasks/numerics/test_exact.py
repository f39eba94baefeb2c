"""Exact arithmetic against NumPy, and the transform against pocketfft.

NumPy has elementary functions of its own for some processors, so the truth is theirs in extended precision, which has none.
"""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.numerics import exact
from dynamark.tasks.numerics.fourier import convolve, fourier, inverse_fourier

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("exp", RNG.uniform(-600, 600, 10_000)),
        ("sin", RNG.uniform(-1e5, 1e5, 10_000)),
        ("cos", RNG.uniform(-1e5, 1e5, 10_000)),
        ("arctan", RNG.standard_cauchy(10_000)),
    ],
)
def test_elementary_functions(name: str, x: np.ndarray) -> None:
    truth = getattr(np, name)(x.astype(np.longdouble))
    assert np.max(np.abs(getattr(exact, name)(x) - truth) / np.maximum(1, np.abs(truth))) < 1e-15


def test_elementary_functions_at_special_places() -> None:
    actual = [float(f(x)) for f, x in ((exact.exp, 0.0), (exact.log, 1.0), (exact.sin, 0.0), (exact.cos, 0.0))]
    assert actual == [1, 0, 0, 1]
    assert exact.exp(-700.0) == pytest.approx(np.exp(-700.0), rel=1e-14)
    assert exact.arctan(1e150) == pytest.approx(np.pi / 2)


def test_logarithm_and_power() -> None:
    x = np.exp(RNG.uniform(-50, 50, 10_000))
    extended = x.astype(np.longdouble)
    np.testing.assert_allclose(exact.log(x), np.log(extended), rtol=1e-15, atol=2e-16)
    np.testing.assert_allclose(exact.power(x[:9], 0.3), extended[:9] ** np.longdouble(0.3), rtol=1e-14)


def test_products() -> None:
    a, b = RNG.standard_normal((4, 7, 5)), RNG.standard_normal((4, 5, 3))
    np.testing.assert_allclose(exact.contract(a, b), a @ b, rtol=1e-13, atol=1e-14)
    rows, columns = np.broadcast_arrays(a[..., None, :], b.swapaxes(1, 2)[:, None])
    np.testing.assert_allclose(exact.inner(rows, columns), a @ b, rtol=1e-13, atol=1e-14)


def test_orthonormal_is_the_q_of_qr() -> None:
    x = RNG.standard_normal((50, 6))
    q, r = np.linalg.qr(x)
    np.testing.assert_allclose(exact.orthonormal(x), q * np.sign(np.diagonal(r)), atol=1e-14)


def test_thin_svd_against_lapack() -> None:
    left, right = RNG.standard_normal((20, 4)), RNG.standard_normal((15, 4))
    u, s, v = exact.thin_svd(left, right)
    np.testing.assert_allclose(u * s @ v.T, left @ right.T, atol=1e-13)
    np.testing.assert_allclose(s, np.linalg.svd(left @ right.T, compute_uv=False)[:4], rtol=1e-13)
    for frame in (u, v):
        np.testing.assert_allclose(frame.T @ frame, np.eye(4), atol=1e-14)


def test_settled_forgets_the_last_digits() -> None:
    assert exact.settled(1.23456789012) == exact.settled(1.23456789012 * (1 + 1e-15)) == 1.23456789
    assert exact.settled(0.0) == 0


@pytest.mark.parametrize("n", [1, 2, 3, 64, 96, 1024])
def test_transform(n: int) -> None:
    x = RNG.standard_normal((2, n, 3))
    ours, theirs = fourier(x), np.fft.fft(x[0] + 1j * x[1], axis=0)
    np.testing.assert_allclose(ours[0] + 1j * ours[1], theirs, atol=1e-12)
    np.testing.assert_allclose(inverse_fourier(ours), x, atol=1e-14)


def test_transform_of_other_lengths_says_so() -> None:
    with pytest.raises(ValueError, match="at most 15 times a power of two"):
        fourier(np.zeros((2, 34)))


@pytest.mark.parametrize(("time", "count", "lags"), [(1, 1, 1), (50, 3, 50), (50, 4, 7), (30, 2, 60)])
def test_convolution(time: int, count: int, lags: int) -> None:
    x, kernel = RNG.standard_normal((time, count)), RNG.standard_normal(lags)
    truth = np.stack([np.convolve(column, kernel)[:time] for column in x.T], axis=1)
    np.testing.assert_allclose(convolve(x, kernel), truth, atol=1e-12)
