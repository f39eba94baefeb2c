"""The tasks of reconstruction: what is handed out, what answers are worth, the floors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.tasks.chaos.instances import (
    BurstingNeuron,
    Chua,
    Lorenz63,
    Lorenz63Partial,
    Lorenz96Small,
    MackeyGlass,
    Rossler,
)
from dynamark.tasks.chaos.metrics import StateSpace, hellinger, mixture_divergence, state_space_divergence
from dynamark.tasks.chaos.systems import LORENZ63, LORENZ96_10, ROSSLER, System, orbits
from dynamark.tasks.chaos.tasks import Reconstruction


@pytest.fixture(scope="module", params=[Lorenz63, Rossler])
def task(request: pytest.FixtureRequest) -> Reconstruction:
    instance = request.param.at("tiny", name=f"chaos/{request.param.__name__}")
    assert isinstance(instance, Reconstruction)
    return instance


def answers(task: Reconstruction, fill: float) -> dict[str, np.ndarray]:
    query = task.problem(0).query
    assert query is not None
    return {f"forecast.{name}": np.full((len(r.context), r.horizon, 3), fill) for name, r in query.rollouts.items()}


def test_the_problem_is_standardized_and_holds_no_answer(task: Reconstruction) -> None:
    problem, data = task.problem(0), task.data(0)
    x = problem.train.observations[0]
    torch.testing.assert_close(x.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-10, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(3, dtype=torch.float64))
    assert problem.query is not None
    for name, rollout in problem.query.rollouts.items():
        assert rollout.context.observations.shape[1] == problem.context, name
    handed = problem.query.rollouts["short"].context.observations.numpy()
    assert np.array_equal(handed, data["short"][:, :100])
    assert data["short"].shape[1] == 100 + task.horizon
    assert task.horizon == round(15 / task.system.lyapunov[0] / task.system.dt)


def test_noise_is_on_training_data_alone() -> None:
    """Third differences of white noise have variance 20 s^2, those of a smooth orbit nearly none."""
    quiet, noisy = (Lorenz63.at("tiny", noise=s, name="chaos/lorenz63").data(0) for s in (0.0, 0.05))
    rough = {name: np.diff(x[0], n=3, axis=0).std() / np.sqrt(20) for name, x in noisy.items()}
    assert rough["train"] == pytest.approx(0.05, rel=0.05)
    assert rough["validation"] == pytest.approx(0.05, rel=0.1)
    assert rough["test"] < 0.005
    assert np.diff(quiet["train"][0], n=3, axis=0).std() / np.sqrt(20) < 0.005


def test_the_truth_scores_perfectly(task: Reconstruction) -> None:
    data = task.data(0)
    solution = answers(task, 0.0)
    solution["forecast.long"][0, -task.test :] = data["test"][0]
    solution["forecast.short"][:] = data["short"][:, 100:]
    solution["forecast.windows"][:] = data["windows"][:, 100:]
    solution["forecast.places"][:, -task.test :] = data["test"]
    solution["lyapunov"] = np.array([task.system.lyapunov]) * task.system.dt
    scored = task.score(solution, 0)
    values = scored.values
    assert values["d_stsp"] == task.oracle(0) / 10  # nothing counts as better than a tenth of the floor
    assert values["d_h"] == pytest.approx(0, abs=1e-7)
    assert values["d_h_fixed"] == pytest.approx(0, abs=1e-7)
    assert values["sliced_w1"] == values["dimension_error"] == values["basin"] == 0
    assert values["prediction_error"] == 0
    assert values["valid_time"] == pytest.approx(15, rel=0.01)
    assert values["censored"] == 1
    assert values["lyapunov_error"] == pytest.approx(0, abs=1e-12)
    shown, true = scored.curves[1:]
    assert (shown.name, true.name) == ("attractor", "attractor_true")
    assert np.array_equal(shown.values, true.values)
    assert len(true.axis) == true.most == 1400
    assert np.abs(true.axis - data["test"][0, :1400, 0]).max() <= 0.0005


@pytest.mark.parametrize("fill", [np.nan, np.inf, 11.0])
def test_what_escapes_counts_as_a_fixed_point_at_the_mean(task: Reconstruction, fill: float) -> None:
    solution = answers(task, fill)
    solution["lyapunov"] = np.full((8, 3), np.nan)
    values = task.score(solution, 0).values
    assert all(np.isfinite(v) for v in values.values())
    assert values["escaped"] == 1
    assert values["d_stsp"] == task.baseline(0)
    assert values["d_h"] == values["d_h_fixed"] == values["basin"] == 1
    assert values["valid_time"] == 0
    assert values["lyapunov_error"] == 10


def test_the_scale_has_two_ends(task: Reconstruction) -> None:
    assert 0 < task.oracle(0) < 0.3 * task.baseline(0)


def test_an_instance_depends_on_its_seed_only() -> None:
    small = Lorenz63.at("tiny", name="chaos/lorenz63", train=1000, test=1200, windows=2)
    first, again, other = (small.generate(seed) for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert all(x.flags.c_contiguous for x in first.values())
    assert not np.array_equal(first["train"], other["train"])


def test_the_floors_at_ten_thousand_samples_are_the_known_ones() -> None:
    """Independent Lorenz orbits of 1e4 samples: D_stsp 0.525 +- 0.171 with k = 30, D_H 0.053 +- 0.026."""
    paths = orbits(LORENZ63, {"a": (20, 10_000)}, np.random.default_rng(0))["a"]
    paths = (paths - paths.mean(axis=(0, 1))) / paths.std(axis=(0, 1))
    pairs = list(zip(paths[:10], paths[10:], strict=True))
    assert np.median([state_space_divergence(a, b) for a, b in pairs]) == pytest.approx(0.525, abs=2 * 0.171)
    assert np.mean([hellinger(a, b) for a, b in pairs]) == pytest.approx(0.053, abs=0.026)


def pairs_of(system: System, count: int, steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    paths = orbits(system, {"a": (2 * count, steps)}, np.random.default_rng(0))["a"]
    paths = (paths - paths.mean(axis=(0, 1))) / paths.std(axis=(0, 1))
    return list(zip(paths[:count], paths[count:], strict=True))


def test_the_floors_of_the_other_lengths_and_systems_are_the_known_ones() -> None:
    """Rössler orbits of 1e4 samples 0.281; Lorenz orbits of 1e3 samples 5.39 +- 1.19; ten sites by mixtures 0.05."""
    assert np.median([state_space_divergence(*p) for p in pairs_of(ROSSLER, 10, 10_000)]) == pytest.approx(
        0.281, rel=0.5
    )
    short = np.median([state_space_divergence(*p) for p in pairs_of(LORENZ63, 10, 1000)])
    assert short == pytest.approx(5.39, abs=2 * 1.19)
    assert np.median([mixture_divergence(*p) for p in pairs_of(LORENZ96_10, 4, 10_000)]) == pytest.approx(0.05, rel=0.4)


def test_every_distance_has_its_floor_beside_it(task: Reconstruction) -> None:
    """Another true orbit is about as far from the test trajectory as the floor says."""
    solution = answers(task, 0.0)
    solution["forecast.long"][0, -task.test :] = task.data(0)["references"][5]
    values = task.score(solution, 0).values
    for name in ("d_stsp", "d_h", "d_h_fixed", "sliced_w1", "dimension_error"):
        assert values[f"{name}_floor"] > 0
        assert values[name] < 6 * values[f"{name}_floor"], name


def test_a_model_with_an_attractor_of_its_own_is_told_by_its_basin(task: Reconstruction) -> None:
    solution = answers(task, 0.0)
    places = solution["forecast.places"]
    places[:, -task.test :] = task.data(0)["test"]
    places[:10] = 0.3
    places[10:14] = np.nan
    assert task.score(solution, 0).values["basin"] == 14 / 40


def test_the_true_lorenz_system_has_one_attractor_in_the_box_of_its_data() -> None:
    paths = orbits(LORENZ63, {"a": (1, 20_000)}, np.random.default_rng(0))["a"][0]
    state = np.random.default_rng(1).uniform(paths.min(axis=0), paths.max(axis=0), (20, 3)).T.copy()
    sample, ends = LORENZ63.bind(state), np.empty((5000, 3, 20))
    for _ in range(2000):
        sample()
    for place in ends:
        sample()
        place[:] = state
    space = StateSpace(paths)
    assert max(space.divergence(ends[..., i]) for i in range(20)) < 5


def test_times_of_the_neuron_are_counted_in_periods() -> None:
    """The test orbit is its own forecast up to its period, and an exponent of zero is no error."""
    task = BurstingNeuron.at("tiny", name="chaos/bursting_neuron")
    assert isinstance(task, BurstingNeuron)
    test = task.data(0)["test"][0]
    period = round(task.system.unit / task.system.dt)
    late = np.argmin([np.abs(test[lag : lag + 500] - test[:500]).mean() for lag in range(250, 350)]) + 250
    assert abs(late - period) <= 1
    assert task.horizon == round(3 * task.system.unit / task.system.dt)
    solution = answers(task, 0.0)
    solution["forecast.short"][:] = task.data(0)["short"][:, 100:]
    solution["lyapunov"] = np.array([[0.0, -0.035, -0.279]])
    values = task.score(solution, 0).values
    assert values["valid_time"] == pytest.approx(3, rel=0.01)
    assert values["lyapunov_error"] == 0
    assert values["kaplan_yorke"] == 1


def test_shuffling_the_truth_costs_spectrum_not_geometry() -> None:
    """D_stsp alone does not tell a shuffled orbit from the attractor: D_H does."""
    x = orbits(LORENZ63, {"a": (1, 8000)}, np.random.default_rng(0))["a"][0]
    mixed = np.random.default_rng(0).permutation(x)
    assert state_space_divergence(x, mixed) < 1e-10
    assert hellinger(x, mixed) > 0.7


@pytest.mark.parametrize(("kind", "channels"), [(Lorenz63Partial, 1), (Lorenz96Small, 10), (Chua, 3), (MackeyGlass, 1)])
def test_every_system_has_a_scale_and_scores_what_cannot_be_scored(kind: type[Reconstruction], channels: int) -> None:
    task = kind.at("tiny", name=f"chaos/{kind.__name__}", train=1500, test=1500, windows=2)
    assert isinstance(task, Reconstruction)
    query = task.problem(0).query
    assert query is not None
    solution = {
        f"forecast.{name}": np.full((len(r.context), r.horizon, channels), np.nan) for name, r in query.rollouts.items()
    }
    values = task.score(solution, 0).values
    assert values["escaped"] == 1
    assert values["d_stsp"] == task.baseline(0)
    assert 0 < task.oracle(0) < 0.8 * task.baseline(0)
    assert all(np.isfinite(v) for v in values.values())
