"""Completion of rewards (C50, C51) at small size, and broken versions that must not satisfy the claims."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.runners.claims.sensing.experiments_rewards import PolicyBias, UserSamples, alternated, truncated
from dynamark.tasks.problems import Run


def test_c50_weights_of_the_propensity_give_the_full_loss() -> None:
    values = PolicyBias(kappa=2.0, shape=(20, 24), rank=2, share=0.5).measure(Run([0])).values
    assert values["expected_off"] < 1e-6
    assert values["expected_ratio"] > 1.05
    assert values["log_ratio"] == pytest.approx(np.log(values["inverse"] / values["plain"]))
    even = PolicyBias(kappa=0.0, shape=(20, 24), rank=2, sweeps=10).measure(Run([0])).values
    assert abs(even["log_ratio"]) < 1e-12


def test_c50_other_weights_miss_the_truncated_decomposition() -> None:
    rng = np.random.default_rng(1)
    rewards, p = rng.standard_normal((12, 10)), rng.uniform(0.1, 1, (12, 10))
    best = truncated(rewards, 2)
    right, wrong = alternated(rewards[None], np.stack([p / p, p * p]), 2, 0.0, 400)
    assert np.allclose(right, best, atol=1e-6)
    assert np.linalg.norm(wrong - best) > 0.1


def test_c51_more_users_need_fewer_samples_each() -> None:
    few, many = (UserSamples(n, 20, 2, (2, 14), sweeps=40).measure(Run([0])).values for n in (8, 60))
    assert many["entries"] < few["entries"]
    assert 1 <= many["relative"] <= 3
    # Broken: users whose rewards share nothing, so that no number below the columns is enough.
    assert UserSamples(1, 20, 2, (15, 20), sweeps=5).measure(Run([0])).values["entries"] >= 19
