"""Methods that sample: the conditional distributions of known processes, and how the runner asks for draws."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.methods.koopman.bagged import BaggedDMD
from dynamark.methods.koopman.deep_ensemble import DeepEnsemble
from dynamark.methods.koopman.gaussian_walk import GaussianWalk
from dynamark.methods.koopman.kovae import KoopmanVAE
from dynamark.methods.recurrent.analogs import AnalogEnsemble
from dynamark.methods.sequence.deep_kalman import DeepKalman
from dynamark.methods.trivial import Persistence
from dynamark.runners.execute.answers import BadAnswer, ask
from dynamark.runners.execute.units import restored, units_of
from dynamark.runners.execute.worker import solve
from dynamark.tasks.koopman.paths import DoubleWellPaths, OrnsteinUhlenbeckPaths, SpiralPaths, SquareRootPaths
from dynamark.tasks.problems import Forecasting, ForecastingQuery, HasSample, Rollout, Run, Trajectories

SAMPLERS: dict[str, Any] = {
    "gaussian_walk": GaussianWalk(),
    "bagged_dmd": BaggedDMD(bags=3),
    "deep_ensemble": DeepEnsemble(members=2, hidden=(8,)),
    "analog_ensemble": AnalogEnsemble(neighbors=5),
    "kovae": KoopmanVAE(latent=2, units=4, layers=1, window=8, batch=4),
    "deep_kalman": DeepKalman(latent=2, units=4, window=8, batch=4),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def problem_of(paths: Tensor) -> Forecasting:
    return Forecasting(Trajectories(paths), Trajectories(paths), 1)


def from_states(*states: float) -> Trajectories:
    return Trajectories(torch.tensor(states, dtype=torch.float64)[:, None, None])


def fitted(method: Any, problem: Forecasting, budget: int | None = None) -> Any:
    if hasattr(method, "fit_forecaster"):
        return method.fit_forecaster(problem, Run([1], budget=budget))
    return method.fit_forecasters([problem], [Run([1], budget=budget)])[0]


def test_the_walk_has_the_covariance_of_the_increments() -> None:
    mixing = torch.tensor([[1.0, 0.4], [0.0, 0.3]], dtype=torch.float64)
    steps = torch.randn(20, 500, 2, generator=generator(), dtype=torch.float64) @ mixing
    model = fitted(GaussianWalk(), problem_of(steps.cumsum(1)))
    draws = model.sample(Trajectories(torch.ones(1, 1, 2, dtype=torch.float64)), 9, 20_000, generator())[0]
    for horizon in (1, 9):
        moved = draws[:, horizon - 1] - 1.0
        torch.testing.assert_close(moved.T.cov(), horizon * mixing.T @ mixing, rtol=0.06, atol=0.03)


def test_bagged_maps_sample_the_exact_law_of_a_linear_process() -> None:
    task = SpiralPaths(train=300)
    model = fitted(BaggedDMD(), task.problem(0))
    start = torch.tensor([[[1.5, -0.5]]], dtype=torch.float64)
    draws = model.sample(Trajectories(start), 20, 20_000, generator())[0]
    decay, angle = math.exp(-task.damping * task.dt * 20), task.frequency * task.dt * 20
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    torch.testing.assert_close(draws[:, -1].mean(0), decay * start[0, 0] @ turn, rtol=0, atol=0.06)
    torch.testing.assert_close(
        draws[:, -1].T.cov(), (1 - decay**2) * torch.eye(2, dtype=torch.float64), rtol=0, atol=0.06
    )
    torch.testing.assert_close(model.forecast(Trajectories(start), 20)[0, -1], draws[:, -1].mean(0), rtol=0, atol=0.05)


def test_without_noise_only_the_uncertainty_of_the_map_spreads_the_draws() -> None:
    problem = OrnsteinUhlenbeckPaths.at("tiny").problem(0)
    model = fitted(BaggedDMD(bags=6, noise="none"), problem)
    draws = model.sample(from_states(1.5), 5, 12, generator())[0]
    torch.testing.assert_close(draws[:6], draws[6:])
    assert 0 < float(draws[:, -1].std()) < 0.1
    noisy = fitted(BaggedDMD(bags=6), problem).sample(from_states(1.5), 5, 12, generator())[0]
    assert float(noisy[:, -1].std()) > 0.3


def test_analogs_find_both_wells() -> None:
    model = fitted(AnalogEnsemble(64), DoubleWellPaths().problem(0))
    draws = model.sample(from_states(0.0, 1.0), 20, 400, generator())[:, :, -1, 0]
    assert 0.3 < float((draws[0] > 0).double().mean()) < 0.7
    assert float((draws[1] > 0).double().mean()) > 0.9
    assert float(draws[0].abs().mean()) > 0.7


def test_analogs_are_copies_and_go_on_where_a_trajectory_ends() -> None:
    paths = torch.arange(24, dtype=torch.float64).reshape(2, 12, 1)
    copied = fitted(AnalogEnsemble(1), problem_of(paths))
    torch.testing.assert_close(copied.forecast(from_states(3.2), 4)[0, :, 0], torch.tensor([4.0, 5, 6, 7]).double())
    # The copy ends at 11; the nearest state with a successor is 10, or 12.
    further = copied.sample(from_states(8.1), 5, 1, generator())[0, 0, :, 0]
    assert further[:3].tolist() == [9.0, 10.0, 11.0]
    assert further[3:].tolist() in ([11.0, 11.0], [13.0, 14.0])
    anchored = fitted(AnalogEnsemble(1, anchored=True), problem_of(paths))
    torch.testing.assert_close(anchored.forecast(from_states(3.2), 2)[0, :, 0], torch.tensor([4.2, 5.2]).double())


def test_the_deep_ensemble_learns_noise_that_depends_on_the_state() -> None:
    task = SquareRootPaths()
    model = fitted(DeepEnsemble(members=2, hidden=(32,)), task.problem(0), budget=600)
    draws = model.sample(from_states(0.3, 2.0), 1, 4000, generator())[:, :, 0, 0]
    ratio = float(draws[1].std() / draws[0].std())
    assert ratio == pytest.approx(math.sqrt(2.0 / 0.3), rel=0.2)
    assert float(draws[1].std()) == pytest.approx(task.noise * math.sqrt(2 * 2.0 * task.dt), rel=0.15)


@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_have_their_shape_repeat_and_differ(name: str) -> None:
    model = fitted(SAMPLERS[name], SpiralPaths.at("tiny").problem(0), budget=3)
    assert isinstance(model, HasSample)
    context = Trajectories(torch.randn(4, 1, 2, generator=generator(), dtype=torch.float64))
    first, again, other = (model.sample(context, 6, 7, generator(seed)) for seed in (1, 1, 2))
    assert first.shape == (4, 7, 6, 2)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[:, 0], first[:, 3])


# --- the runner


def test_draws_are_asked_for_in_the_units_of_the_data() -> None:
    task = SpiralPaths.at("tiny")
    plain = task.problem(0)
    scale, shift = torch.tensor([1e3, 1e-3], dtype=torch.float64), 5.0

    def moved(paths: Trajectories) -> Trajectories:
        return replace(paths, observations=paths.observations * scale + shift)

    rollout = plain.query.rollouts["test"]
    query = replace(plain.query, rollouts={"test": replace(rollout, context=moved(rollout.context))})
    other = replace(plain, train=moved(plain.train), validation=moved(plain.validation), query=query)
    for method in (GaussianWalk(), BaggedDMD(bags=2), AnalogEnsemble(3)):
        one, two = (solve([method], [p], [[1]])[0].arrays["sample.test"] for p in (plain, other))
        assert one.shape == (task.test, task.draws, task.horizon, 2)
        np.testing.assert_allclose((two - shift) / scale.numpy(), one, atol=1e-5)


def test_a_point_forecast_is_one_draw_and_scores_its_distance() -> None:
    task = OrnsteinUhlenbeckPaths.at("tiny")
    arrays = solve([Persistence()], [task.problem(0)], [[1]])[0].arrays
    assert arrays["sample.test"].shape == (task.test, 1, task.horizon, 1)
    np.testing.assert_array_equal(arrays["sample.test"][:, 0], arrays["forecast.test"])
    values = task.score(arrays, 0).values
    assert "coverage_error" not in values
    assert values["spread"] == 0.0


def test_rollouts_have_streams_of_their_own_and_wrong_shapes_are_refused() -> None:
    problem = OrnsteinUhlenbeckPaths.at("tiny").problem(0)
    context = from_states(0.3)
    query = ForecastingQuery({name: Rollout(context, 3) for name in ("a", "b")}, draws=4)
    alone = ForecastingQuery({"b": Rollout(context, 3)}, draws=4)
    units = units_of(GaussianWalk(), problem)
    model = restored(fitted(GaussianWalk(), problem), units, Forecasting)
    both, single = (ask(model, replace(problem, query=q), Run([5])) for q in (query, alone))
    assert not np.array_equal(both["sample.a"], both["sample.b"])
    np.testing.assert_array_equal(both["sample.b"], single["sample.b"])

    class Wrong(Persistence):
        def sample(self, context: Trajectories, horizon: int, draws: int, generator: Any, inputs: Any = None) -> Tensor:
            return torch.zeros(len(context), horizon, draws, 1)

    with pytest.raises(BadAnswer, match="sample 'a': wanted shape"):
        ask(Wrong(), replace(problem, query=query), Run([5]))


def test_models_without_draws_are_not_asked_for_them() -> None:
    problem = OrnsteinUhlenbeckPaths.at("tiny").problem(0)
    plain = replace(problem, query=replace(problem.query, draws=0))
    assert "sample.test" not in solve([GaussianWalk()], [plain], [[1]])[0].arrays
