"""Oscillators at irregular times: their Kalman filter against the general one, and against the data."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from dynamark.errors import UserError
from dynamark.tasks.lds.irregular import Irregular, Oscillators


def test_the_filter_is_the_joint_gaussians_conditional_mean() -> None:
    """All values of a sequence are jointly Gaussian: the best prediction is a regression with the true covariance."""
    o = Oscillators(np.array([0.05, 0.2]), np.array([0.7, 2.0]), 0.3)
    rng = np.random.default_rng(0)
    gaps, y = rng.exponential(size=(3, 12)), rng.standard_normal((3, 12))
    best, innovation = o.kalman(y, gaps)
    for n in range(3):
        at = np.cumsum(gaps[n])
        apart = np.abs(at[:, None] - at)[..., None]
        covariance = np.mean(np.exp(-o.damping * apart) * np.cos(o.frequency * apart), axis=2) + 0.09 * np.eye(12)
        for t in range(1, 12):
            w = scipy.linalg.solve(covariance[:t, :t], covariance[:t, t])
            assert best[n, t] == pytest.approx(w @ y[n, :t], abs=1e-12)
            assert innovation[n, t] == pytest.approx(covariance[t, t] - w @ covariance[:t, t], abs=1e-12)


@pytest.mark.parametrize("sampling", ["exponential", "dropped"])
def test_errors_of_the_filter_have_the_variance_it_says(sampling: str) -> None:
    task = Irregular.at("tiny", sampling=sampling, test=400)
    data, (best, innovation) = task.data(0), task.best(0)
    b = task.burn_in
    error = (data["test.y"] - best)[:, b:]
    assert np.mean(error**2) == pytest.approx(np.mean(innovation[:, b:]), rel=0.03)
    assert np.mean(data["test.y"] ** 2) == pytest.approx(1.09, rel=0.05)


def test_gaps_have_their_laws() -> None:
    waiting = Irregular.at("tiny", train=400).data(0)["train.gaps"]
    assert (waiting >= 0).all()
    assert np.mean(waiting) == pytest.approx(1.0, rel=0.02)
    assert np.mean(waiting**2) == pytest.approx(2.0, rel=0.04)
    steps = Irregular.at("tiny", train=400, sampling="dropped").data(0)["train.gaps"]
    # A grid point is kept with probability 0.7.
    assert [np.mean(steps == k) for k in (1, 2, 3)] == pytest.approx([0.7, 0.21, 0.063], rel=0.05)


def test_the_scale_has_its_two_ends() -> None:
    task = Irregular.at("tiny")
    problem = task.problem(0)
    assert problem.train.gaps is not None
    best = {"prediction": task.best(0)[0][None, ..., None]}
    assert task.score(best, 0).values["excess"] == task.oracle(0) == 0
    nothing = {"prediction": np.zeros_like(best["prediction"])}
    assert task.baseline(0) <= task.score(nothing, 0).values["excess"]
    assert task.score({"prediction": np.full_like(best["prediction"], np.nan)}, 0).values["excess"] > 1e6
    with pytest.raises(UserError, match="sampling"):
        Irregular.at("tiny", sampling="never")
