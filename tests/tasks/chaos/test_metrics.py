"""The scores of a reconstruction against dense sums, closed forms and edge cases."""

from __future__ import annotations

import numpy as np
import pytest
from numpy import ndarray

from dynamark.tasks.chaos.metrics import (
    correlation_dimension,
    delay,
    embedded,
    hellinger,
    mixture_divergence,
    prediction_error,
    sliced_wasserstein,
    state_space_divergence,
    valid_time,
)

RNG = np.random.default_rng(0)


def dense(truth: ndarray, generated: ndarray, bins: int) -> float:
    """The definition over all cells, by NumPy's own histogram."""
    margin = 0.1 * truth.std(axis=0)
    box = list(zip(truth.min(axis=0) - margin, truth.max(axis=0) + margin, strict=True))
    shares = []
    for points in (truth, generated):
        count = np.histogramdd(points[np.isfinite(points).all(axis=1)], bins, box)[0].ravel()
        count = np.append(count, len(points) - count.sum()) + 1e-5
        shares.append(count / count.sum())
    p, q = shares
    return float(np.sum(p * np.log(p / q)))


@pytest.mark.parametrize(("dim", "bins", "length"), [(1, 30, 500), (2, 12, 800), (3, 9, 300), (3, 30, 2000)])
def test_divergence_is_the_dense_sum(dim: int, bins: int, length: int) -> None:
    truth, generated = RNG.standard_normal((1000, dim)), 1.3 * RNG.standard_normal((length, dim)) + 0.2
    generated[::50] = np.nan
    generated[1::50] = np.inf
    assert state_space_divergence(truth, generated, bins) == pytest.approx(dense(truth, generated, bins), rel=1e-12)


def test_equal_histograms_have_divergence_zero() -> None:
    truth = RNG.standard_normal((4000, 3))
    assert state_space_divergence(truth, RNG.permutation(truth)) == pytest.approx(0, abs=1e-12)


def test_leaving_the_box_is_not_rewarded() -> None:
    """All outside, all but one outside, and a fixed point inside cost nearly alike."""
    truth = RNG.standard_normal((20_000, 3))
    outside = np.full_like(truth, 1e6)
    one = outside.copy()
    one[0] = truth[0]
    actual = [state_space_divergence(truth, g) for g in (outside, one, np.zeros_like(truth))]
    assert max(actual) - min(actual) < 0.15
    assert min(actual) > 13


def test_hellinger_of_white_noise_without_smoothing_has_its_closed_form() -> None:
    """Raw periodograms are exponential: the mean overlap is (E sqrt P)^2 = pi/4, so D_H = sqrt(1 - pi/4) = 0.463."""
    a, b = RNG.standard_normal((2, 200_000, 1))
    assert hellinger(a, b, smoothing=1e-9) == pytest.approx(np.sqrt(1 - np.pi / 4), abs=0.002)


def test_hellinger_with_smoothing_has_its_floor() -> None:
    """Smoothing over s bins leaves variance e2 = 1/(2 sqrt(pi) s), so D_H is about sqrt(e2)/2 = 0.059 at s = 20."""
    actual = np.mean([hellinger(*RNG.standard_normal((2, 50_000, 1))) for _ in range(4)])
    assert actual == pytest.approx(np.sqrt(1 / (2 * np.sqrt(np.pi) * 20)) / 2, rel=0.05)


def test_hellinger_is_zero_for_itself_and_one_for_other_lines_or_nothing() -> None:
    time = np.arange(4000)[:, None]
    slow, fast = np.sin(0.1 * time), np.sin(1.5 * time)
    assert hellinger(slow, slow) == pytest.approx(0, abs=1e-7)
    assert hellinger(slow, fast) > 0.99
    assert hellinger(slow, np.full_like(slow, 0.3)) == 1
    broken = slow.copy()
    broken[7] = np.nan
    assert hellinger(slow, broken) == 1
    assert hellinger(slow, np.where(time == 7, 1e200, slow)) == 1


def test_hellinger_ignores_scale_and_shift() -> None:
    a, b = RNG.standard_normal((2, 3000, 2))
    assert hellinger(a, 5 * b - 3) == pytest.approx(hellinger(a, b), rel=1e-9)


@pytest.mark.parametrize(
    ("beyond", "expected"),
    [((), 10), ((0,), 0), ((9,), 9), ((4, 7), 4), (tuple(range(10)), 0)],
)
@pytest.mark.parametrize("value", [0.41, np.nan, np.inf])
def test_valid_time_counts_to_the_first_break(beyond: tuple[int, ...], expected: int, value: float) -> None:
    truth = np.zeros((1, 10, 2))
    predicted = np.zeros((1, 10, 2))
    predicted[0, list(beyond), 0] = value
    assert valid_time(truth, predicted, variance=1.0, dt=0.5)[0] == expected * 0.5


def test_valid_time_counts_the_norm_over_channels_against_the_power() -> None:
    truth, predicted = np.zeros((1, 3, 2)), np.array([[[0.3, 0.4], [0.6, 0.8], [0.0, 0.0]]])
    assert valid_time(truth, predicted, variance=1.0, dt=1.0, threshold=0.6)[0] == 1
    assert valid_time(truth, predicted, variance=4.0, dt=1.0, threshold=0.6)[0] == 3


