"""Probabilistic tasks: processes against closed forms, the oracle against the Gaussian CRPS, the scale, awkward answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from dynamark.tasks.koopman.paths import (
    DoubleWellPaths,
    OrnsteinUhlenbeckPaths,
    PathTask,
    SpiralPaths,
    SquareRootPaths,
)

TASKS = (OrnsteinUhlenbeckPaths, SpiralPaths, DoubleWellPaths, SquareRootPaths)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_the_true_ensemble_of_ou_has_the_gaussian_crps_at_every_step() -> None:
    """sqrt(1 - e^{-2 t})/sqrt(pi), over the standard deviation of the training data."""
    task = OrnsteinUhlenbeckPaths.at("tiny", test=4000, draws=8)
    data = task.data(0)
    paths = task.paths(np.repeat(data["test"][:, 0], 8, axis=0), task.horizon, rng())[:, 1:]
    scores = task.score({"sample.test": paths.reshape(4000, 8, task.horizon, 1)}, 0)
    spread = np.sqrt((1 - np.exp(-2 * task.dt * np.arange(1, task.horizon + 1))) / np.pi) / data["train"].std()
    np.testing.assert_allclose(scores.curves[0].values, spread, rtol=0.05)
    assert scores.values["crps_20"] == pytest.approx(spread[-1], rel=0.05)
    assert "coverage_error" not in scores.values


def test_a_step_of_the_spiral_has_the_mean_and_covariance_of_its_equation() -> None:
    task, x = SpiralPaths(), np.array([1.3, -0.4])
    drift = np.array([[-task.damping, -task.frequency], [task.frequency, -task.damping]])
    after = task.advance(np.tile(x, (100_000, 1)), rng())
    np.testing.assert_allclose(after.mean(0), expm(drift * task.dt) @ x, atol=5e-3)
    times = np.linspace(0, task.dt, 200)
    inside = [expm(drift * t) @ expm(drift * t).T * 2 * task.damping for t in times]
    np.testing.assert_allclose(np.cov(after.T), np.trapezoid(inside, times, axis=0), atol=2e-3)


def test_without_noise_the_double_well_follows_its_closed_form() -> None:
    """x^2 = 1/(1 + (1/x_0^2 - 1) e^{-8 t}), to the order of the Euler steps."""
    task, x = DoubleWellPaths(beta=1e30), np.array([[0.2], [-1.4]])
    paths = task.paths(x, 10, rng())
    wanted = np.sign(x) / np.sqrt(1 + (1 / x**2 - 1) * np.exp(-8 * task.dt * np.arange(11)))
    np.testing.assert_allclose(paths[..., 0], wanted, atol=0.02)


def test_the_square_root_process_has_its_moments() -> None:
    task = SquareRootPaths()
    x = task.start(20_000, rng())[:, 0]
    assert x.mean() == pytest.approx(1.0, abs=0.02)
    assert x.var() == pytest.approx(task.noise**2, rel=0.05)
    after = task.paths(np.full((20_000, 1), 2.5), 10, rng())[:, -1]
    assert after.mean() == pytest.approx(1 + 1.5 * np.exp(-10 * task.dt), abs=0.02)


@pytest.mark.parametrize("kind", TASKS)
def test_the_true_ensemble_beats_the_trivial_ones_and_is_calibrated(kind: type[PathTask]) -> None:
    task = kind.at("tiny")
    oracle, baseline = task.oracle(0), task.baseline(0)
    assert oracle < task.margin * baseline
    data = task.data(0)
    paths = task.paths(np.repeat(data["test"][:, 0], 64, axis=0), task.horizon, rng())[:, 1:]
    draws = paths.reshape(task.test, 64, *paths.shape[1:])
    values = task.score({"sample.test": draws}, 0).values
    assert values["energy_score"] == pytest.approx(oracle, rel=0.05)
    assert values["coverage_error"] < 0.05
    mean = draws.mean(axis=1, keepdims=True)
    assert task.score({"sample.test": mean}, 0).values["energy_score"] > 1.1 * oracle
    overconfident = task.score({"sample.test": mean + 0.5 * (draws - mean)}, 0).values
    assert overconfident["energy_score"] > 1.02 * oracle
    assert overconfident["coverage_error"] > 0.1


def test_answers_that_are_not_finite_get_the_worst_score() -> None:
    task = OrnsteinUhlenbeckPaths.at("tiny")
    draws = np.zeros((task.test, 64, task.horizon, 1))
    draws[:, 3, 4:] = np.inf
    draws[0] = np.nan
    values = task.score({"sample.test": draws}, 0).values
    assert all(np.isfinite(value) for value in values.values())
    assert values["diverged"] == 1.0
    assert values["energy_score"] > task.baseline(0)
