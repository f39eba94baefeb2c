"""The tasks of flows: splits, withheld truth, the ends of the scale, and spectra through the shuffled pool."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from koopman_problems import spectral_gap

from dynamark.tasks.koopman.deterministic import Duffing, LotkaVolterra, Pendulum, SlowManifold, VanDerPol
from dynamark.tasks.koopman.flows import FlowTask
from dynamark.tasks.koopman.lifted import WakePixels
from dynamark.tasks.koopman.maps import TorusMap
from dynamark.tasks.koopman.systems import ODE
from dynamark.tasks.koopman.waves import KuramotoSivashinskyField, Wake

TASKS = [
    SlowManifold,
    Duffing,
    Pendulum,
    VanDerPol,
    LotkaVolterra,
    Wake,
    WakePixels,
    KuramotoSivashinskyField,
    TorusMap,
]


def tiny(cls: type[FlowTask], **fields: object) -> FlowTask:
    task = cls.at("tiny", name=f"koopman/{cls.__name__}", **fields)
    assert isinstance(task, FlowTask)
    return task


@pytest.mark.parametrize("cls", TASKS)
def test_the_true_flow_scores_zero_and_ignorance_the_baseline(cls: type[FlowTask]) -> None:
    task = tiny(cls)
    truth = task.data(0)["test"]
    scores = task.score({"forecast.test": truth[:, 1:]}, 0)
    assert scores.values["nrmse_mean"] == 0
    assert scores.values["valid_horizon"] == pytest.approx(task.dt * task.test_steps / task.clock)
    assert set(scores.values) <= {m.name for m in task.metrics}
    mean = np.broadcast_to(task.data(0)["train"].mean(axis=(0, 1)), truth[:, 1:].shape)
    first = np.broadcast_to(truth[:, :1], truth[:, 1:].shape)
    ends = [task.score({"forecast.test": guess}, 0).values["nrmse_mean"] for guess in (mean, first)]
    assert task.baseline(0) == pytest.approx(min(ends))
    assert task.oracle(0) == (None if cls is TorusMap else 0)


@pytest.mark.parametrize("cls", TASKS)
def test_answers_that_are_not_finite_get_a_finite_score(cls: type[FlowTask]) -> None:
    task = tiny(cls)
    query = task.problem(0).query
    assert query is not None
    assert query.points is not None
    shape = (len(query.points), 2)
    answers = {
        "forecast.test": np.full_like(task.data(0)["test"][:, 1:], np.nan),
        "eigenvalues": np.array([1.0, np.nan], dtype=complex),
        "eigenfunctions": np.full(shape, np.nan + 0j),
    }
    scores = task.score(answers, 0)
    assert np.isfinite(list(scores.values.values())).all()
    assert scores.values["diverged"] == 1
    assert scores.values["nrmse_mean"] > 500


def test_splits_start_elsewhere_and_a_longer_one_keeps_the_others() -> None:
    task = tiny(Duffing)
    data = task.data(0)
    starts = np.concatenate([data[name][:, 0] for name in ("train", "validation", "test")])
    assert len(np.unique(starts, axis=0)) == len(starts)
    assert not np.array_equal(data["test"], task.data(1)["test"])


def test_the_query_shows_first_states_only() -> None:
    task = tiny(Pendulum)
    problem = task.problem(0)
    assert problem.query is not None
    rollout = problem.query.rollouts["test"]
    assert rollout.context.observations.shape[1] == problem.context == 1
    assert rollout.horizon == task.test_steps


@pytest.mark.parametrize("cls", [Duffing, VanDerPol, LotkaVolterra, Wake])
def test_halving_the_step_moves_no_state_by_more_than_rounding_of_the_scale(cls: type[FlowTask]) -> None:
    task = tiny(cls)
    flow = task.flow
    assert isinstance(flow, ODE)
    start = task.starts(np.random.default_rng(0), 50)
    steps = min(task.test_steps, 300)
    coarse = flow(start, task.dt, steps)
    fine = dataclasses.replace(flow, substeps=2 * flow.substeps)(start, task.dt, steps)
    assert np.abs(coarse - fine).max() < 1e-9 * np.abs(fine).max()


def test_true_eigenfunctions_have_no_residual_and_the_whole_leading_spectrum() -> None:
    task = tiny(SlowManifold)
    query = task.problem(0).query
    assert query is not None
    assert query.points is not None
    x1, x2 = query.points[:, 0].numpy().T
    b = -1.0 / (-1.0 + 0.1)
    functions = np.stack([np.ones_like(x1), x1, x1**2, x2 - b * x1**2], axis=1).astype(complex)
    values = np.exp(task.dt * np.array([0, -0.05, -0.1, -1.0])).astype(complex)
    answers = {"forecast.test": task.data(0)["test"][:, 1:], "eigenvalues": values, "eigenfunctions": functions}
    scores = task.score(answers, 0).values
    assert scores["residual_max"] < 1e-13
    assert scores["spec_err"] < 1e-15
    assert scores["spec_miss"] < 1e-15
    assert scores["residual_share"] == 1
    shuffled = task.score({**answers, "eigenfunctions": functions[::-1]}, 0).values
    assert shuffled["residual_median"] > 0.1


def test_the_basin_indicator_of_duffing_tells_the_basins() -> None:
    task = tiny(Duffing)
    query = task.problem(0).query
    assert query is not None
    assert query.points is not None
    ends = task.flow(query.points[:, 0].numpy(), 0.25, 200)[:, -1, 0]
    answers = {
        "forecast.test": task.data(0)["test"][:, 1:],
        "eigenvalues": np.ones(1, dtype=complex),
        "eigenfunctions": np.sign(ends)[:, None].astype(complex),
    }
    scores = task.score(answers, 0).values
    assert scores["basin_acc"] == 1
    assert scores["residual_max"] < 1e-12


def test_rates_of_duffing_are_those_of_its_linearization() -> None:
    actual = tiny(Duffing).spectrum
    assert actual is not None
    rates = np.log(actual[1]) / 0.25
    expected = np.append(0, np.linalg.eigvals([[0, 1], [-2, -0.5]]))
    assert spectral_gap(rates, expected) < 1e-12
    assert tiny(Duffing, damping=0.0).spectrum is None


def test_noise_enters_training_and_context_but_not_the_targets() -> None:
    quiet, noisy = tiny(SlowManifold), tiny(SlowManifold, noise=0.01)
    data = noisy.data(0)
    shown = noisy.problem(0)
    assert 0.009 < float((shown.train.observations.numpy() - data["train"]).std()) < 0.011
    assert noisy.score({"forecast.test": data["test"][:, 1:]}, 0).values["nrmse_mean"] == 0
    assert 0.001 < (noisy.oracle(0) or 0.0) < 0.5
    assert quiet.oracle(0) == 0


def test_the_delay_track_shows_windows_and_scores_what_follows_them() -> None:
    task = tiny(Pendulum, context=32)
    problem, truth = task.problem(0), task.data(0)["test"]
    assert problem.query is not None
    assert problem.query.points is not None
    assert (
        problem.context
        == problem.query.points.shape[1]
        == problem.query.rollouts["test"].context.observations.shape[1]
        == 32
    )
    assert truth.shape[1] == 32 + task.test_steps
    assert task.score({"forecast.test": truth[:, 32:]}, 0).values["nrmse_mean"] == 0
    still = np.broadcast_to(truth[:, 31:32], truth[:, 32:].shape)
    mean = np.broadcast_to(task.data(0)["train"].mean(axis=(0, 1)), still.shape)
    ends = [task.score({"forecast.test": guess}, 0).values["nrmse_mean"] for guess in (still, mean)]
    assert task.baseline(0) == pytest.approx(min(ends))


def test_windows_of_the_pool_are_paired_with_their_successors() -> None:
    """The energy at the end of a window is an eigenfunction of eigenvalue 1."""
    task = tiny(Pendulum, context=32)
    query = task.problem(0).query
    assert query is not None
    assert query.points is not None
    theta, nu = query.points[:, -1].numpy().T
    energy = (nu**2 / 2 - np.cos(theta))[:, None].astype(complex)
    answers = {
        "forecast.test": task.data(0)["test"][:, 32:],
        "eigenvalues": np.ones(1, complex),
        "eigenfunctions": energy,
    }
    assert task.score(answers, 0).values["residual_max"] < 1e-9
    shuffled = task.score({**answers, "eigenfunctions": energy[::-1]}, 0).values
    assert shuffled["residual_max"] > 0.1


def test_the_limit_cycle_of_the_wake_and_its_slow_rate() -> None:
    task = tiny(Wake)
    paths = task.flow(np.array([[1.0, 0, 1.0], [1.001, 0, 1.001**2]]), 0.1, 300)
    radius = np.hypot(paths[..., 0], paths[..., 1])
    np.testing.assert_allclose(radius[0], 1.0, atol=1e-9)
    gap = radius[1] - 1
    assert np.log(gap[250] / gap[100]) / 15 == pytest.approx(-0.204168, abs=5e-5)
