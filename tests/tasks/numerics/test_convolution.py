"""FFT convolution and the diagonal scan against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.tasks.numerics.convolution import (
    causal_convolution,
    channelwise_convolution,
    combined_convolution,
    filtered,
)
from dynamark.tasks.numerics.invariant_scan import invariant_scan
from dynamark.tasks.numerics.scan import diagonal_scan


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize(("time", "lags"), [(7, 3), (5, 9), (16, 16), (1, 1)])
def test_convolution_is_the_sum_over_the_past(time: int, lags: int) -> None:
    x, kernel = draw(2, time, 3), draw(lags, 3, 2)
    expected = torch.zeros(2, time, 2, dtype=torch.float64)
    for t in range(time):
        for i in range(min(t + 1, lags)):
            expected[:, t] += x[:, t - i] @ kernel[i]
    np.testing.assert_allclose(causal_convolution(x, kernel), expected, atol=1e-13)


@pytest.mark.parametrize(("time", "lags"), [(7, 3), (5, 9), (16, 16), (1, 1)])
def test_channels_with_kernels_of_their_own_do_not_mix(time: int, lags: int) -> None:
    x, kernel = draw(2, time, 3), draw(lags, 3)
    expected = causal_convolution(x, torch.diag_embed(kernel))
    np.testing.assert_allclose(channelwise_convolution(x, kernel), expected, atol=1e-13)


@pytest.mark.parametrize("time", [3, 11, 20])
def test_a_combination_of_filters_is_the_convolution_with_their_sum(time: int) -> None:
    x, bank, mix, taps = draw(2, time, 3), draw(11, 4), draw(4, 3, 2), draw(2, 3, 2)
    kernel = torch.einsum("lf,fcd->lcd", bank, mix)
    kernel[:2] += taps
    np.testing.assert_allclose(combined_convolution(x, bank, mix, taps), causal_convolution(x, kernel), atol=1e-13)


def test_a_bank_filters_every_channel() -> None:
    x, bank = draw(2, 11, 3), draw(11, 4)
    result = filtered(x, bank)
    for c in range(3):
        for j in range(4):
            expected = np.stack([np.convolve(line, bank[:, j])[:11] for line in x[..., c]])
            np.testing.assert_allclose(result[..., c, j], expected, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_the_scan_is_the_recurrence_and_its_gradient_is_right(dtype: torch.dtype) -> None:
    a, b = draw(2, 6, 3, dtype=dtype).requires_grad_(), draw(2, 6, 3, dtype=dtype).requires_grad_()
    h, state = diagonal_scan(a, b), torch.zeros(2, 3, dtype=dtype)
    for t in range(6):
        state = a[:, t] * state + b[:, t]
        np.testing.assert_allclose(h[:, t].detach(), state.detach(), rtol=1e-12)
    assert torch.autograd.gradcheck(diagonal_scan, (a, b))


def test_the_scan_broadcasts_and_maps_over_members() -> None:
    a, b = draw(4, 1, 3).requires_grad_(), draw(4, 2, 6, 3)
    together = torch.func.vmap(diagonal_scan)(a, b)
    apart = torch.stack([diagonal_scan(x, y) for x, y in zip(a, b, strict=True)])
    assert torch.equal(together, apart)
    (one,) = torch.autograd.grad(together.square().sum(), a)
    (two,) = torch.autograd.grad(apart.square().sum(), a)
    np.testing.assert_allclose(one, two, rtol=1e-12)


def test_the_scan_with_constant_coefficients_is_the_other_one() -> None:
    a = (0.9 * torch.exp(1j * draw(3))).requires_grad_()
    b = draw(2, 6, 6).requires_grad_()
    drive = torch.complex(b[..., :3], b[..., 3:])
    expected = diagonal_scan(a.expand(drive.shape), drive).detach()
    actual = invariant_scan(a, b).detach()
    np.testing.assert_allclose(torch.complex(actual[..., :3], actual[..., 3:]), expected, rtol=1e-12, atol=1e-14)
    assert torch.autograd.gradcheck(invariant_scan, (a, b))


def test_the_scan_with_constant_coefficients_maps_over_members() -> None:
    a, b = 0.5 * draw(4, 3, dtype=torch.complex128), draw(4, 2, 6, 6)
    together = torch.func.vmap(invariant_scan)(a, b)
    assert torch.equal(together, torch.stack([invariant_scan(x, y) for x, y in zip(a, b, strict=True)]))


def test_slow_modes_keep_their_phase_in_single_precision() -> None:
    """After 4,096 steps of a mode of modulus 0.9999 the error is that of storing the state, not of carrying it."""
    a = torch.tensor([0.9999 * np.exp(0.7j)])
    drive = torch.zeros(4096, 2)
    drive[0, 0] = 1
    expected = a ** torch.arange(4096)[:, None]
    actual = invariant_scan(a, drive)
    np.testing.assert_allclose(torch.complex(actual[:, :1], actual[:, 1:]), expected, rtol=2e-7)
