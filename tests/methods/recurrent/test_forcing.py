"""The fused passes of teacher forcing agree with autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dynamark.methods.recurrent import compiled, forcing
from dynamark.methods.recurrent.forcing import forced, forced_eagerly

ENGINES = ["torch", pytest.param("numba", marks=pytest.mark.skipif(not compiled.available(), reason="numba not there"))]


@pytest.fixture(params=ENGINES)
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "available", lambda: request.param == "numba")


def drawn(seeds: int, units: int = 6, windows: int = 4, steps: int = 23, dim: int = 3) -> list[Tensor]:
    g = torch.Generator().manual_seed(seeds)
    shapes = ((units,), (units, units), (units,), (windows, units), (windows, steps, dim))
    scales = (0.5, 0.4, 0.3, 1.0, 1.0)
    return [s * torch.randn(seeds, *n, generator=g, dtype=torch.float64) for n, s in zip(shapes, scales, strict=True)]


def gradients(function, tensors: list[Tensor], weight: Tensor, **settings: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    leaves = [t.clone().requires_grad_() for t in tensors[:4]]
    out = function(*leaves, tensors[4], **settings)
    return out, torch.autograd.grad((out * weight).sum(), leaves)


@pytest.mark.parametrize(("rectified", "interval"), [(2, 5), (6, 1), (0, 7), (3, 100)])
@pytest.mark.usefixtures("_engine")
def test_states_and_gradients_are_those_of_autograd(rectified: int, interval: int) -> None:
    members = drawn(3)
    weight = torch.randn(3, 23, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    settings = {"rectified": rectified, "interval": interval}
    out, grads = gradients(forced, members, weight, **settings)
    for i in range(3):
        eager, wanted = gradients(forced_eagerly, [m[i] for m in members], weight[i], **settings)
        torch.testing.assert_close(out[i], eager, rtol=1e-12, atol=1e-12)
        for got, want in zip(grads, wanted, strict=True):
            torch.testing.assert_close(got[i], want, rtol=1e-10, atol=1e-12)


def test_a_forced_unit_forgets_what_it_was_before() -> None:
    """With all units observed and forced at every step, the last state depends on the last datum alone."""
    a, w, h, z, x = (t[0] for t in drawn(1, units=3))
    z = z.requires_grad_()
    out = forced_eagerly(a, w, h, z, x, 2, 1)
    assert torch.autograd.grad(out[-1].sum(), z, retain_graph=True)[0].abs().max() == 0
    assert torch.autograd.grad(out[0].sum(), z)[0].abs().max() > 0
    phi = torch.cat([x[:, -1, :1], x[:, -1, 1:].relu()], dim=-1)
    torch.testing.assert_close(out[-1], a * x[:, -1] + phi @ w.T + h)


def test_the_engine_is_torch_on_other_devices() -> None:
    assert forcing._engine(torch.empty(0, device="meta"))[0] is forcing._forward
