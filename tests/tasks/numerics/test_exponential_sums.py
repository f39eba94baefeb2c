"""Sums of exponentials and HiPPO matrices against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import torch

from dynamark.tasks.numerics.exponential_sums import exponential_sums
from dynamark.tasks.numerics.hippo import fout, legs, legs_normal_poles, legt


@pytest.mark.parametrize("length", [1, 2, 10, 16, 37])
def test_sums_are_what_they_say(length: int) -> None:
    draw = torch.Generator().manual_seed(0)
    rates = torch.complex(
        -torch.rand(3, 5, generator=draw, dtype=torch.float64), torch.randn(3, 5, generator=draw).double()
    )
    weights = torch.randn(3, 2, 5, dtype=torch.complex128, generator=draw)
    times = torch.arange(length, dtype=torch.float64)
    expected = torch.einsum("bkn,bnl->bkl", weights, torch.exp(rates[..., None] * times)).real
    np.testing.assert_allclose(exponential_sums(rates, weights, length), expected, atol=1e-12)


def test_their_gradient_is_right() -> None:
    rates = torch.tensor([-0.3 + 1j, -0.1 - 0.5j], dtype=torch.complex128, requires_grad=True)
    weights = torch.randn(2, 2, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r, w: exponential_sums(r, w, 7), (rates, weights))


@pytest.mark.parametrize("t", [0.1, 1.3, 3.0])
def test_legs_kernels_are_legendre_polynomials_of_the_exponential(t: float) -> None:
    a, b = legs(32)
    n = np.arange(32)
    expected = np.sqrt(2 * n + 1) * scipy.special.eval_legendre(n, 2 * np.exp(-t) - 1) * np.exp(-t)
    np.testing.assert_allclose(scipy.linalg.expm(t * a) @ b, expected, atol=1e-10)


def test_legt_keeps_a_window_and_reads_it_back() -> None:
    """C_n = (-1)^n sqrt(2n+1) reads the input one window ago: for a slow sine, to many digits."""
    a, b = legt(12)
    c = (-1.0) ** np.arange(12) * b
    w = 2.0
    response = c @ np.linalg.solve(1j * w * np.eye(12) - a, b)
    assert abs(response - np.exp(-1j * w)) < 1e-9


def test_fout_holds_the_fourier_coefficients_of_a_constant() -> None:
    a, b = fout(8)
    keep = np.arange(8) != 1
    steady = np.linalg.solve(-a[np.ix_(keep, keep)], b[keep])
    np.testing.assert_allclose(steady, np.eye(8)[0][keep], atol=1e-12)


def test_the_normal_part_of_legs() -> None:
    a, _ = legs(16)
    p = np.sqrt(np.arange(16) + 0.5)
    expected = np.linalg.eigvals(a + np.outer(p, p))
    expected = expected[expected.imag > 0]
    np.testing.assert_allclose(legs_normal_poles(16), expected[np.argsort(expected.imag)], atol=1e-10)
