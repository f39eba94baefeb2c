"""Thin affine maps: values and gradients of matrix products."""

from __future__ import annotations

import pytest
import torch

from dynamark.tasks.numerics.thin import thin_affine


@pytest.mark.parametrize(("channels", "dim"), [(1, 7), (2, 9), (3, 6), (8, 1), (9, 3), (6, 7)])
@pytest.mark.parametrize("shifted", [True, False])
def test_it_is_the_product_with_its_gradients(channels: int, dim: int, shifted: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    shapes = [(3, 5, 60, channels), (3, channels, dim), *([(3, dim)] if shifted else [])]
    inputs = [torch.randn(*shape, dtype=torch.float64, generator=draw).requires_grad_() for shape in shapes]
    expected = inputs[0] @ inputs[1][:, None] + (inputs[2][:, None, None] if shifted else 0)
    actual = torch.func.vmap(thin_affine)(*inputs)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(y.sin().sum(), inputs) for y in (actual, expected)]
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-10)


def test_a_member_does_not_depend_on_its_neighbors() -> None:
    draw = torch.Generator().manual_seed(0)
    x, weight = torch.randn(4, 300, 2, generator=draw), torch.randn(4, 2, 32, generator=draw)
    together = torch.func.vmap(thin_affine)(x, weight)
    torch.testing.assert_close(
        together, torch.stack([thin_affine(a, b) for a, b in zip(x, weight, strict=True)]), rtol=0, atol=0
    )
