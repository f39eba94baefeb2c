"""Shallow piecewise linear networks: fused passes against autograd, Jacobians, adaptive forcing, training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.cohort import Stacked
from dynamark.methods.recurrent import compiled, generalized
from dynamark.methods.recurrent.alrnn import AlmostLinearModel, AlmostLinearRNN
from dynamark.methods.recurrent.alrnn import _Cell as AlmostLinearCell
from dynamark.methods.recurrent.forecaster import StateForecaster
from dynamark.methods.recurrent.generalized import mixed, mixed_eagerly
from dynamark.methods.recurrent.shallow import ShallowModel, ShallowPLRNN, _Cell, adapted
from dynamark.tasks.problems import Forecasting, Run, Trajectories

ENGINES = ["torch", pytest.param("numba", marks=pytest.mark.skipif(not compiled.available(), reason="numba not there"))]


@pytest.fixture(params=ENGINES)
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generalized, "available", lambda: request.param == "numba")


def drawn(seeds: int, units: int = 4, hidden: int = 7, windows: int = 5, steps: int = 13, dim: int = 3) -> list[Tensor]:
    g = torch.Generator().manual_seed(seeds)
    shapes = ((units,), (units, hidden), (hidden, units), (units,), (hidden,), (windows, units), (windows, steps, dim))
    return [0.5 * torch.randn(seeds, *shape, generator=g, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize(("interval", "clipped"), [(1, True), (1, False), (4, True)])
@pytest.mark.usefixtures("_engine")
def test_states_and_gradients_are_those_of_autograd(interval: int, clipped: bool) -> None:
    members = drawn(3)
    alpha = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    weight = torch.randn(3, 13, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    leaves = [m.clone().requires_grad_() for m in members[:6]]
    out = mixed(tuple(leaves[:5]), leaves[5], members[6], alpha, interval, clipped)
    actual = torch.autograd.grad((out * weight).sum(), leaves)
    for i in range(3):
        own = [m[i].clone().requires_grad_() for m in members[:6]]
        eager = mixed_eagerly(tuple(own[:5]), own[5], members[6][i], alpha[i], interval, clipped)
        torch.testing.assert_close(out[i], eager, rtol=1e-12, atol=1e-12)
        for got, want in zip(actual, torch.autograd.grad((eager * weight[i]).sum(), own), strict=True):
            torch.testing.assert_close(got[i], want, rtol=1e-10, atol=1e-12)


def trained(clipped: bool = True, units: int | None = None) -> _Cell:
    method = ShallowPLRNN(hidden=9, clipped=clipped, units=units)
    return _Cell(method, 3, torch.Generator().manual_seed(1)).double()


def test_members_keep_their_own_loss_and_forcing() -> None:
    method = ShallowPLRNN(hidden=9, penalty=0.1, units=4)
    cells = [_Cell(method, 3, torch.Generator().manual_seed(i)).double() for i in range(3)]
    for i, cell in enumerate(cells):
        cell.alpha.fill_(0.1)
        cell.w1.data *= 10 + 5 * i
    x = torch.randn(3, 6, 30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    stacked = Stacked(cells)
    for _ in range(6):  # the forcing is adapted twice
        together = stacked.each(lambda module, batch: module(batch), x)
    own = []
    for cell, batch in zip(cells, x, strict=True):
        single = Stacked([cell])
        for _ in range(6):
            loss = single.each(lambda module, batch: module(batch), batch[None])
        own.append((loss[0], single.buffers["alpha"][0]))
    assert len({float(alpha) for _, alpha in own}) == 3
    torch.testing.assert_close(together, torch.stack([loss for loss, _ in own]))
    torch.testing.assert_close(stacked.buffers["alpha"], torch.stack([alpha for _, alpha in own]))


@pytest.mark.parametrize("clipped", [True, False])
def test_the_jacobian_is_that_of_autograd(clipped: bool) -> None:
    model = ShallowModel.of(trained(clipped, units=5))
    for z in torch.randn(10, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64):
        slope = torch.autograd.functional.jacobian(lambda v: model.step(v[None])[0], z)
        torch.testing.assert_close(model.jacobian(z[None])[0], slope)


def test_the_needed_forcing_is_that_of_the_mean_jacobian() -> None:
    cell = trained()
    with torch.no_grad():
        cell.w1.mul_(6)
    x = torch.randn(4, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    means = ShallowModel.of(cell).jacobian(x.flatten(0, 1)).unflatten(0, (4, 30)).mean(1)
    kappa = max(float(torch.linalg.svdvals(m)[0]) for m in means)
    assert kappa > 1
    assert float(cell.needed_forcing(x)) == pytest.approx(1 - 1 / kappa)
    with torch.no_grad():
        cell.w1.zero_()
        cell.a.fill_(0.5)
    assert float(cell.needed_forcing(x)) == 0


def test_forcing_rises_at_once_and_falls_slowly() -> None:
    now = torch.tensor([0.2, 0.5])
    torch.testing.assert_close(adapted(now, torch.tensor([0.4, 0.1])), torch.tensor([0.4, 0.999 * 0.5 + 0.001 * 0.1]))


def circle(steps: int) -> Tensor:
    time = 0.2 * torch.arange(steps, dtype=torch.float64)
    return torch.stack([time.sin(), time.cos()], dim=-1)[None]


def fit(method: ShallowPLRNN, seeds: tuple[int, ...]) -> tuple[list[ShallowModel], list[Run]]:
    problem = Forecasting(Trajectories(circle(300)), Trajectories(circle(100)))
    runs = [Run((s,)) for s in seeds]
    return method.fit_forecasters([problem] * len(seeds), runs), runs


def test_training_learns_a_rotation_and_the_forcing_adapts() -> None:
    method = ShallowPLRNN(hidden=10, window=20, batch=8, updates=400, rate=1e-2, final_rate=1e-3)
    models, runs = fit(method, (0, 1, 2, 3, 4))
    aheads = [model.forecast(Trajectories(circle(50)), 5)[0] for model in models]
    # Errors of five steps ahead, twelve seeds: .05 to .31 with a median of .08.
    assert np.median([float((ahead - circle(55)[0, 50:]).abs().max()) for ahead in aheads]) < 0.3
    for model, run in zip(models, runs, strict=True):
        assert run.curves["training_loss"][-1][1] < 0.1 * run.curves["training_loss"][0][1]
        assert 0 <= run.facts["forcing"] < 0.5
        assert model.parameter_count() == 2 + 2 * 2 * 10 + 2 + 10


@pytest.mark.parametrize("alpha", [None, 0.2])
def test_a_member_does_not_see_its_neighbors(alpha: float | None) -> None:
    short = ShallowPLRNN(hidden=5, alpha=alpha, window=20, updates=12)
    both, _ = fit(short, (0, 1))
    others, _ = fit(short, (2, 0, 3))
    assert torch.equal(both[0].w1, others[1].w1)
    assert not torch.equal(both[0].w1, both[1].w1)


def test_parameters_are_counted_as_in_the_paper() -> None:
    """M + 2 M H + M + H: 356 for M = 3, H = 50."""
    assert ShallowModel.of(_Cell(ShallowPLRNN(), 3, torch.Generator())).parameter_count() == 356


def test_too_few_units_are_refused() -> None:
    with pytest.raises(UserError):
        fit(ShallowPLRNN(units=1), (0, 1))


@pytest.mark.skipif(not compiled.available(), reason="numba not there")
@pytest.mark.parametrize("clipped", [True, False])
def test_the_compiled_free_run_is_that_of_the_steps(clipped: bool) -> None:
    shallow = ShallowModel.of(trained(clipped, units=5))
    linear = AlmostLinearModel.of(AlmostLinearCell(AlmostLinearRNN(7, 3), 3, torch.Generator().manual_seed(2)).double())
    context = Trajectories(torch.randn(4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))
    for model in (shallow, linear):
        assert isinstance(model, StateForecaster)
        forecast, wanted = model.forecast(context, 50), StateForecaster.forecast(model, context, 50)
        torch.testing.assert_close(forecast, wanted, rtol=1e-9, atol=1e-9)