def test_prediction_error_is_finite_whatever_is_predicted() -> None:
    truth = np.zeros((2, 3))
    assert prediction_error(truth, truth + 0.5) == 0.25
    assert prediction_error(truth, np.full((2, 3), np.nan)) == 1e6


def test_the_mixture_divergence_is_that_of_two_gaussians() -> None:
    """With one center each it is |m - n|^2 / (2 s^2), up to the spread of the draws."""
    a, b = np.zeros((50, 6)), np.full((50, 6), 0.5)
    expected = 6 * 0.25 / 2
    assert mixture_divergence(a, b) == pytest.approx(expected, abs=3 * np.sqrt(2 * expected / 1000))
    assert mixture_divergence(a, b, variance=0.5) == pytest.approx(2 * expected, abs=3 * np.sqrt(4 * expected / 1000))


def test_the_mixture_divergence_is_the_direct_sum() -> None:
    p, q = RNG.standard_normal((300, 6)), 1.5 * RNG.standard_normal((200, 6))
    rng = np.random.default_rng(0)
    drawn = p[rng.integers(0, 300, 1000)] + rng.standard_normal((1000, 6))

    def density(x: ndarray, centers: ndarray) -> ndarray:
        return np.exp(-((x[:, None] - centers) ** 2).sum(-1) / 2).mean(1)

    expected = float(np.mean(np.log(density(drawn, p)) - np.log(density(drawn, q))))
    assert mixture_divergence(p, q) == pytest.approx(expected, rel=1e-9)
    assert mixture_divergence(p, p) == 0
    assert np.isfinite(mixture_divergence(p, 1e3 + q))


def test_the_delay_is_where_the_correlation_has_fallen_to_1_over_e() -> None:
    """A cosine of period 410 falls to 1/e at 410 arccos(1/e)/(2 pi) = 77.9 samples; white noise at the first."""
    wave = np.cos(2 * np.pi * np.arange(41_000) / 410)[:, None]
    assert delay(wave) == 78
    assert delay(RNG.standard_normal((1000, 1))) == 1


def test_the_embedding_holds_a_series_and_its_shifts() -> None:
    actual = embedded(np.arange(10.0)[:, None], 3)
    assert actual.shape == (4, 3)
    assert actual[0].tolist() == [0, 3, 6]
    assert actual[-1].tolist() == [3, 6, 9]


def test_the_sliced_distance_of_a_shift_is_the_mean_projection() -> None:
    """E |<u, e>| over directions of R^3 is 1/2, so a shift by d costs d/2."""
    x = RNG.standard_normal((500, 3))
    assert sliced_wasserstein(x, RNG.permutation(x)) == 0
    assert sliced_wasserstein(x, x + np.array([0.8, 0, 0]), directions=4000) == pytest.approx(0.4, rel=0.03)


@pytest.mark.parametrize(
    "powers",  # of the share of pairs of a unit cube within r, by r, r^2, ...
    [(2, -1), (0, np.pi, -8 / 3, 1 / 2), (0, 0, 4 * np.pi / 3, -3 * np.pi / 2, 8 / 5, -1 / 6)],
)
def test_the_correlation_dimension_of_a_cube_has_its_closed_form(powers: tuple[float, ...]) -> None:
    dim = len(powers) // 2
    radius = np.linspace(0, 0.5, 20_001)
    within = sum(c * radius ** (i + 1) for i, c in enumerate(powers))
    share = np.geomspace(1e-3, 0.1, 20)
    expected = np.polyfit(np.log(np.interp(share, within, radius)), np.log(share), 1)[0]
    assert 0.9 * dim < expected <= dim
    actual = np.mean([correlation_dimension(RNG.uniform(size=(2500, dim))) for _ in range(4)])
    assert actual == pytest.approx(expected, rel=0.02)


def test_the_correlation_dimension_of_a_cycle_is_one_and_of_a_point_zero() -> None:
    turn = RNG.uniform(0, 2 * np.pi, 5000)
    assert correlation_dimension(np.stack([np.cos(turn), np.sin(turn)], axis=1)) == pytest.approx(1, abs=0.02)
    assert correlation_dimension(np.zeros((3000, 3))) == 0


def test_pairs_that_are_close_in_time_do_not_count() -> None:
    """Against a loop over all pairs that are further apart than the delay."""
    x = np.cumsum(RNG.standard_normal((400, 2)), axis=0)
    lag = delay(x[:, :1])
    assert lag > 3
    far = np.sort([np.linalg.norm(x[i] - x[j]) for i in range(400) for j in range(i + lag + 1, 400)])
    rank = np.unique((np.geomspace(1e-3, 0.1, 20) * len(far)).astype(int))
    slope = np.polyfit(np.log(far[rank]), np.log((rank + 1) / len(far)), 1)[0]
    assert correlation_dimension(x) == pytest.approx(slope, rel=1e-9)
