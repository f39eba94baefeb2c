"""Scores of ensembles: closed forms for Gaussians, the double sums as written, fairness in the number of draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dynamark.tasks.numerics.distributions import coverage, crps, energy_distance, energy_score


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_the_crps_of_gaussians_is_that_of_the_closed_form() -> None:
    """s/sqrt(pi) for the true ensemble, whatever its size; s sqrt(2/pi) for the mean; the full formula for a wrong ensemble."""
    trials, scale = 50_000, 1.7
    truth = 0.4 + scale * normal(1, trials)
    for count in (2, 5):
        score = crps(0.4 + scale * normal(2, trials, count), truth).mean()
        assert score == pytest.approx(scale / math.sqrt(math.pi), abs=0.02)
    assert crps(np.full((trials, 1), 0.4), truth).mean() == pytest.approx(scale * math.sqrt(2 / math.pi), abs=0.02)
    # Gneiting and Raftery, equation 21: an ensemble N(m, s^2) of the outcome y.
    mean, y = -0.3, 0.8
    z = (y - mean) / scale
    density, below = math.exp(-z * z / 2) / math.sqrt(2 * math.pi), (1 + math.erf(z / math.sqrt(2))) / 2
    wanted = scale * (z * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi))
    wrong = crps(mean + scale * normal(3, trials, 4), np.full(trials, y)).mean()
    assert wrong == pytest.approx(wanted, abs=0.02)


def test_the_crps_is_its_double_sum_and_the_energy_score_of_one_number() -> None:
    draws, truth = normal(4, 6, 7, 3, 2), normal(5, 6, 3, 2)
    count = draws.shape[1]
    spread = sum(np.abs(draws[:, i] - draws[:, j]) for i in range(count) for j in range(count))
    wanted = np.abs(draws - truth[:, None]).mean(1) - spread / (2 * count * (count - 1))
    np.testing.assert_allclose(crps(draws, truth), wanted, atol=1e-14)
    one = (draws[:, :, :1, 0], truth[:, :1, 0])
    np.testing.assert_allclose(energy_score(*one), crps(*one)[:, 0], atol=1e-14)


@pytest.mark.parametrize("count", [2, 3, 16])
def test_the_energy_score_of_gaussian_vectors_is_that_of_the_closed_form(count: int) -> None:
    """E|X - Y|/2 with X - Y ~ N(0, 2 I): sqrt(2) E chi_d / 2, over sqrt(d), whatever the number of draws."""
    trials, dim = 5_000, 6
    score = energy_score(normal(6, trials, count, 3, 2), normal(7, trials, 3, 2)).mean()
    chi = math.sqrt(2) * math.gamma((dim + 1) / 2) / math.gamma(dim / 2)
    assert score == pytest.approx(math.sqrt(2) * chi / 2 / math.sqrt(dim), rel=0.015)


def test_one_draw_is_a_point_forecast() -> None:
    draws, truth = normal(8, 5, 1, 4, 2), normal(9, 5, 4, 2)
    np.testing.assert_allclose(energy_score(draws, truth), np.sqrt(np.mean((draws[:, 0] - truth) ** 2, axis=(1, 2))))


def test_the_energy_distance_of_shifted_gaussians() -> None:
    """2 E|N(m, 2)| - 2 E|N(0, 2)| in one dimension; zero in the mean for two samples of one distribution, of either sign."""
    shift, scale = 0.9, math.sqrt(2)
    folded = scale * math.sqrt(2 / math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)
    wanted = 2 * folded - 2 * scale * math.sqrt(2 / math.pi)
    assert energy_distance(normal(1, 3000, 1), shift + normal(2, 3000, 1)) == pytest.approx(wanted, rel=0.05)
    same = [energy_distance(normal(2 * k, 50, 2), normal(2 * k + 1, 60, 2)) for k in range(40)]
    assert min(same) < 0 < max(same)
    assert abs(np.mean(same)) < 3 * np.std(same) / math.sqrt(len(same))


@pytest.mark.parametrize(("count", "level"), [(19, 0.9), (64, 0.9), (40, 0.5)])
def test_coverage_is_expected_of_a_further_draw(count: int, level: float) -> None:
    values = normal(count, 20_000, count + 1)
    share, expected = coverage(values[:, :-1], values[:, -1], level)
    assert share == pytest.approx(expected, abs=0.02)
    assert level <= expected + 1e-9 < level + 2 / (count + 1)
    narrow, _ = coverage(0.5 * values[:, :-1], values[:, -1], level)
    assert narrow < share - 0.1


def test_too_few_draws_bound_no_interval() -> None:
    with pytest.raises(ValueError, match="18 draws"):
        coverage(normal(1, 3, 18), normal(2, 3), 0.9)
