"""The tasks on recordings: no leakage over the seams, scores that mean what they say, and answers known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest
import torch

from dynamark import recorded
from dynamark.methods.trivial import Mean, Persistence
from dynamark.runners.execute.answers import _forecasting as asked
from dynamark.tasks.base import Task
from dynamark.tasks.contract import accepted
from dynamark.tasks.criteria import judged
from dynamark.tasks.problems import Forecasting, Prediction, Recovery, Run, Trajectories

RNG = np.random.default_rng(0)
GOALS = ("forecast", "onestep", "attractor", "completion")


def season(count: int = 400, noise: float = 0.1) -> np.ndarray:
    """Two channels of period 20 in different units, with noise."""
    phase = 2 * np.pi * np.arange(count) / 20
    clean = np.stack([np.sin(phase), 500 + 30 * np.cos(phase)], axis=1)
    return clean + noise * np.array([1, 30]) * RNG.standard_normal((count, 2))


def marked(lengths: tuple[int, ...]) -> list[np.ndarray]:
    """Trajectories whose values tell trajectory and time: 1000 n + t."""
    return [1000.0 * n + np.arange(length) for n, length in enumerate(lengths)]


def numbers(paths: Trajectories) -> list[set[float]]:
    sizes = [paths.observations.shape[1]] * len(paths) if paths.lengths is None else paths.lengths.tolist()
    return [set(row[:size, 0].tolist()) for row, size in zip(paths.observations, sizes, strict=True)]


@pytest.mark.parametrize("lengths", [(100,), (100, 100), (100, 63)])
def test_parts_share_no_sample_and_no_window_crosses_a_seam(lengths: tuple[int, ...]) -> None:
    task = recorded(marked(lengths))
    problem: Any = task.problem(0)
    train, validation = numbers(problem.train), numbers(problem.validation)
    truth = task.cut("observations", 0, task.horizon, 0)
    context = problem.query.rollouts["windows"].context.observations.numpy()
    tested = {float(v) for v in np.concatenate([context, truth], axis=1).ravel()}
    for n, length in enumerate(lengths):
        own = {v for v in tested if v // 1000 == n}
        assert max(train[n]) < min(validation[n]) <= max(validation[n]) < min(own)
        assert len(train[n]) == length * 3 // 5
        assert train[n] | validation[n] | own == set(1000.0 * n + np.arange(length))
    # Each window goes on without a break.
    np.testing.assert_array_equal(np.diff(np.concatenate([context, truth], axis=1), axis=1), 1)
    accepted(problem)


@pytest.mark.parametrize("lengths", [(100,), (100, 63)])
def test_one_step_sequences_score_the_test_part_only(lengths: tuple[int, ...]) -> None:
    task: Any = recorded(marked(lengths), goal="onestep")
    problem = accepted(task.problem(0))
    y = problem.query.sequences.observations.numpy()
    perfect = task.score({"prediction": y[None]}, 0).values
    assert perfect["nrmse"] == 0
    _, tested = task.whole(0)
    spoiled = np.where(tested[..., None], y, np.nan)
    assert task.score({"prediction": spoiled[None]}, 0).values["nrmse"] == 0
    assert tested.sum() == sum(length - length * 4 // 5 for length in lengths)
    train = numbers(task.problem(0).train)
    assert all(max(train[n]) < 1000 * n + length * 3 // 5 for n, length in enumerate(lengths))


def test_relative_error_is_that_of_the_best_trivial_answer() -> None:
    task: Any = recorded(season())
    assert task.period == 20
    problem = accepted(task.problem(0))
    for method, name in ((Persistence(), "persistence"), (Mean(), "mean")):
        model = method.fit_forecaster(problem, Run())
        values = task.score(asked(model, problem, Run()), 0).values
        assert values["nrmse"] == pytest.approx(values[name], rel=1e-12)
        assert values["relative_error"] == pytest.approx(values[name] / values["seasonal"], rel=1e-12)
    assert values["seasonal"] < 0.3 * values["persistence"]
    assert (task.baseline(0), task.oracle(0)) == (1.0, None)
    last = problem.query.rollouts["windows"].context.observations[:, -20:].numpy()
    repeated = np.concatenate([last] * 5, axis=1)[:, : task.horizon]
    assert task.score({"forecast.windows": repeated}, 0).values["relative_error"] == pytest.approx(1, rel=1e-12)


def test_one_step_trivial_answers() -> None:
    task: Any = recorded(season(), goal="onestep", period=20)
    y = task.data(0)["observations"]
    scale = y[:240].std(axis=0)
    values = task.score({"prediction": np.zeros((1, 1, 400, 2)) + y[:240].mean(axis=0)}, 0).values
    assert values["nrmse"] == pytest.approx(values["mean"])
    assert values["persistence"] == pytest.approx(np.sqrt(np.mean(((y[320:] - y[319:-1]) / scale) ** 2)))
    assert values["seasonal"] == pytest.approx(np.sqrt(np.mean(((y[320:] - y[300:380]) / scale) ** 2)))


def test_valid_time_is_in_units_of_time() -> None:
    frame = pandas.DataFrame(season(noise=0.0), columns=["a", "b"]).assign(time=0.25 * np.arange(400))
    task: Any = recorded(frame, time="time")
    truth = task.cut("observations", 0, task.horizon, 0)
    assert task.score({"forecast.windows": truth}, 0).values["valid_time"] == 0.25 * task.horizon
    broken = truth.copy()
    broken[:, 8:] = np.nan
    assert task.score({"forecast.windows": broken}, 0).values["valid_time"] == 0.25 * 8


@pytest.mark.parametrize("goal", GOALS)
def test_units_change_no_score(goal: str) -> None:
    data = season()
    scores = []
    for scale, shift in ((1.0, 0.0), (1e-6, 3.0), (1e6, -1e9)):
        task: Any = recorded(data * scale + shift, goal=goal)
        scores.append([*task.trivial(0).values(), task.period])
    np.testing.assert_allclose(scores[1:], [scores[0]] * 2, rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e300])
@pytest.mark.parametrize("goal", GOALS)
def test_answers_that_are_not_finite_give_a_finite_bad_score(goal: str, bad: float) -> None:
    task: Any = recorded(season(), goal=goal)
    problem = task.problem(0)
    answers = {
        "forecast": lambda: {"forecast.windows": np.full((len(task.windows(0)), task.horizon, 2), bad)},
        "onestep": lambda: {"prediction": np.full((1, 1, 400, 2), bad)},
        "attractor": lambda: {"forecast.free": np.full((1, problem.query.rollouts["free"].horizon, 2), bad)},
        "completion": lambda: {"form": np.array(2.0), "factor.0": np.full((400, 2), bad)},
    }
    with np.errstate(all="ignore"):
        values = task.score(answers[goal](), 0).values
    assert all(map(np.isfinite, values.values()))
    assert values["relative_error"] >= 1
    assert {metric.name for metric in task.metrics} >= set(values)


def test_inputs_go_along() -> None:
    frame = pandas.DataFrame({"u": np.arange(200.0), "y": 1000 + np.arange(200.0) ** 1.5})
    task: Any = recorded(frame, channels="y", inputs="u")
    problem = accepted(task.problem(0))
    rollout = problem.query.rollouts["windows"]
    whole = torch.cat([rollout.context.inputs, rollout.inputs], dim=1)
    np.testing.assert_array_equal(whole.diff(dim=1), 1)
    np.testing.assert_array_equal(problem.train.inputs[0, :, 0], np.arange(120))
    truth = task.cut("observations", task.context, task.horizon, 0)
    np.testing.assert_allclose(truth, 1000 + whole.numpy() ** 1.5)
    one: Any = recorded(frame, channels="y", inputs="u", goal="onestep")
    np.testing.assert_array_equal(one.problem(0).query.sequences.inputs[0, :, 0], np.arange(200))


def test_unequal_steps_become_gaps_of_one_step_prediction() -> None:
    times = np.cumsum(RNG.uniform(0.5, 1.5, 200))
    frame = pandas.DataFrame({"when": times, "y": np.sin(times)})
    problem = recorded(frame, time="when", goal="onestep").problem(0)
    assert isinstance(problem, Prediction)
    assert problem.query is not None
    gaps = problem.query.sequences.gaps
    assert gaps is not None
    np.testing.assert_allclose(gaps[0, 1:], np.diff(times))


def test_attractor_of_the_data_is_near_the_floor_and_a_fixed_point_is_not() -> None:
    turn, x = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]), [np.array([1.0, 0.0])]
    for _ in range(3999):
        x.append(turn @ x[-1])
    path = np.array(x) + 0.05 * RNG.standard_normal((4000, 2))
    task: Any = recorded(path, goal="attractor")
    problem: Any = accepted(task.problem(0))
    assert isinstance(problem, Forecasting)
    other = task.scaled(0)[: len(task.test(0))]
    horizon = problem.query.rollouts["free"].horizon
    free = np.concatenate([np.zeros((horizon - len(other), 2)), other])
    values = task.score({"forecast.free": free[None]}, 0).values
    assert values["d_stsp"] < 2 * values["d_stsp_floor"]
    assert values["relative_error"] < 0.2
    assert values["mean"] > 10 * values["d_stsp_floor"]
    np.testing.assert_allclose(problem.train.observations.mean((0, 1)), 0, atol=1e-12)


def test_completion_holds_out_known_entries_and_never_scores_missing_ones() -> None:
    rank_one = np.outer(RNG.uniform(1, 2, 60), RNG.uniform(1, 2, 12))
    rank_one[RNG.random((60, 12)) < 0.2] = np.nan
    task: Any = recorded(rank_one, goal="completion", rank=2)
    known, given = ~np.isnan(rank_one), task.given(0)
    assert not (given & ~known).any()
    assert given.sum() == known.sum() - -(-known.sum() // 5)
    assert (task.given(1) != given).any()
    problem = accepted(task.problem(0))
    assert isinstance(problem, Recovery)
    x = task.scaled(0)
    np.testing.assert_allclose(problem.operator.forward(torch.from_numpy(np.nan_to_num(x))), problem.y)
    perfect = {"form": np.array(2.0), "factor.0": np.nan_to_num(x, nan=1e6)}
    assert task.score(perfect, 0).values["nrmse"] == pytest.approx(0, abs=1e-12)
    values = task.score({"form": np.array(2.0), "factor.0": np.zeros_like(x)}, 0).values
    assert values["nrmse"] == pytest.approx(values["mean"])


def test_validation_error_is_that_of_the_test_by_definition() -> None:
    """The criterion of one-step prediction is the score, computed on validation data."""
    task: Any = recorded(season(), goal="onestep", period=20)
    problem = task.problem(0)

    class Last:
        def predict(self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)) -> torch.Tensor:
            return torch.roll(sequences.observations, 1, dims=1)[None]

    y = task.data(0)["observations"]
    start = 240 + min(64, 80 // 4)
    expected = np.sqrt(np.mean(((y[start:320] - y[start - 1 : 319]) / y[:240].std(axis=0)) ** 2))
    assert judged(task.criterion, Last(), problem) == pytest.approx(expected)


@pytest.mark.parametrize("period", [7, 12, 24])
def test_the_period_is_found(period: int) -> None:
    time = np.arange(400)
    wave = np.exp(np.cos(2 * np.pi * time / period)) + 0.02 * time + 0.2 * RNG.standard_normal(400)
    task: Any = recorded(wave, goal="onestep")
    assert task.period == period
    assert recorded(RNG.standard_normal(400), goal="onestep").fields()["period"] == 1


def test_a_salt_is_refused_with_a_reason() -> None:
    from dataclasses import replace

    assert recorded(season()).unavailable is None
    assert "leave --salt out" in str(replace(recorded(season()), salt="x").unavailable)
    assert isinstance(recorded(season()), Task)
