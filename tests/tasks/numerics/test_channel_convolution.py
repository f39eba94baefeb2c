"""The compiled convolution: values and gradients of the recorded one."""

from __future__ import annotations

import pytest
import torch

from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.channel_convolution import convolved


@pytest.mark.parametrize(("channels", "dim", "mixes"), [(2, 1, True), (1, 3, True), (4, 1, False)])
def test_it_has_the_gradients_of_recorded_operations(
    channels: int, dim: int, mixes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5, 17, channels, dtype=torch.float64, generator=draw).requires_grad_()
    kernel = torch.randn(3, 17, channels, dim, dtype=torch.float64, generator=draw).requires_grad_()
    results = []
    for compiled in (True, False):
        monkeypatch.setattr(compiling, "available", lambda compiled=compiled: compiled)
        y = torch.func.vmap(lambda x, k: convolved(x, k, mixes))(x, kernel)
        results.append([y, *torch.autograd.grad((y.cumsum(2) ** 2).sum(), (x, kernel))])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_it_keeps_the_leading_axes(batch: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(0)
    x, kernel = torch.randn(*batch, 9, 2, generator=draw), torch.randn(9, 2, 3, generator=draw)
    direct = sum(torch.nn.functional.pad(x, (0, 0, i, 0))[..., :9, :] @ kernel[i] for i in range(9))
    torch.testing.assert_close(convolved(x, kernel, True), direct, rtol=1e-5, atol=1e-5)
