"""Measures of irregularity, kernel distances and percentage errors against closed forms and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from dynamark.tasks.chaos.smape import smape, smape_valid_time
from dynamark.tasks.numerics.irregularity import decorrelation_stride, sample_entropy, zero_one_test
from dynamark.tasks.numerics.kernel_distance import bandwidths, squared_discrepancy

RNG = np.random.default_rng(0)


def logistic(count: int, rate: float = 4.0) -> np.ndarray:
    out = np.empty(count)
    x = 0.3
    for t in range(count):
        x = out[t] = rate * x * (1 - x)
    return out


def test_the_01_test_tells_a_chaotic_map_from_a_cycle_and_a_quasiperiodic_orbit() -> None:
    assert zero_one_test(logistic(1000)) > 0.95
    assert abs(zero_one_test(logistic(1000, 3.5)[200:])) < 0.1
    assert abs(zero_one_test(np.cos(math.sqrt(2) * np.arange(1000)))) < 0.1
    assert abs(zero_one_test(np.ones(100))) < 0.1


def test_the_01_test_does_not_depend_on_units_and_offset() -> None:
    series = logistic(500)
    assert zero_one_test(7 * series - 3) == pytest.approx(zero_one_test(series), abs=0.02)


def test_sample_entropy_counts_pairs_as_its_definition_does() -> None:
    series = RNG.standard_normal(120)
    tolerance = 0.2 * series.std()
    counts = []
    for length in (2, 3):
        windows = [series[i : i + length] for i in range(len(series) - 2)]
        close = [np.abs(a - b).max() <= tolerance for i, a in enumerate(windows) for b in windows[:i]]
        counts.append(sum(close))
    assert sample_entropy(series) == pytest.approx(math.log(counts[0] / counts[1]))


def test_sample_entropy_of_noise_of_a_line_and_of_far_points() -> None:
    noise = np.random.default_rng(1).standard_normal(3000)
    assert sample_entropy(noise) == pytest.approx(-math.log(math.erf(0.1)), abs=0.05)
    assert sample_entropy(np.tile([0.0, 1.0], 200)) == pytest.approx(0.0, abs=0.02)
    assert sample_entropy(np.array([0.0, 1.0, 5.0, 25.0])) == math.inf


def test_the_stride_is_where_the_autocorrelation_falls_below_one_over_e() -> None:
    t = np.arange(20_000)
    period = 97
    expected = math.ceil(math.acos(1 / math.e) / (2 * math.pi) * period)
    assert decorrelation_stride(np.cos(2 * math.pi * t / period)) == expected
    assert decorrelation_stride(RNG.standard_normal(500)) == 1


def test_the_discrepancy_is_its_double_sum_and_zero_in_the_mean() -> None:
    x, y = RNG.standard_normal((2, 15, 2))
    widths = bandwidths(x)
    middle = np.median([np.linalg.norm(a - b) for i, a in enumerate(x) for b in x[:i]])
    assert widths == pytest.approx([middle / 4, middle / 2, middle, 2 * middle])

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(np.mean([np.exp(-(cdist(a, b) ** 2) / (2 * s * s)) for s in widths], axis=0))

    n = len(x)
    within = sum((kernel(z, z).sum() - n) / (n * (n - 1)) for z in (x, y))
    assert squared_discrepancy(x, y, widths) == pytest.approx(within - 2 * kernel(x, y).mean())
    pairs = RNG.standard_normal((400, 2, 10, 2))
    values = [squared_discrepancy(a, b, widths) for a, b in pairs]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(len(values))
    assert squared_discrepancy(x, x + 3, widths) > 10 * np.std(values)


def test_percentage_errors_by_hand() -> None:
    truth = np.array([[[1.0, 0.0], [2.0, -1.0], [4.0, 1.0]]])
    guess = np.array([[[3.0, 0.0], [2.0, 1.0], [np.nan, 1.0]]])
    np.testing.assert_allclose(smape(truth, guess), [[50.0, 100.0, 100.0]])
    assert smape_valid_time(truth, truth, 0.5) == [1.5]
    assert smape_valid_time(truth, guess, 0.5, threshold=60.0) == [0.5]  # running means 50, 75, 83
    assert smape_valid_time(truth, guess, 0.5, threshold=80.0) == [1.0]
    assert smape_valid_time(truth, guess, 0.5) == [0.0]
