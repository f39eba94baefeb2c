"""Errors in factors against dense matrices; reach and rates against curves in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.sensing import metrics
from dynamark.tasks.sensing.convergence import convergence_rate, reach

RNG = np.random.default_rng(0)
TRUTH = (RNG.standard_normal((9, 2)), RNG.standard_normal((7, 2)))
PAIR = (RNG.standard_normal((9, 4)), RNG.standard_normal((7, 4)))
DENSE, TARGET = PAIR[0] @ PAIR[1].T, TRUTH[0] @ TRUTH[1].T


def test_errors_agree_with_dense_matrices() -> None:
    assert metrics.relative_error(PAIR, TRUTH) == pytest.approx(np.linalg.norm(DENSE - TARGET) / np.linalg.norm(TARGET))
    assert metrics.spectral_error(PAIR, TRUTH) == pytest.approx(
        np.linalg.norm(DENSE - TARGET, 2) / np.linalg.norm(TARGET, 2)
    )
    left, right = metrics.truncate(PAIR, 2)
    u, s, vt = np.linalg.svd(DENSE)
    np.testing.assert_allclose(left @ right.T, (u[:, :2] * s[:2]) @ vt[:2], atol=1e-12)


def test_the_floor_of_an_error_in_factors_is_rounding() -> None:
    """|L R^T - X*|^2 expanded in inner products would stop at 1e-8."""
    other = TRUTH[0] @ np.array([[2.0, 1.0], [0.0, 3.0]]), TRUTH[1] @ np.linalg.inv([[2.0, 1.0], [0.0, 3.0]]).T
    assert metrics.relative_error(other, TRUTH) < 1e-14


@pytest.mark.parametrize(("form", "factors"), [(0.0, PAIR), (1.0, (PAIR[0],)), (2.0, (DENSE,))])
def test_forms_of_answers(form: float, factors: tuple[np.ndarray, ...]) -> None:
    solution = {"form": np.array(form), **{f"factor.{i}": f for i, f in enumerate(factors)}}
    solution |= {f"snapshot.{s}.{i}": s * f for s in (3, 20) for i, f in enumerate(factors)}
    left, right = metrics.estimate(solution)
    expected = PAIR[0] @ PAIR[0].T if form == 1 else DENSE
    np.testing.assert_allclose(left @ right.T, expected)
    steps, pair = metrics.snapshots(solution)
    assert pair is not None
    assert steps.tolist() == [3, 20]
    scale = 20.0 if form == 2 else 400.0
    np.testing.assert_allclose(pair[0][1] @ pair[1][1].T, scale * expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_has_the_worst_error(bad: float) -> None:
    broken = (PAIR[0] * bad, PAIR[1])
    assert metrics.relative_error(broken, TRUTH) == metrics.WORST
    assert metrics.spectral_error(broken, TRUTH) == metrics.WORST
    assert metrics.relative_error(metrics.truncate(broken, 2), TRUTH) == metrics.WORST
    stacked = tuple(np.stack([a, b]) for a, b in zip(broken, PAIR, strict=True))
    result = metrics.relative_error((stacked[0], stacked[1]), TRUTH)
    assert result[0] == metrics.WORST
    assert result[1] == pytest.approx(metrics.relative_error(PAIR, TRUTH))


STEPS = np.unique(np.geomspace(1, 1e4, 200).astype(int)).astype(float)


def test_reach_interpolates_the_logarithm_and_is_censored() -> None:
    error = np.exp(-0.01 * STEPS)
    assert reach(STEPS, error, 1e-4) == pytest.approx(np.log(1e4) / 0.01, rel=1e-9)
    assert reach(STEPS, np.full_like(STEPS, 0.5), 1e-2) is None
    assert reach(np.array([0.0, 5.0]), np.array([0.0, 0.0]), 1e-2) == 0


def test_a_line_is_linear() -> None:
    rate_fitted = convergence_rate(STEPS, 3 * np.exp(-0.004 * STEPS))
    assert rate_fitted.kind == "linear"
    assert rate_fitted.rate == pytest.approx(0.004, rel=1e-6)
    assert rate_fitted.rate_r2 == pytest.approx(1)


def test_a_power_is_a_power_of_the_squared_error() -> None:
    rate_fitted = convergence_rate(STEPS, 1 / (10 + 0.5 * STEPS))
    assert rate_fitted.kind == "power"
    assert rate_fitted.power == pytest.approx(2, abs=0.1)


def test_a_plateau_is_stalled_and_a_kink_is_mixed() -> None:
    assert convergence_rate(STEPS, np.full_like(STEPS, 0.17)).kind == "stalled"
    kink = np.where(STEPS < 2000, 0.5, 0.5 * np.exp(-0.001 * (STEPS - 2000)))
    assert convergence_rate(STEPS, kink).kind == "mixed"


def test_rounding_is_left_out() -> None:
    noisy = np.maximum(np.exp(-0.02 * STEPS), 1e-15 * (1 + 0.5 * np.sin(STEPS)))
    assert convergence_rate(STEPS, noisy).rate == pytest.approx(0.02, rel=1e-6)
    assert convergence_rate(STEPS, np.full_like(STEPS, 1e-16)).kind == "floor"


def test_a_slow_line_is_unfinished_and_its_rate_is_of_the_last_half() -> None:
    rate_fitted = convergence_rate(STEPS, np.exp(-2e-4 * STEPS))
    assert rate_fitted.unfinished
    assert rate_fitted.rate == pytest.approx(2e-4, rel=1e-6)
