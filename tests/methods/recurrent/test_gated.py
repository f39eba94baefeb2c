"""Gated networks against PyTorch's cells: steps, streams that carry their state, Jacobians, training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dynamark.errors import UserError
from dynamark.methods.cohort import Stacked
from dynamark.methods.recurrent.feedback import Streams
from dynamark.methods.recurrent.gated import GatedModel, GatedNetwork, _Network, advanced
from dynamark.tasks.problems import Forecasting, Run, Trajectories

CELLS = ("lstm", "gru")


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(cell: str, units: int = 4, batch: int = 3) -> _Network:
    return _Network(GatedNetwork(cell, units, batch=batch), 2, torch.Generator().manual_seed(1)).double()


def test_a_step_is_that_of_the_lstm_cell() -> None:
    cell = nn.LSTMCell(2, 4).double()
    x, state, order = drawn(1, 5, 2), drawn(2, 5, 8), torch.tensor([0, 1, 3, 2])  # i f g o -> i f o g

    def ours(v: Tensor) -> Tensor:
        moved = v.detach().unflatten(0, (4, 4))[order].flatten(0, 1)
        return moved.T if moved.dim() == 2 else moved

    c, h = state.chunk(2, dim=-1)
    wanted_h, wanted_c = cell(x, (h, c))
    gates = x @ ours(cell.weight_ih) + ours(cell.bias_ih) + ours(cell.bias_hh)
    actual = advanced("lstm", gates, state, ours(cell.weight_hh))
    torch.testing.assert_close(actual, torch.cat([wanted_c, wanted_h], dim=-1))


def test_a_step_is_that_of_the_gru_cell() -> None:
    cell = nn.GRUCell(2, 4).double()
    cell.bias_hh.data[8:] = 0
    x, state = drawn(1, 5, 2), drawn(2, 5, 4)
    gates = x @ cell.weight_ih.T + cell.bias_ih + cell.bias_hh
    torch.testing.assert_close(advanced("gru", gates, state, cell.weight_hh.T), cell(x, state))


@pytest.mark.parametrize("cell", CELLS)
def test_two_windows_in_a_row_are_one_long_window(cell: str) -> None:
    """The state is carried over, its gradient is not; a fresh stream forgets it."""
    x = drawn(3, 1, 3, 21, 2)
    go_on, anew = torch.zeros(1, 3, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool)
    whole, halves, cut = (Stacked([network(cell)]) for _ in range(3))

    def loss(stacked: Stacked, part: Tensor, fresh: Tensor) -> Tensor:
        return stacked.each(lambda module, *batch: module(*batch), part, fresh)

    wanted = loss(whole, x, anew)
    first, second = loss(halves, x[:, :, :11], anew), loss(halves, x[:, :, 10:], go_on)
    torch.testing.assert_close((first + second) / 2, wanted)
    assert not halves.buffers["state"].requires_grad
    loss(cut, x[:, :, :11], anew)
    assert not torch.allclose(loss(cut, x[:, :, 10:], anew), second)


def test_streams_walk_along_the_data_and_start_anew_at_its_end() -> None:
    data = torch.arange(100.0)[None, :, None]
    streams = Streams(data, 4, 10, Run([1]))
    first, fresh = streams.advance()
    assert fresh.all()
    assert first.shape == (4, 11, 1)
    ends = first[:, -1, 0]
    for _ in range(30):
        window, fresh = streams.advance()
        assert (window[:, 1:, 0] - window[:, :-1, 0] == 1).all()
        assert (window[~fresh, 0, 0] == ends[~fresh]).all()
        assert (ends[fresh] + 10 >= 100).all()
        ends = window[:, -1, 0]


@pytest.mark.parametrize("cell", CELLS)
def test_the_jacobian_is_that_of_autograd(cell: str) -> None:
    model = GatedModel.of(network(cell))
    states = drawn(4, 3, 8 if cell == "lstm" else 4)
    with torch.no_grad():  # as the runner asks
        jacobian = model.jacobian(states)
    for one, got in zip(states, jacobian, strict=True):
        torch.testing.assert_close(got, torch.autograd.functional.jacobian(lambda v: model.step(v[None])[0], one))


@pytest.mark.parametrize("cell", CELLS)
def test_the_free_run_feeds_on_itself(cell: str) -> None:
    """Continuing from the context and the first predictions gives the later ones."""
    model, context = GatedModel.of(network(cell)), drawn(5, 2, 6, 2)
    forecast = model.forecast(Trajectories(context), 9)
    longer = torch.cat([context, forecast[:, :4]], dim=1)
    torch.testing.assert_close(model.forecast(Trajectories(longer), 5), forecast[:, 4:])


@pytest.mark.parametrize("cell", CELLS)
def test_training_learns_a_rotation(cell: str) -> None:
    time = 0.2 * torch.arange(800, dtype=torch.float64)
    circle = torch.stack([time.sin(), time.cos()], dim=-1)[None]
    problem = Forecasting(Trajectories(circle), Trajectories(circle), 20)
    method = GatedNetwork(cell, 12, window=10, updates=300, rate=2e-2, final_rate=2e-3)
    first, second = method.fit_forecasters([problem] * 2, [Run([1]), Run([2])])
    assert not torch.equal(first.read, second.read)
    for model in (first, second):
        assert (model.forecast(Trajectories(circle[:, :20]), 15) - circle[:, 20:35]).abs().max() < 0.3


def test_short_trajectories_are_refused_and_parameters_counted() -> None:
    paths = Trajectories(drawn(1, 1, 30, 2))
    with pytest.raises(UserError, match="windows of 40 samples"):
        GatedNetwork().fit_forecasters([Forecasting(paths, paths)], [Run()])
    assert GatedModel.of(network("lstm")).parameter_count() == 2 * 16 + 4 * 16 + 16 + 4 * 2 + 2
