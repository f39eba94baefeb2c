"""Sequence layers against recurrences written out and PyTorch's own cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dynamark.errors import UserError
from dynamark.methods.cohort import Stacked
from dynamark.methods.sequence.convolutional import LRU, S4D, S5, STU, KernelLayer, s4d_poles
from dynamark.methods.sequence.gru import GRU, gru_scan
from dynamark.methods.sequence.s4 import S4, S4PTD
from dynamark.methods.sequence.stack import SequenceMethod, Stack
from dynamark.tasks.numerics.spectral_filters import spectral_filters

LENGTH = 24
METHODS: list[SequenceMethod] = [
    S4D(modes=4, banks=2),
    LRU(states=6),
    S5(states=6),
    STU(filters=5),
    GRU(units=4),
    S4D(modes=2, banks=1, depth=2, width=3, activation="gelu"),
]


def network(method: SequenceMethod, channels: int = 2, dim: int = 3, seed: int = 0) -> Stack:
    return Stack(method, channels, dim, LENGTH, torch.Generator().manual_seed(seed))


def sequences(seed: int = 0, channels: int = 2) -> torch.Tensor:
    return torch.randn(2, LENGTH, channels, generator=torch.Generator().manual_seed(seed))


def perturbed(method: SequenceMethod) -> Stack:
    """A network none of whose parameters is zero."""
    model = network(method)
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draw))
    return model


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("cut", [0, 1, 11, 23])
def test_layers_are_causal(method: SequenceMethod, cut: int) -> None:
    result, x = perturbed(method), sequences()
    other = torch.cat([x[:, :cut], 3 * sequences(1)[:, cut:]], dim=1)
    a, b = result(x), result(other)
    assert a.shape == (2, LENGTH, 3)
    assert (a - b)[:, :cut].abs().sum() <= 1e-4 * a.abs().sum()
    assert (a - b)[:, cut].abs().min() > 1e-6
    # And the gradient of an output with respect to later inputs is nothing.
    x.requires_grad_()
    (slope,) = torch.autograd.grad(result(x)[:, cut].sum(), x)
    assert slope[:, cut + 1 :].abs().sum() <= 1e-4 * slope.abs().sum()


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_members_of_a_cohort_are_themselves(method: SequenceMethod) -> None:
    alone = [network(method, seed=k) for k in range(3)]
    x = torch.stack([sequences(k) for k in range(3)])
    together = Stacked(alone)
    outputs = together.each(lambda module, x: module(x), x)
    losses = together.each(lambda module, x: module(x).square().mean(), x)
    losses.sum().backward()
    for k, single in enumerate(alone):
        np.testing.assert_allclose(outputs[k].detach(), single(x[k]).detach(), atol=2e-5)
        single(x[k]).square().mean().backward()
        for name, p in single.named_parameters():
            got = together.parameters[name].grad
            assert got is not None
            np.testing.assert_allclose(got[k], p.grad, atol=2e-4 * (1 + p.grad.abs().max()))


def test_s4d_is_its_recurrence() -> None:
    layer = perturbed(S4D(modes=3, banks=2)).layer
    x = sequences().double()
    step = layer.log_step.double().exp()
    a = torch.complex(-layer.log_decay.double().exp(), layer.frequency.double())
    move, enter = torch.exp(a * step), (torch.exp(a * step) - 1) / a
    c = torch.view_as_complex(layer.c.double()).unflatten(-1, (2, 3))
    state = torch.zeros(2, 2, 2, 3, dtype=torch.complex128)
    for t in range(LENGTH):
        state = move * state + enter * x[:, t, :, None, None]
        y = 2 * torch.einsum("nibm,iobm->no", state, c).real + x[:, t] @ layer.d.double()
        np.testing.assert_allclose(layer(x)[:, t].detach(), y.detach(), atol=1e-5)


def test_lru_is_its_recurrence() -> None:
    layer = perturbed(LRU(states=5)).layer
    x = sequences().double()
    pole = torch.exp(torch.complex(-layer.log_decay.double().exp(), layer.log_phase.double().exp()))
    b = torch.view_as_complex(layer.b.double()) * layer.log_scale.double().exp()
    c = torch.view_as_complex(layer.c.double())
    h = torch.zeros(2, 5, dtype=torch.complex128)
    for t in range(LENGTH):
        h = pole * h + x[:, t].to(b) @ b
        y = (h @ c.T).real + x[:, t] @ layer.d.double()
        np.testing.assert_allclose(layer(x)[:, t].detach(), y.detach(), atol=1e-5)


def test_s5_is_its_recurrence() -> None:
    layer = perturbed(S5(states=5)).layer
    with torch.no_grad():
        layer.decay[0] = 0.3  # clipped
    x = sequences().double()
    a = torch.complex(layer.decay.double().clamp(max=-1e-4), layer.frequency.double())
    step = layer.log_step.double().exp()
    b = torch.view_as_complex(layer.b.double()) * (torch.exp(a * step) - 1) / a
    h = torch.zeros(2, 5, dtype=torch.complex128)
    for t in range(LENGTH):
        h = torch.exp(a * step) * h + x[:, t].to(b) @ b
        y = (h @ torch.view_as_complex(layer.c.double()).T).real + x[:, t] @ layer.d.double()
        np.testing.assert_allclose(layer(x)[:, t].detach(), y.detach(), atol=1e-5)


def test_lru_starts_inside_its_ring_with_unit_power() -> None:
    layer = network(LRU(states=400, radius=(0.9, 0.99), phase=0.5)).layer
    radius, phase = torch.exp(-layer.log_decay.exp()), layer.log_phase.exp()
    assert radius.min() >= 0.9
    assert radius.max() <= 0.9901
    assert phase.max() <= 0.5
    assert (radius.square().mean() - (0.81 + 0.9801) / 2).abs() < 0.01
    np.testing.assert_allclose(layer.log_scale.exp().detach(), (1 - radius**2).sqrt().detach(), rtol=1e-3)


def test_stu_sums_filtered_inputs() -> None:
    layer = perturbed(STU(filters=4, taps=2)).layer
    values, phi = spectral_filters(LENGTH, 4)
    x = sequences().double()
    filters = (
        torch.cat([phi, phi * (-1.0) ** torch.arange(LENGTH)[:, None]], dim=1) * torch.cat([values, values]) ** 0.25
    )
    expected = torch.zeros(2, LENGTH, 3, dtype=torch.float64)
    for t in range(LENGTH):
        for i in range(t + 1):
            gain = (filters[i, :, None, None] * layer.mix.double()).sum(0)
            expected[:, t] += x[:, t - i] @ (gain + (layer.taps[i].double() if i < 2 else 0))
    np.testing.assert_allclose(layer(x).detach(), expected.detach(), atol=1e-5)


def test_gru_agrees_with_pytorch() -> None:
    layer, fused = perturbed(GRU(units=4)).layer.double(), nn.GRU(2, 4, batch_first=True).double()
    with torch.no_grad():
        fused.weight_ih_l0.copy_(layer.inputs.weight.T)
        fused.weight_hh_l0.copy_(layer.recurrent.T)
        fused.bias_ih_l0.copy_(layer.inputs.bias)
        fused.bias_hh_l0.copy_(torch.cat([torch.zeros(8), layer.bias]))
    x = sequences().double()
    expected = fused(x)[0] @ layer.outputs.weight + layer.outputs.bias
    np.testing.assert_allclose(layer(x).detach(), expected.detach(), atol=1e-12)


def test_the_gradient_of_the_gru_is_right() -> None:
    draw = torch.Generator().manual_seed(0)
    args = [torch.randn(*s, generator=draw, dtype=torch.float64).requires_grad_() for s in ((5, 2, 9), (3, 9), (3,))]
    assert torch.autograd.gradcheck(gru_scan, args)


def test_initial_poles_of_s4d() -> None:
    n = np.arange(8)
    np.testing.assert_allclose(s4d_poles("lin", 8), -0.5 + 1j * np.pi * n)
    np.testing.assert_allclose(s4d_poles("real", 8), -(n + 1))
    assert s4d_poles("inv", 8)[0] == pytest.approx(-0.5 + 1j * 16 / np.pi * 15)
    legs = s4d_poles("legs", 8)
    np.testing.assert_allclose(legs.real, -0.5)
    # The largest imaginary part grows like N^2 / pi.
    assert s4d_poles("legs", 32).imag.max() == pytest.approx(64**2 / np.pi, rel=0.02)
    with pytest.raises(UserError, match="initialization"):
        s4d_poles("nonsense", 8)


@pytest.mark.parametrize("method", [LRU(states=6), S5(states=6), STU(filters=2, taps=2)], ids=str)
def test_a_wide_layer_is_its_kernel_by_another_way(method: SequenceMethod) -> None:
    """Many pairs of input and output go through a scan or through the transforms of the filters instead of a kernel a pair."""
    draw = torch.Generator().manual_seed(0)
    layer = method.layer(5, 4, LENGTH, draw).double()
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draw).to(p))
    x = torch.randn(2, LENGTH, 5, generator=draw, dtype=torch.float64)
    weight = torch.randn(2, LENGTH, 4, generator=draw, dtype=torch.float64)
    results = []
    for forward in (type(layer).forward, KernelLayer.forward):
        y = forward(layer, x)
        results.append([y, *torch.autograd.grad((weight * y).sum(), list(layer.parameters()))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("method", [S4D(modes=4), S4(modes=4), S4PTD(modes=4)], ids=str)
def test_a_block_of_state_spaces_keeps_channels_apart(method: SequenceMethod) -> None:
    draw = torch.Generator().manual_seed(0)
    layer = method.block_layer(3, LENGTH, draw)
    x = torch.randn(2, LENGTH, 3, generator=draw)
    other = x.clone()
    other[..., 1] += 1
    moved = (layer(x) - layer(other)).abs().amax((0, 1))
    assert moved[1] > 1e-3
    assert moved[[0, 2]].max() < 1e-6
    assert Stack(replace(method, depth=2), 3, 1, LENGTH, draw).blocks[0].mix is not None


@pytest.mark.parametrize("method", [S4D(), S4(), S4PTD()], ids=str)
def test_a_layer_with_too_large_an_impulse_response_is_refused_in_words(method: SequenceMethod) -> None:
    remedy = r"64,800,000 values \(200 inputs, 200 outputs, 1620 steps\), more than 16,777,216; use depth=2"
    with pytest.raises(UserError, match=remedy):
        Stack(method, 200, 200, 1620, torch.Generator())
    Stack(replace(method, depth=2), 200, 200, 1620, torch.Generator())
