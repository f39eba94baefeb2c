"""What penalties select (C52, C53, C54): identities at small size, and broken versions that must not satisfy them."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.runners.claims.sensing.experiments_regularized import (
    ParallelNets,
    RepresenterPoints,
    decayed_product,
    importances,
    penalized,
    thresholded,
)
from dynamark.runners.claims.sensing.experiments_starvation import Starvation, descended
from dynamark.tasks.problems import Run

RNG = np.random.default_rng


def test_thresholding_minimizes_the_penalized_distance() -> None:
    rng = RNG(0)
    target = rng.standard_normal((5, 4))

    def objective(z: np.ndarray) -> float:
        return float(0.5 * np.sum((z - target) ** 2) + 0.7 * np.linalg.norm(z, "nuc"))

    best = thresholded(target, 0.7)
    assert all(objective(best) < objective(best + 1e-3 * rng.standard_normal((5, 4))) for _ in range(50))
    assert np.linalg.matrix_rank(thresholded(target, 0.0, 2)) == 2


def test_c53_parallel_nets_threshold_their_target_and_a_wrong_decay_does_not() -> None:
    values = ParallelNets(n=4, widths=(2, 2, 2), steps=3000, distance=0.3).measure(Run([0])).values
    assert max(values["gap_branch"], values["gap_parallel"], values["gap_narrow"]) < 1e-10
    assert values["rank_error"] == 0
    assert values["gap_one_sided"] > 0.1
    # Broken: half the decay, as when the 2 of the gradient of |W|^2 is left out.
    rng = RNG(1)
    start = 0.3 * rng.standard_normal((4, 4)), 0.3 * rng.standard_normal((4, 4))
    target = np.diag([5.0, 4.0, 3.0, 2.0])
    halved = decayed_product(target, start, (0.5, 0.5), 0.02, 2000)
    assert np.linalg.norm(halved - thresholded(target, 1.0)) > 0.1
    assert np.linalg.norm(halved - thresholded(target, 0.5)) < 1e-10


def test_c52_samples_sum_to_the_matrix_at_the_minimizer_only() -> None:
    values = RepresenterPoints(n=5, samples=60, functionals=4, removed=5).measure(Run([0])).values
    assert max(values["gap_right"], values["gap_left"]) < 1e-10
    assert min(values["gap_early"], values["gap_wrong"]) > 1e-2
    assert values["lowered"] > 0.5


def test_c52_another_penalty_in_the_importances_is_found() -> None:
    rng = RNG(2)
    rows, y = rng.standard_normal((40, 16)) / 40**0.5, rng.standard_normal(40)
    x = penalized(rows, y, (4, 4), 0.05, 5000)
    assert np.allclose(importances(x, rows, y, 0.05)["left"].sum(axis=0), x, atol=1e-10)
    assert not np.allclose(importances(x, rows, y, 0.06)["left"].sum(axis=0), x, atol=1e-3)


def test_c54_decoupling_lifts_the_weak_feature_and_weight_decay_does_not() -> None:
    values = Starvation(steps=4000).measure(Run([0])).values
    assert values["rho_plain"] < 0.1
    assert values["rho_decay"] < 0.1
    assert values["weak_share"] < 0.4
    assert values["rho_decoupled"] > 2 * values["rho_plain"]


def test_c54_decoupling_ends_in_least_squares() -> None:
    features = (1 + 0.3 * RNG(3).standard_normal((100, 2))) * np.array([1.0, 0.5])
    mask, strong = np.ones((2, 1)), np.array([1e4])
    w = descended(features, mask, strong, np.zeros(1), 1e-4, 4000)[:, 0]
    # With s large the net answers 1/(2 s) to every sample as well as it can.
    least_squares = np.linalg.lstsq(features, np.full(100, 0.5 / 1e4), rcond=None)[0]
    assert w == pytest.approx(least_squares, rel=1e-3)


def test_c54_without_noise_nothing_is_decoupled() -> None:
    """Both features are collinear then: the share stays b^2/a^2 whatever the penalty, so that toy tests nothing."""
    values = Starvation(samples=20, noise=0.0, steps=300).measure(Run([0])).values
    assert values["rho_plain"] == pytest.approx(0.01)
    assert values["rho_decoupled"] == pytest.approx(0.01)
