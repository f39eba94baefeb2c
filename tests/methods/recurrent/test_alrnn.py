"""Almost-linear networks: the piecewise linear map, its fixed points and code, and training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.recurrent.alrnn import AlmostLinearModel, AlmostLinearRNN
from dynamark.methods.recurrent.symbolic import block_entropies, occupation, runs_of, share_count
from dynamark.methods.recurrent.windows import draw_windows
from dynamark.tasks.problems import Forecasting, Run, Trajectories


def model(units: int = 5, rectified: int = 3, dim: int = 2) -> AlmostLinearModel:
    g = torch.Generator().manual_seed(4)
    draw = {
        n: torch.randn(*shape, generator=g, dtype=torch.float64)
        for n, shape in {"a": (units,), "w": (units, units), "h": (units,), "start": (units - dim, dim)}.items()
    }
    return AlmostLinearModel(0.4 * draw["a"], 0.3 * draw["w"], draw["h"], draw["start"], rectified)


def states(count: int, units: int = 5) -> Tensor:
    return torch.randn(count, units, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def test_the_map_is_linear_in_each_region() -> None:
    net, z = model(), states(50)
    torch.testing.assert_close((net.jacobian(z) @ z[..., None])[..., 0] + net.h, net.step(z))
    for one in z[:10]:
        slope = torch.autograd.functional.jacobian(lambda v: net.step(v[None])[0], one)
        torch.testing.assert_close(net.jacobian(one[None])[0], slope)


def test_fixed_points_are_fixed_in_every_region() -> None:
    net = model()
    points, bits = net.fixed_points()
    assert len(points) == 8
    inside = (net.pieces(bits) @ points[..., None])[..., 0] + net.h
    torch.testing.assert_close(inside, points, atol=1e-10, rtol=1e-10)
    real = ((points[:, 2:] > 0).double() == bits).all(-1)
    assert real.any()
    torch.testing.assert_close(net.step(points[real]), points[real], atol=1e-10, rtol=1e-10)
    assert (net.step(points[~real]) - points[~real]).abs().amax(-1).min() > 1e-6


def test_the_code_numbers_the_regions_as_fixed_points_do() -> None:
    net = model()
    _, bits = net.fixed_points()
    z = torch.cat([torch.zeros(8, 2, dtype=torch.float64), 2 * bits - 1], dim=-1)
    assert net.code(z).tolist() == list(range(8))
    assert net.code(torch.zeros(1, 5).double()).tolist() == [0]  # zero counts as off


def circle(steps: int) -> Tensor:
    time = 0.2 * torch.arange(steps, dtype=torch.float64)
    return torch.stack([time.sin(), time.cos()], dim=-1)[None]


def fit(method: AlmostLinearRNN, seeds: tuple[int, ...]) -> tuple[list[AlmostLinearModel], list[Run]]:
    problem = Forecasting(Trajectories(circle(300)), Trajectories(circle(100)))
    runs = [Run((s,)) for s in seeds]
    return method.fit_forecasters([problem] * len(seeds), runs), runs


def error_ahead(model: AlmostLinearModel) -> float:
    """The largest error of five steps after fifty of the circle."""
    return float((model.forecast(Trajectories(circle(50)), 5)[0] - circle(55)[0, 50:]).abs().max())


SMALL = AlmostLinearRNN(units=6, rectified=2, interval=5, window=20, batch=8, updates=400, rate=1e-2, final_rate=1e-3)


def test_training_learns_a_rotation_and_tells_facts() -> None:
    models, runs = fit(SMALL, (0, 1, 2, 3, 4))
    # Errors of five steps ahead, twelve seeds: .01 to .13 with a median of .04.
    assert np.median([error_ahead(model) for model in models]) < 0.3
    for trained, run in zip(models, runs, strict=True):
        losses = run.curves["training_loss"]
        assert losses[-1][1] < 0.1 * losses[0][1]
        assert {"regions", "regions_90", "second_share", "transitions", "mean_dwell", "fixed_points"} <= set(run.facts)
        assert trained.parameter_count() == 6 + 36 + 6 + 4 * 2
        assert trained.forecast(Trajectories(circle(50)), 5).dtype == torch.float64


def test_a_member_does_not_see_its_neighbors() -> None:
    short = AlmostLinearRNN(units=6, window=20, updates=10)
    both, _ = fit(short, (0, 1))
    others, _ = fit(short, (2, 0, 3))
    assert torch.equal(both[0].w, others[1].w)
    assert torch.equal(both[0].start, others[1].start)
    assert not torch.equal(both[0].w, both[1].w)


def test_the_budget_bounds_the_updates() -> None:
    problem = Forecasting(Trajectories(circle(300)), Trajectories(circle(100)))
    runs = [Run((s,), budget=7) for s in range(2)]
    AlmostLinearRNN(units=6, window=20).fit_forecasters([problem] * 2, runs)
    assert [run.steps for run in runs] == [7, 7]


@pytest.mark.parametrize(
    "method", [AlmostLinearRNN(units=1), AlmostLinearRNN(units=3, rectified=4), AlmostLinearRNN(window=400)]
)
def test_what_cannot_be_is_refused(method: AlmostLinearRNN) -> None:
    with pytest.raises(UserError):
        fit(method, (0, 1))


def test_windows_start_everywhere_and_stay_within_a_trajectory() -> None:
    data = torch.arange(24.0).reshape(2, 12, 1)
    drawn = draw_windows(data, 500, 10, 0.0, torch.Generator().manual_seed(0))[..., 0]
    assert (drawn.diff(dim=1) == 1).all()
    assert sorted(set(drawn[:, 0].tolist())) == [0, 1, 2, 12, 13, 14]
    noisy = draw_windows(torch.zeros(1, 50, 3), 200, 10, 0.05, torch.Generator().manual_seed(0))
    assert float(noisy.std()) == pytest.approx(0.05, rel=0.05)


def test_symbols_are_counted() -> None:
    symbols = np.array([3, 3, 3, 3, 3, 3, 1, 1, 1, 0])
    assert occupation(symbols) == {3: 0.6, 1: 0.3, 0: 0.1}
    assert [share_count(symbols, s) for s in (0.5, 0.6, 0.61, 0.9, 1.0)] == [1, 1, 2, 2, 3]
    visits, dwell = runs_of(symbols)
    assert visits.tolist() == [3, 1, 0]
    assert dwell.tolist() == [6, 3, 1]


def test_block_entropies_of_a_cycle_and_of_a_coin() -> None:
    """A cycle of three gains nothing after the first symbol; a fair coin gains ln 2 each."""
    cycle = block_entropies(np.tile([5, 2, 7], 2000), 6)
    assert cycle == pytest.approx(np.full(6, np.log(3)), abs=1e-3)
    coin = block_entropies(np.random.default_rng(0).integers(0, 2, 40_000), 8)
    assert np.diff(coin) == pytest.approx(np.full(7, np.log(2)), abs=0.01)
    assert len(block_entropies(np.random.default_rng(0).integers(0, 2, 1000), 20)) == 4  # 16 words are more than 10
