"""Hybrid systems: the modes follow their guards, balls lose energy by the restitution alone, and scores know their ends."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.chaos.hybrid import BouncingBall, SwitchedAutomaton


def test_modes_change_at_the_guards_and_each_spirals_about_its_own_point() -> None:
    task = SwitchedAutomaton.at("tiny", name="t", noise=0.0)
    data = task.data(0)
    x, mode = data["train"], data["train_modes"].astype(int)
    for before, after, first in zip(mode[:, :-1].T, mode[:, 1:].T, x[:, 1:-1, 0].T, strict=True):
        expected = np.where(before == 0, first > 1, first >= -1)
        np.testing.assert_array_equal(after, expected)
    for q, (damping, angle, center) in enumerate([(0.97, 0.15, (1.6, 0.4)), (0.96, -0.2, (-1.6, 0.2))]):
        turn = damping * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        here = mode == q
        predicted = center + (x[:, :-1][here] - center) @ turn.T
        np.testing.assert_allclose(x[:, 1:][here], predicted, atol=1e-12)
    assert 60 < np.abs(np.diff(mode)).sum(axis=1).mean() < 85


def test_the_mode_is_no_function_of_the_state_unless_the_guards_meet() -> None:
    for guard, mixed in ((1.0, True), (0.0, False)):
        data = SwitchedAutomaton.at("tiny", name="t", guard=guard).data(1)
        inside = np.abs(data["train"][:, 1:-1, 0]) < 0.9 * guard
        modes = data["train_modes"][:, 1:]
        assert (inside.any() and 0.2 < modes[inside].mean() < 0.8) == mixed
    np.testing.assert_array_equal(modes, data["train"][:, 1:-1, 0] >= 0)


def test_flight_keeps_the_energy_and_an_impact_multiplies_the_speed() -> None:
    task = BouncingBall.at("tiny", name="t")
    data = task.data(0)
    h, v = data["train"][..., 0], data["train"][..., 1]
    energy = 9.8 * h + v**2 / 2
    hit = data["train_modes"] == 1
    ratio = energy[:, 1:] / energy[:, :-1]
    np.testing.assert_allclose(ratio[~hit], 1, atol=1e-10)
    once = hit & (ratio > 0.64**2 * 1.01)
    assert once.sum() > 100
    np.testing.assert_allclose(ratio[once], 0.64, atol=1e-9)
    assert h.min() >= 0
    assert 6 < data["train_modes"].sum(axis=1).mean() < 10


def test_a_ball_comes_to_rest_at_the_time_of_the_geometric_series() -> None:
    task = BouncingBall.at("tiny", name="t")
    rng = np.random.default_rng(0)
    path, modes = task.paths(np.array([[0.0, 1.0]]), np.zeros(1, int), 80, rng)
    # Bounces of speed 0.8^k until below 0.05, which is k = 14: sum of the flight times 2 * 0.8^k / g.
    end = 2 / 9.8 * (1 - 0.8**14) / (1 - 0.8)
    resting = (path[0] == 0).all(axis=1)
    assert resting.argmax() == np.ceil(end / task.dt)
    assert resting[resting.argmax() :].all()
    assert not modes[0, resting.argmax() :].any()


def test_the_exact_continuation_scores_zero_and_the_height_alone_can_be_observed() -> None:
    for task in (
        BouncingBall.at("tiny", name="t", observed="height"),
        SwitchedAutomaton.at("tiny", name="t", noise=0.0),
    ):
        truth = task.observe(task.data(2)["test"])[:, task.context :]
        scores = task.score({"forecast.test": truth}, 2).values
        assert scores["nrmse_mean"] == scores["nrmse_200"] == 0
        assert task.oracle(2) == pytest.approx(0, abs=1e-12)
        broken = task.score({"forecast.test": np.full_like(truth, np.nan)}, 2).values
        assert broken["diverged"] == 1
        assert broken["nrmse_mean"] > 900
        assert task.problem(2).train.dim == truth.shape[2]
