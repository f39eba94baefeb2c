"""Experiments on learned filters, liquid cells and diagonal kin: against direct integration and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.runners.claims.lds.experiments_cells import FourierAttack, IrregularFilters, LiquidBounds
from dynamark.runners.claims.lds.experiments_networks import LearnedFilter, ModeWidth
from dynamark.tasks.problems import Run


@pytest.mark.parametrize("total", [False, True])
def test_the_time_of_a_mode_is_that_of_its_flow(total: bool) -> None:
    measured = ModeWidth(width=5, total=total).measure(Run((3,))).values["time"]
    b, c = 0.1 * np.abs(Run((3,)).numpy.standard_normal((2, 5)))
    if total:
        b, c = b / 5**0.5, c / 5**0.5
    steps = 0
    while b @ c < 0.5:
        pull = 1e-4 * (1 - b @ c)
        b, c, steps = b + pull * c, c + pull * b, steps + 1
    assert measured == pytest.approx(steps * 1e-4, rel=1e-3)


def test_gradients_of_the_learned_filter_are_those_of_its_loss() -> None:
    e, rng = LearnedFilter(width=4, lags=7), np.random.default_rng(0)
    w, u, v = 0.5 * rng.standard_normal((4, 4)), rng.standard_normal(4), rng.standard_normal(4)
    target = rng.standard_normal(7)

    def loss(w: np.ndarray, u: np.ndarray, v: np.ndarray) -> float:
        k = np.array([v @ np.linalg.matrix_power(w, s) @ u for s in range(7)])
        return 0.5 * float(np.sum((k - target) ** 2))

    error, gradients = e._gradients(w, u, v, target)
    assert 0.5 * error @ error == pytest.approx(loss(w, u, v))
    for place, gradient in enumerate(gradients):
        for index in np.ndindex(gradient.shape):
            ends = []
            for sign in (1, -1):
                moved = [w.copy(), u.copy(), v.copy()]
                moved[place][index] += sign * 1e-6
                ends.append(loss(*moved))
            assert gradient[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_a_network_that_starts_at_the_filter_stays_there() -> None:
    e = LearnedFilter(width=2, lags=30, gain=0.0, aim=1e-12, steps=0)
    values = e.measure(Run((0,))).values
    assert values["steps"] == 0
    assert values["bulk"] == 0
    assert values["outlier"] == pytest.approx(0.95)


def test_liquid_bounds_hold_and_are_not_empty() -> None:
    values = LiquidBounds(units=6, length=60, sequences=3).measure(Run((0,))).values
    assert values["state_low"] > 0
    assert values["state_high"] > 0
    assert values["range"] > 0.1
    assert values["slow"] < 1 < values["fast"]


def test_the_attack_hits_the_diagonal_part_alone() -> None:
    values = FourierAttack(states=16, length=1500, step=1e-2).measure(Run((0,))).values
    assert values["attacked_normal"] > values["clean_normal"]
    assert values["attacked_ptd"] < 0.1
    assert values["ratio"] > 3


def test_a_filter_without_gaps_is_worse() -> None:
    values = IrregularFilters(length=200, sequences=16).measure(Run((0,))).values
    assert values["mse"] == pytest.approx(values["predicted"], rel=0.1)
    assert values["mse_blind"] > 1.5 * values["mse"]
