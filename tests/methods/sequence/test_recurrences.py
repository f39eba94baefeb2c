"""Recurrences with gradients written by hand: against plain loops that autograd records, one member and several."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sequence_problems import blind_and_sighted, simulators, typical_error
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from dynamark.methods.sequence.cfc import CfC
from dynamark.methods.sequence.gru import GRU
from dynamark.methods.sequence.lowrank import LowRankGRU
from dynamark.methods.sequence.lstm import LSTM
from dynamark.methods.sequence.ltc import LTC, LTCLayer
from dynamark.methods.sequence.stack import SequenceMethod
from dynamark.tasks.numerics import compiling


def plain_lstm(layer: Any, x: Tensor) -> Tensor:
    """PyTorch's own LSTM with these weights; it orders the gates i, f, g, o."""
    units = layer.recurrent.shape[0]
    own = nn.LSTM(x.shape[-1], units, batch_first=True).double()
    order = [*range(2 * units), *range(3 * units, 4 * units), *range(2 * units, 3 * units)]
    weights = {
        "weight_ih_l0": layer.inputs.weight.mT[order],
        "weight_hh_l0": layer.recurrent.mT[order],
        "bias_ih_l0": layer.inputs.bias[order],
        "bias_hh_l0": torch.zeros(4 * units, dtype=torch.float64),
    }
    states: Tensor = functional_call(own, weights, (x,))[0]
    return layer.outputs(states)


def plain_gru(layer: Any, x: Tensor) -> Tensor:
    """PyTorch's own GRU with these weights; its update gate is in the middle too."""
    units = layer.recurrent.shape[0]
    own = nn.GRU(x.shape[-1], units, batch_first=True).double()
    weights = {
        "weight_ih_l0": layer.inputs.weight.mT,
        "weight_hh_l0": layer.recurrent.mT,
        "bias_ih_l0": layer.inputs.bias,
        "bias_hh_l0": torch.cat([torch.zeros(2 * units, dtype=torch.float64), layer.bias]),
    }
    states: Tensor = functional_call(own, weights, (x,))[0]
    return layer.outputs(states)


def plain_cfc(layer: Any, x: Tensor) -> Tensor:
    h, out = x.new_zeros(len(x), layer.recurrent.shape[0]), []
    for t in range(x.shape[1]):
        z = 1.7159 * torch.tanh(0.666 * (layer.inputs(x[:, t, :-1]) + h @ layer.recurrent))
        first, second, a, b = (z @ layer.heads + layer.bias).chunk(4, dim=-1)
        mix = torch.sigmoid(a * x[:, t, -1:] + b)
        h = torch.tanh(first) * (1 - mix) + mix * torch.tanh(second)
        out.append(layer.outputs(h))
    return torch.stack(out, dim=1)


def plain_ltc(layer: Any, x: Tensor) -> Tensor:
    """The fused step, written neuron by neuron from the differential equation."""
    g, c = functional.softplus(layer.leak), functional.softplus(layer.capacitance)
    s, r = layer.sensory, layer.recurrent
    v, out = x.new_zeros(len(x), len(g)), []
    for t in range(x.shape[1]):
        u, delta = x[:, t, :-1], x[:, t, -1] / layer.cell.unfolds
        for _ in range(layer.cell.unfolds):
            after = []
            for i in range(len(g)):
                top = c[i] / delta * v[:, i] + g[i] * layer.rest[i]
                bottom = c[i] / delta + g[i]
                for source, synapse in ((u, s), (v, r)):
                    gate = torch.sigmoid(synapse.slope[:, i] * (source - synapse.threshold[:, i]))
                    gate = gate * functional.softplus(synapse.strength[:, i])
                    top, bottom = top + gate @ synapse.reversal[:, i], bottom + gate.sum(1)
                after.append(top / bottom)
            v = torch.stack(after, dim=1)
        out.append(layer.outputs(v))
    return torch.stack(out, dim=1)


CASES: list[tuple[SequenceMethod, Callable[[Any, Tensor], Tensor]]] = [
    (LSTM(units=5), plain_lstm),
    (GRU(units=5), plain_gru),
    (CfC(units=4, backbone=6), plain_cfc),
    (LTC(units=3, unfolds=2), plain_ltc),
]


numba_only = pytest.mark.skipif(not compiling.available(), reason="numba not there")


@pytest.fixture(params=["torch", pytest.param("numba", marks=numba_only)])
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "available", lambda: request.param == "numba")


