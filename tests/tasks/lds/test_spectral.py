"""The error of poles, and the comparator of a learner's own class."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.lds.online import Regret
from dynamark.tasks.lds.simulation import Simulation
from dynamark.tasks.lds.spectral import modes, realized_poles, spectral_error
from dynamark.tasks.lds.systems import Shape, draw


@pytest.mark.parametrize(("spectrum", "dim"), [("sym", 1), ("asym", 2), ("dense_ginibre", 2)])
def test_a_response_has_the_poles_of_its_system(spectrum: str, dim: int) -> None:
    system = draw(spectrum, Shape(6, 40, dim, dim), np.random.default_rng(1))
    actual = modes(system)
    assert actual is not None
    poles, weights = actual
    assert len(poles) == 6
    assert spectral_error(poles, weights, realized_poles(system.markov(200), 6)) < 1e-4
    assert spectral_error(poles, weights, 0 * poles) == pytest.approx(np.sum(weights * np.abs(poles)) / np.sum(weights))


def test_contributions_are_those_of_the_modes() -> None:
    """One real mode of gain g contributes g / sqrt(1 - a^2), a pair twice what each of its two modes does."""
    system = draw("asym", Shape(2, 40, 1, 1, 1.0), np.random.default_rng(0))
    actual = modes(system)
    assert actual is not None
    poles, weights = actual
    response = (np.sqrt(1 - np.abs(poles) ** 2) * weights)[0] * np.abs(poles[0]) ** np.arange(40)
    # G_i = 2 Re(c b lambda^i) touches 2 |c b| |lambda|^i, and never exceeds it.
    g = np.abs(system.markov(40)[:, 0, 0])
    assert (g <= 2 * response + 1e-12).all()
    assert (g / (2 * response)).max() > 0.9


def test_defective_systems_have_no_error_of_poles() -> None:
    assert modes(draw("nonnormal", Shape(8, 40, 1, 1), np.random.default_rng(0))) is None
    task = Simulation.at("tiny", spectrum="nonnormal")
    data = task.data(0)
    right = {"forecast.simulation": data["test.clean"], "forecast.impulse": data["markov"].transpose(2, 0, 1)}
    assert "spec_err" not in task.score(right, 0).values


def test_poles_are_assigned_at_least_cost() -> None:
    poles, weights = np.array([0.9, 0.5, -0.5]) + 0j, np.array([1.0, 2.0, 1.0])
    actual = np.array([-0.5, 0.5, 0.8]) + 0j
    assert spectral_error(poles, weights, actual) == pytest.approx(0.1 / 4)
    # One pole that was found stands for all three.
    assert spectral_error(poles, weights, np.array([0.5 + 0j])) == pytest.approx((0.4 + 1.0) / 4)
    assert realized_poles(np.zeros((9, 1, 1)), 4) == pytest.approx([0.0])


def test_regret_over_the_best_of_the_class() -> None:
    """Answering with the best regression in hindsight has no regret over it, and no fixed regression has less."""
    task = Regret.at("tiny", noise="nv")
    data = task.data(0)
    y, u = data["y"][0, :, 0], data["u"][0, :, 0]
    z = np.zeros((len(y), 25))
    for k in range(13):
        z[k:, k] = u[: len(u) - k]
    for k in range(1, 13):
        z[k:, 12 + k] = y[:-k]
    w = np.linalg.lstsq(z, y, rcond=None)[0]
    score = {"prediction": (z @ w)[None, :, None]}
    assert task.score(score, 0).values["class_regret"] == pytest.approx(0, abs=1e-8)
    moved = {"prediction": (z @ (w + 0.01))[None, :, None]}
    assert task.score(moved, 0).values["class_regret"] > 0.01
