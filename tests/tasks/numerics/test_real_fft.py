"""The real transform and its gradient, against PyTorch's own and by finite differences."""

from __future__ import annotations

import pytest
import torch

from dynamark.tasks.numerics.real_fft import real_fft


@pytest.mark.parametrize(("time", "size"), [(5, 5), (5, 8), (6, 9), (4, 4), (1, 2)])
def test_the_transform_and_its_gradient(time: int, size: int) -> None:
    x = torch.randn(2, time, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weight = torch.randn(2, size // 2 + 1, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    results = []
    for transform in (real_fft, torch.fft.rfft):
        y = transform(x, size)
        (gradient,) = torch.autograd.grad((weight * y).sum().abs().square(), x)
        results.append((y, gradient))
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-13)
    assert torch.autograd.gradcheck(lambda x: real_fft(x, size), (x,))


def test_it_maps_over_members() -> None:
    x = torch.randn(3, 2, 6, generator=torch.Generator().manual_seed(0))
    mapped = torch.func.vmap(lambda x: real_fft(x, 12))(x)
    torch.testing.assert_close(mapped, torch.fft.rfft(x, 12), rtol=0, atol=0)
