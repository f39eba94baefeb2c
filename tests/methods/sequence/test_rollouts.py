"""Recurrent inference: step by step a network answers as by its whole pass, and its cost a step does not grow."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from dynamark.methods.sequence.cfc import CfC
from dynamark.methods.sequence.controlled import SLiCE
from dynamark.methods.sequence.convolutional import LRU, S4D, S5, STU
from dynamark.methods.sequence.gru import GRU
from dynamark.methods.sequence.lowrank import LowRankGRU
from dynamark.methods.sequence.lstm import LSTM
from dynamark.methods.sequence.ltc import LTC
from dynamark.methods.sequence.mamba import Mamba
from dynamark.methods.sequence.perturbed_s5 import S5PTD
from dynamark.methods.sequence.s4 import S4, S4PTD
from dynamark.methods.sequence.sparse_cfc import LowRankCfC
from dynamark.methods.sequence.stack import SequenceMethod, SequenceModel, Sight, Stack
from dynamark.tasks.numerics import compiling
from dynamark.tasks.problems import Trajectories

METHODS: list[SequenceMethod] = [
    S4D(modes=3, banks=2),
    S4(modes=4, banks=2),
    S4(modes=4, banks=2, basis="legt"),
    S4PTD(modes=3, banks=2),
    LRU(states=6),
    S5(states=5),
    S5PTD(states=4),
    STU(filters=6, taps=2),
    GRU(units=5),
    LowRankGRU(units=5, rank=2),
    LSTM(units=5),
    CfC(units=4, backbone=6),
    LowRankCfC(units=4, backbone=6, rank=2),
    LTC(units=4, unfolds=3),
    Mamba(lanes=6, states=3, taps=3),
    SLiCE(states=4, structure="dplr", rank=2, dt=0.1),
]
NUMBA = pytest.param("numba", marks=pytest.mark.skipif(not compiling.available(), reason="numba not there"))
TIME, SEEN = 30, 12


@pytest.fixture(params=["numpy", NUMBA])
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "available", lambda: request.param == "numba")


def drawn(method: SequenceMethod, double: bool = True) -> SequenceModel:
    """An untrained network with random weights everywhere, that sees two inputs and two outputs."""
    draw = torch.Generator().manual_seed(3)
    network = Stack(method, 4 + int(method.timed), 2, TIME, draw)
    with torch.no_grad():
        for name, p in network.named_parameters():
            if name.endswith(("mix", "taps", "bias", "shift")):
                p.add_(0.1 * torch.randn(p.shape, generator=draw))
    return SequenceModel(network.double() if double else network, _Sight(True, timed=method.timed, double=double))


class _Sight(Sight):
    """What a network of either precision sees."""

    def __init__(self, recursive: bool, timed: bool, double: bool) -> None:
        super().__init__(recursive, timed=timed)
        object.__setattr__(self, "double", double)

    def __call__(self, paths: Trajectories) -> torch.Tensor:
        seen = super().__call__(replace(paths))
        if not self.double:  # type: ignore[attr-defined]
            return seen
        parts = [paths.inputs, torch.zeros_like(paths.observations)]
        parts[1][:, 1:] = paths.observations[:, :-1]
        return torch.cat([*parts, *([torch.ones_like(parts[1][..., :1])] if self.timed else [])], dim=-1)


def by_whole_passes(model: SequenceModel, y: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """The definition: the whole network again for every further output."""
    y = y.clone()
    y[:, SEEN:] = 0
    with torch.no_grad():
        for t in range(SEEN, TIME):
            known = Trajectories(y[:, : t + 1], u[:, : t + 1])
            y[:, t] = model.network(model.sight(known))[:, -1]
    return y[:, SEEN:]


def data() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    y, u = (torch.randn(3, TIME, 2, generator=draw, dtype=torch.float64) for _ in range(2))
    return y, u


@pytest.mark.usefixtures("_engine")
@pytest.mark.parametrize("method", METHODS, ids=lambda m: repr(m)[:28])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_rollout_is_that_of_whole_passes(method: SequenceMethod, depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if depth == 2:
        method = replace(method, depth=2, width=4, activation="gelu")
    y, u = data()
    context = Trajectories(y[:, :SEEN], u[:, :SEEN])
    # S4's convolution inverts its generating function to 1e-7 only: the steps are the more exact ones.
    exact = 1e-6 if type(method) is S4 else 1e-9
    for double, tolerance in ((True, exact), (False, 1e-5)):
        model = drawn(method, double)
        wanted = by_whole_passes(model, y, u)
        scale = float(wanted.abs().max().clamp(min=1.0))
        with monkeypatch.context() as patch:
            patch.setattr(Stack, "forward", lambda *_: pytest.fail("a whole pass in a roll-out"))
            answer = model.forecast(context, TIME - SEEN, u[:, SEEN:])
        assert answer.dtype == y.dtype
        assert float((answer - wanted).abs().max()) < tolerance * scale


@pytest.mark.usefixtures("_engine")
@pytest.mark.parametrize("method", [GRU(units=5), S4D(modes=3, banks=2), Mamba(lanes=6, states=3)], ids=repr)
def test_predictions_far_ahead_are_rollouts_from_every_time(method: SequenceMethod) -> None:
    y, u = data()
    model, horizon = drawn(method), 4
    (ahead,) = model.predict(Trajectories(y, u), (horizon,))
    for t in (0, 1, 9, TIME - horizon):
        context = Trajectories(y[:, :t], u[:, :t])
        wanted = model.forecast(context, horizon, u[:, t : t + horizon])[:, -1]
        torch.testing.assert_close(ahead[:, t], wanted, rtol=1e-12, atol=1e-12)
    assert not ahead[:, TIME - horizon + 1 :].any()


@pytest.mark.parametrize("lag", [0, 1, 2, 3])
@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_differences_add_up_until_an_output_is_known(lag: int, horizon: int) -> None:
    method = STU(filters=6, difference=lag)
    network = Stack(method, 2, 2, TIME, torch.Generator())
    nn.init.normal_(network.layer.mix, std=0.1, generator=torch.Generator().manual_seed(0))
    model = SequenceModel(network, Sight(False), lag)
    y, u = data()
    (ahead,) = model.predict(Trajectories(y, u), (horizon,))
    for t in (0, 1, 4, TIME - horizon):
        context = Trajectories(y[:, :t], u[:, :t])
        wanted = model.forecast(context, horizon, u[:, t : t + horizon])[:, -1]
        torch.testing.assert_close(ahead[:, t], wanted, rtol=1e-4, atol=1e-5)


def test_layers_of_others_are_rolled_out_by_whole_passes() -> None:
    class Plain(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[..., :2].cumsum(-2)

    model = drawn(GRU(units=5))
    model.network.layer = Plain()
    y, u = data()
    answer = model.forecast(Trajectories(y[:, :SEEN], u[:, :SEEN]), TIME - SEEN, u[:, SEEN:])
    torch.testing.assert_close(answer, by_whole_passes(model, y, u))
