"""The dynamical bandit against closed forms, and L37 on broken policies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dynamark.runners.claims.lds import experiments_bandits
from dynamark.runners.claims.lds.experiments_bandits import (
    DynamicalBandit,
    Policy,
    System,
    drawn_system,
    epoch_lengths,
    late_exponent,
    play,
)
from dynamark.tasks.problems import Run

SYSTEM = drawn_system(0.9, 0)


def noise(system: System, games: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    kicks = system.state_noise * rng.standard_normal((games, horizon, len(system.a)))
    return system.reward_noise * rng.standard_normal((games, horizon)), kicks


def test_h_is_the_reward_of_a_constant_action_in_the_long_run() -> None:
    x, action = np.zeros(5), SYSTEM.actions[0]
    for _ in range(400):
        x = SYSTEM.a @ x + SYSTEM.b @ action
    assert x @ SYSTEM.om + action @ SYSTEM.th == pytest.approx(SYSTEM.h @ action, rel=1e-10)
    assert np.linalg.norm(SYSTEM.a, 2) == pytest.approx(0.9)


def test_rewards_are_the_pseudo_regret_a_boundary_term_and_the_noise() -> None:
    rewards, kicks = noise(SYSTEM, 2, 300)
    for hold, last in ((True, True), (False, False), (True, False)):
        game = play(SYSTEM, Policy(hold, last), rewards, kicks)
        means = (SYSTEM.actions @ SYSTEM.h)[game.chosen].sum(axis=1)
        expected = means - game.state @ SYSTEM.gain + rewards.sum(axis=1) + kicks.sum(axis=1) @ SYSTEM.gain
        np.testing.assert_allclose(game.rewards.sum(axis=1), expected, rtol=1e-10)


def test_epochs_wait_longer_the_later_and_the_slower_the_system() -> None:
    assert epoch_lengths(0.5, 40, hold=True)[:9] == [1, 2, 2, 3, 3, 3, 3, 4, 4]
    assert epoch_lengths(0.9, 7, hold=False) == [1] * 7
    slow = epoch_lengths(0.98, 1000, hold=True)
    assert sum(slow) == 1000
    assert slow[1] == 1 + math.floor(math.log(2) / math.log(1 / 0.98))


@pytest.mark.parametrize(("hold", "last"), [(True, True), (False, False), (True, False)])
def test_the_action_has_the_largest_bound_of_the_regression_on_the_rows_of_its_policy(hold: bool, last: bool) -> None:
    """The action of the last epoch, from all earlier rows at once: the settled reward of each epoch, or all rewards."""
    horizon = 400
    game = play(SYSTEM, Policy(hold, last), *noise(SYSTEM, 1, horizon))
    lengths = np.array(epoch_lengths(SYSTEM.radius, horizon, hold))
    start = int(lengths[:-1].sum())
    rows = np.cumsum(lengths[:-1]) - 1 if last else np.arange(start)
    past, seen = SYSTEM.actions[game.chosen[0, rows]], game.rewards[0, rows]
    precision = np.eye(3) + past.T @ past
    widths = np.sqrt(np.diag(SYSTEM.actions @ np.linalg.solve(precision, SYSTEM.actions.T)))
    beta = 0.1 * math.sqrt(3 * math.log(start + 2)) + 0.2
    bounds = SYSTEM.actions @ np.linalg.solve(precision, past.T @ seen) + beta * widths
    assert game.chosen[0, start] == np.argmax(bounds)
    assert len(np.unique(game.chosen[0])) > 3


def test_the_bonus_of_the_theorem() -> None:
    """By hand for |th| = 2, |om| = 1, |B| = 1, radius 1/2, noise 1 after 8 rounds of 100."""
    one, th = np.ones((1, 1)), np.array([2.0])
    system = System(0.5 * one, one, np.ones(1), th, one, radius=0.5, reward_noise=1.0)
    width = math.sqrt(2 * (1 + 1 / 0.75) * (math.log(100) + 0.5 * math.log(1 + 8 / 4)))
    expected = (2 + 2) * 2 + (2 * 2) / 2 * (1 + math.log(9)) + width
    assert Policy(bonus="paper", penalty=4.0).beta(system, 8, 100) == pytest.approx(expected)


def test_the_exponent_of_a_power() -> None:
    assert late_exponent(np.arange(1.0, 2001) ** 0.6) == pytest.approx(0.6)


def regrets(policy: Policy, horizon: int = 4000) -> np.ndarray:
    """Pseudo-regret of 16 games over time."""
    means = SYSTEM.actions @ SYSTEM.h
    chosen = play(SYSTEM, policy, *noise(SYSTEM, 16, horizon)).chosen
    return np.asarray(np.cumsum(means.max() - means[chosen], axis=1))


def median_exponent(policy: Policy) -> float:
    return float(np.median([late_exponent(own) for own in regrets(policy)]))


def test_l37_fails_with_rewards_of_the_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    assert median_exponent(Policy()) < 0.65
    monkeypatch.setattr(experiments_bandits, "learned", lambda policy, rewards: -rewards[:, -1:])
    assert median_exponent(Policy()) > 0.65


def test_l37_fails_without_optimism(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: the width of the confidence set is subtracted."""
    right = Policy.beta
    monkeypatch.setattr(Policy, "beta", lambda self, *args: -right(self, *args))
    assert median_exponent(Policy()) > 0.65


def test_the_seed_draws_the_noise_alone() -> None:
    first, second = (DynamicalBandit(horizon=50).measure(Run((seed,))).values for seed in (0, 1))
    assert first != second
    assert first == DynamicalBandit(horizon=50).measure(Run((0,))).values