@pytest.mark.usefixtures("_engine")
@pytest.mark.parametrize(("method", "plain"), CASES, ids=lambda x: str(x) if isinstance(x, SequenceMethod) else "")
def test_outputs_and_gradients_are_those_of_the_plain_loop(
    method: SequenceMethod, plain: Callable[[Any, Tensor], Tensor]
) -> None:
    draw = torch.Generator().manual_seed(0)
    layers = [method.layer(3, 2, 7, draw).double() for _ in range(3)]
    x = torch.randn(3, 4, 7, 3, generator=draw, dtype=torch.float64)
    x[..., -1] = x[..., -1].abs() + 0.1
    x.requires_grad_(True)
    aim = torch.randn(3, 4, 7, 2, generator=draw, dtype=torch.float64)
    parameters, buffers = stack_module_state(layers)

    def loss(parameters: Any, buffers: Any, x: Tensor, aim: Tensor) -> Tensor:
        return ((functional_call(layers[0], (parameters, buffers), (x,)) - aim) ** 2).sum()

    together = vmap(loss)(parameters, buffers, x, aim)
    together.sum().backward()
    of_x = x.grad
    assert of_x is not None
    for k, layer in enumerate(layers):
        one = x[k].detach().requires_grad_(True)
        alone = ((plain(layer, one) - aim[k]) ** 2).sum()
        alone.backward()
        assert float(together[k].detach()) == pytest.approx(float(alone.detach()), rel=1e-12)
        assert one.grad is not None
        seen = slice(None, -1) if method.timed else slice(None)
        np.testing.assert_allclose(of_x[k, ..., seen], one.grad[..., seen], atol=1e-9)
        for name, parameter in layer.named_parameters():
            stacked = parameters[name].grad
            assert stacked is not None
            assert parameter.grad is not None, name
            np.testing.assert_allclose(stacked[k], parameter.grad, atol=1e-9, err_msg=name)


def test_a_liquid_neuron_relaxes_by_its_differential_equation() -> None:
    """With many unfolds the fused step follows c v' = -g (v - v_l) + w s (E - v), one neuron without recurrence."""
    layer = LTCLayer(1, 4000, 2, 1, torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        layer.recurrent.strength.fill_(-60.0)  # softplus of it is 0
    g, c = functional.softplus(layer.leak), functional.softplus(layer.capacitance)
    s = layer.sensory
    gate = functional.softplus(s.strength) * torch.sigmoid(s.slope * (0.7 - s.threshold))
    rate, level = (g + gate.sum()) / c, (g * layer.rest + (gate * s.reversal).sum()) / (g + gate.sum())
    x = torch.tensor([[[0.7, 1.5]]], dtype=torch.float64)
    expected = level * (1 - torch.exp(-rate * 1.5))
    np.testing.assert_allclose(layer.potentials(x)[0, 0].detach(), expected.detach(), rtol=1e-3)


def test_liquid_states_are_bounded_for_any_input() -> None:
    layer = LTCLayer(8, 6, 2, 1, torch.Generator().manual_seed(0))
    x = torch.cat([60 * torch.rand(4, 50, 1) - 30, torch.rand(4, 50, 1) * 3], dim=-1)
    v = layer.potentials(x)
    assert v.abs().max() <= 1
    assert v.std() > 0.05


def test_low_rank_factors_make_the_matrix_of_the_gates() -> None:
    method = LowRankGRU(units=6, rank=2)
    layer: Any = method.layer(1, 1, 5, torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.diagonal.copy_(torch.randn(3, 6))
    for gate, block in enumerate(layer.recurrent().split(6, dim=1)):
        rest = block - torch.diag(layer.diagonal[gate])
        assert torch.linalg.matrix_rank(rest) == 2
    assert replace(method, diagonal=False).layer(1, 1, 5, torch.Generator()).diagonal is None
    full = sum(p.numel() for p in LowRankGRU(units=64, rank=4).layer(1, 1, 5, torch.Generator()).parameters())
    assert full < (3 * 64 * 64) / 4 + 6 * 64


SYSTEM: dict[str, Any] = {"time": 24, "pole": 0.8}
METHODS: list[SequenceMethod] = [
    LSTM(units=8, steps=120, rate=2e-2),
    CfC(units=8, backbone=16, steps=120, rate=2e-2),
    LTC(units=8, unfolds=3, steps=120, rate=5e-2),
    LowRankGRU(units=8, rank=2, steps=120, rate=2e-2),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_training_finds_the_system_whatever_the_neighbors(method: SequenceMethod) -> None:
    """Medians of twelve seeds: .018 to .036."""
    assert typical_error(method, **SYSTEM) < 0.1
    short = replace(method, steps=4)
    for a, b in zip(simulators(short, 3, **SYSTEM), simulators(short, 2, **SYSTEM), strict=False):
        for p, q in zip(a.network.parameters(), b.network.parameters(), strict=True):
            assert torch.equal(p, q)


@pytest.mark.parametrize("depth", [1, 2])
def test_cells_of_continuous_time_use_the_gap(depth: int) -> None:
    blind, sighted = blind_and_sighted(CfC(units=8, backbone=16, steps=200, rate=4e-2, depth=depth, width=6, batch=16))
    assert np.mean(sighted) < 0.5
    assert min(blind) > 0.9


@pytest.mark.parametrize("kind", ["cfc", "ltc"])
def test_cells_agree_with_the_package_of_their_authors(kind: str) -> None:
    """See tests/benchmarks/continuous_cells.py for how to put `ncps` on the path."""
    pytest.importorskip("ncps")
    from tests.benchmarks.continuous_cells import difference

    assert difference(kind) < 1e-5
    assert math.isfinite(difference(kind))
