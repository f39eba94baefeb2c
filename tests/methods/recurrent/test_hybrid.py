"""k-plane regression finds exact maps; stumps are the best of all stumps; the automaton of the data is found."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from dynamark.errors import UserError
from dynamark.methods.recurrent.hybrid import HybridAutomaton, _stump, features, windows
from dynamark.methods.recurrent.planes import affine, k_planes, squared_residuals
from dynamark.tasks.chaos.hybrid import BouncingBall, SwitchedAutomaton
from dynamark.tasks.problems import Forecasting, Run, Trajectories

RNG = np.random.default_rng


def test_maps_without_noise_are_found_and_ordered_by_frequency() -> None:
    rng = RNG(0)
    maps = rng.standard_normal((3, 3, 2))
    mode = np.repeat(rng.choice(3, (10, 12), p=[0.2, 0.5, 0.3]), 8, axis=1)
    x = rng.standard_normal((10, 96, 2))
    y = np.einsum("nts,ntsd->ntd", affine(x), maps[mode])
    fitted, assigned = k_planes(x, y, 3, RNG(1))
    order = np.argsort(-np.bincount(mode.ravel()))
    np.testing.assert_allclose(fitted, maps[order], atol=1e-10)
    np.testing.assert_array_equal(order[assigned], mode)
    assert squared_residuals(x, y, fitted).min(axis=-1).max() < 1e-20


def test_trimming_leaves_out_what_no_map_explains() -> None:
    rng = RNG(2)
    x = rng.standard_normal((6, 100, 2))
    y = x @ rng.standard_normal((2, 2))
    y[:, ::20] = 50 * rng.standard_normal((6, 5, 2))
    plain, trimmed = (k_planes(x, y, 1, RNG(3), trim=trim)[0] for trim in (0.0, 0.06))
    clean = np.linalg.lstsq(affine(x[:, 1:19].reshape(-1, 2)), y[:, 1:19].reshape(-1, 2), rcond=None)[0]
    np.testing.assert_allclose(trimmed[0], clean, atol=1e-10)
    assert np.abs(plain[0] - clean).max() > 0.1


def test_a_stump_has_the_fewest_errors_of_all_stumps() -> None:
    rng = RNG(4)
    for _ in range(20):
        x, y = rng.standard_normal((30, 3)), rng.random(30) < 0.4
        y |= x[:, 1] > 0.8
        coordinate, threshold, sign = _stump(x, y)
        errors = (y != (sign * (x[:, coordinate] - threshold) > 0)).sum()
        every = [
            (y != (side * (x[:, c] - cut) > 0)).sum()
            for c, side in itertools.product(range(3), (1, -1))
            for cut in [-np.inf, *x[:, c]]
        ]
        assert errors == min(every)
    assert _stump(np.zeros((0, 2)), np.zeros(0, bool))[1] == np.inf
    assert _stump(np.zeros((4, 2)), np.ones(4, bool)) == (0, -np.inf, 1.0)


def test_windows_and_features_are_the_newest_first() -> None:
    x = np.arange(10.0).reshape(1, 5, 2)
    np.testing.assert_array_equal(windows(x, 2)[0, 0], [2, 3, 0, 1])
    assert features(windows(x, 2), np.zeros((3, 5, 2))).shape == (1, 4, 4 + 3 * 2)


def fitted(task: SwitchedAutomaton | BouncingBall, **fields: object) -> tuple[object, Forecasting]:
    problem = task.problem(0)
    return HybridAutomaton(**fields).fit_forecaster(problem, Run([0])), problem  # type: ignore[arg-type]


def score(task: SwitchedAutomaton | BouncingBall, **fields: object) -> dict[str, float]:
    model, problem = fitted(task, **fields)
    assert problem.query is not None
    answer = model.forecast(problem.query.rollouts["test"].context, task.steps)  # type: ignore[attr-defined]
    return dict(task.score({"forecast.test": answer.numpy()}, 0).values)


def test_the_automaton_of_the_data_is_found_and_needs_its_memory() -> None:
    task = SwitchedAutomaton.at("tiny", name="t", noise=0.0)
    assert score(task)["nrmse_mean"] < 0.05
    assert score(task, memory=False)["nrmse_mean"] > 0.3
    model, _ = fitted(task)
    np.testing.assert_allclose(np.sort(model.guards.threshold[:, 0, 1]), [-1, 1], atol=0.005)  # type: ignore[attr-defined]


def test_a_ball_bounces_from_its_height_alone() -> None:
    task = BouncingBall.at("tiny", name="t", observed="height")
    assert score(task, taps=2, modes=3)["nrmse_50"] < 0.15
    assert score(task, taps=1, modes=1)["nrmse_50"] > 0.5


def test_a_context_of_one_sample_is_continued_and_too_short_trajectories_are_refused() -> None:
    x = torch.randn(4, 30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    paths = Trajectories(x)
    model = HybridAutomaton(taps=3).fit_forecaster(Forecasting(paths, paths, 1), Run())
    assert model.forecast(Trajectories(x[:, :1]), 7).shape == (4, 7, 2)
    assert model.parameter_count() == 2 * 7 * 2 + 3 * 2
    with pytest.raises(UserError, match="too short"):
        HybridAutomaton(taps=30).fit_forecaster(Forecasting(paths, paths, 1), Run())
