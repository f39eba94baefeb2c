"""DendriticPLRNN networks: the compiled pass against autograd, Jacobian, free run, training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.recurrent import compiled
from dynamark.methods.recurrent.branching import branched, branched_eagerly, dendrites
from dynamark.methods.recurrent.dendritic import DendriticModel, DendriticPLRNN, _Cell
from dynamark.methods.recurrent.forecaster import StateForecaster
from dynamark.tasks.problems import Forecasting, Run, Trajectories

needs_numba = pytest.mark.skipif(not compiled.available(), reason="numba not there")


def drawn(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(units: int = 5) -> DendriticModel:
    data = drawn(7, 1, 50, 3)
    return DendriticModel.of(_Cell(DendriticPLRNN(units, 4), data, torch.Generator().manual_seed(1)).double())


@needs_numba
@pytest.mark.parametrize("interval", [1, 4, 100])
def test_states_and_gradients_are_those_of_autograd(interval: int) -> None:
    leaves = [drawn(i, 3, *s, scale=0.5) for i, s in enumerate(((6,), (6, 6), (6,), (4,), (6, 4), (5, 6)))]
    x, weight = drawn(8, 3, 5, 13, 2), drawn(9, 3, 13, 5, 6)
    results = []
    for function in (branched, branched_eagerly):
        own = [v.clone().requires_grad_() for v in leaves]
        out = function(tuple(own[:5]), own[5], x, interval)
        results.append((out, *torch.autograd.grad((out * weight).sum(), own)))
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)


def test_a_unit_is_the_sum_over_its_branches() -> None:
    z, alpha, thresholds = drawn(1, 3, 2), drawn(2, 4), drawn(3, 2, 4)
    actual = dendrites(z, alpha, thresholds)
    for s in range(3):
        for i in range(2):
            value = float(z[s, i])
            branches = [max(value - float(h), 0) - max(value, 0) for h in thresholds[i]]
            assert float(actual[s, i]) == pytest.approx(
                sum(a * v for a, v in zip(alpha.tolist(), branches, strict=True))
            )


def test_far_states_do_not_feed_back_without_bound() -> None:
    """Clipped branches are bounded: phi of a far state is sum_b alpha_b (-H_b) above and 0 below."""
    alpha, thresholds = drawn(2, 4), drawn(3, 2, 4)
    far = torch.full((1, 2), 1e6, dtype=torch.float64)
    torch.testing.assert_close(dendrites(far, alpha, thresholds)[0], -(thresholds @ alpha), rtol=1e-6, atol=1e-6)
    assert dendrites(-far, alpha, thresholds).abs().max() == 0


def test_the_jacobian_is_that_of_autograd() -> None:
    net, states = model(), drawn(5, 6, 5)
    for one in states:
        slope = torch.autograd.functional.jacobian(lambda v: net.step(v[None])[0], one)
        torch.testing.assert_close(net.jacobian(one[None])[0], slope)


@needs_numba
def test_the_compiled_free_run_is_that_of_the_steps() -> None:
    net, context = model(), Trajectories(drawn(6, 4, 3, 3))
    torch.testing.assert_close(net.forecast(context, 40), StateForecaster.forecast(net, context, 40))


def test_training_learns_and_members_stay_apart() -> None:
    time = 0.2 * torch.arange(600, dtype=torch.float64)
    circle = torch.stack([time.sin(), time.cos()], dim=-1)[None]
    problem = Forecasting(Trajectories(circle), Trajectories(circle))
    method = DendriticPLRNN(6, 5, interval=3, window=8, updates=200, rate=5e-2, final_rate=1e-2)
    runs = [Run([1]), Run([2])]
    first, second = method.fit_forecasters([problem] * 2, runs)
    again, _ = method.fit_forecasters([problem] * 2, [Run([1]), Run([3])])
    assert torch.equal(first.w, again.w)
    assert not torch.equal(first.w, second.w)
    assert first.w.diagonal().abs().max() == 0
    for run in runs:
        losses = [value for _, value in run.curves["training_loss"]]
        assert losses[-1] < 0.3 * losses[0]


def test_too_few_units_are_refused() -> None:
    paths = Trajectories(drawn(1, 1, 300, 3))
    with pytest.raises(UserError, match="too few for 3 channels"):
        DendriticPLRNN(units=2).fit_forecasters([Forecasting(paths, paths)], [Run()])


def test_parameters_are_counted() -> None:
    """a 22, W 22 x 21, h 22, alpha 20, H 22 x 20, L 19 x 3."""
    cell = _Cell(DendriticPLRNN(), torch.zeros(1, 9, 3), torch.Generator())
    assert DendriticModel.of(cell).parameter_count() == 22 + 22 * 21 + 22 + 20 + 22 * 20 + 19 * 3
