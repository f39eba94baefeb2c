"""FFT convolution and the diagonal scan against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.tasks.numerics.convolution import causal_convolution, filtered
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


def test_a_bank_filters_every_channel() -> None:
    x, bank = draw(2, 11, 3), draw(11, 4)
    made = filtered(x, bank)
    for c in range(3):
        for j in range(4):
            expected = np.stack([np.convolve(line, bank[:, j])[:11] for line in x[..., c]])
            np.testing.assert_allclose(made[..., c, j], expected, atol=1e-13)


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
