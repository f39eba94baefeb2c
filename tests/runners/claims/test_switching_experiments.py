"""Claims on switching dynamics (X31 to X33), small; broken twins must not pass for them."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.methods.recurrent.hybrid import Guards
from dynamark.runners.claims.chaos.experiments_hybrid import BallEvents, HysteresisModes, _first, matched_share
from dynamark.runners.claims.chaos.switching import X32, X33
from dynamark.tasks.problems import Run


def test_modes_are_matched_whatever_their_numbers() -> None:
    truth = np.array([[0, 0, 1, 1, 2]])
    assert matched_share((truth + 1) % 3, truth) == 1
    assert matched_share(np.array([[3, 3, 0, 3, 2]]), truth) == 0.8


def test_the_first_event_of_a_trajectory_without_one_is_its_length() -> None:
    assert _first(np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0]], bool)).tolist() == [1, 3, 0]


def test_x32_modes_guards_and_forecasts() -> None:
    values = HysteresisModes(mlp_steps=5).measure(Run([0])).values
    assert values["mode_accuracy"] > 0.98
    assert values["guard_error"] < 0.02
    assert values["ratio"] < 0.5
    assert len(X32.checks) == 3


def test_x32_guards_that_do_not_see_the_mode_are_found() -> None:
    """Broken twin: the next mode is a function of the state."""
    values = HysteresisModes(memory=False, mlp_steps=5).measure(Run([0])).values
    assert values["mode_accuracy"] < 0.98
    assert values["guard_error"] > 0.02
    assert values["ratio"] > 0.5


def test_x33_impacts_are_predicted_and_a_ball_that_never_bounces_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    values = BallEvents(mlp_steps=5).measure(Run([0])).values
    assert values["event_error"] <= 1
    assert values["nrmse"] < 0.15
    assert values["affine_nrmse"] > 0.15
    assert values["flight_gap"] < 1e-12
    assert len(X33.checks) == 3
    monkeypatch.setattr(Guards, "next", lambda self, mode, seen: mode)  # broken twin
    values = BallEvents(mlp_steps=5).measure(Run([0])).values
    assert values["event_error"] > 1
    assert values["nrmse"] > 0.15
