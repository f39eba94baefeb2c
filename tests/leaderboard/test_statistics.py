"""Statistics against closed forms, SciPy and rliable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dynamark.leaderboards import statistics
from dynamark.leaderboards.statistics import interquartile_mean, skill


def one(
    score: float, baseline: float = 10.0, oracle: float = 0.1, floor: float = 0.0, log: bool = True, low: bool = True
):
    def array(x: float) -> np.ndarray:
        return np.array([x], dtype=float)

    return skill(array(score), array(baseline), array(oracle), array(floor), np.array([log]), np.array([low]))[0]


def test_skill_is_the_place_between_baseline_and_oracle() -> None:
    assert one(10.0) == 0
    assert one(0.1) == 1
    assert one(1.0) == pytest.approx(0.5)  # half way in logarithms
    assert one(5.0, 10.0, 0.0, log=False) == 0.5
    assert one(0.75, 0.5, 1.0, log=False, low=False) == 0.5


def test_skill_is_clipped_at_both_ends() -> None:
    assert one(1e9) == 0
    assert one(1e-9) == 1
    assert one(0.2, 0.5, 1.0, log=False, low=False) == 0


def test_an_oracle_below_the_floor_counts_as_the_floor() -> None:
    assert one(1e-3, 10.0, 1e-12, floor=1e-3) == 1
    assert one(np.sqrt(10.0 * 1e-3), 10.0, 1e-12, floor=1e-3) == pytest.approx(0.5)
    assert one(0.0, 1.0, 0.0, floor=1e-6) == 1


def test_without_a_scale_there_is_no_skill() -> None:
    assert np.isnan(one(1.0, oracle=np.nan))
    assert np.isnan(one(1.0, baseline=np.nan))
    assert np.isnan(one(1.0, 0.1, 0.1))
    # An "oracle" on the wrong side of the baseline would reward the worse answer.
    assert np.isnan(one(1.0, 0.1, 10.0))
    assert np.isnan(one(0.9, 1.0, 0.5, log=False, low=False))


finite = st.floats(1e-12, 1e12)


@given(finite, finite, finite, st.booleans(), st.booleans())
def test_a_crash_never_beats_an_answer(score: float, a: float, b: float, log: bool, low: bool) -> None:
    answered = one(score, a, b, log=log, low=low)
    crashed = one(np.nan, a, b, log=log, low=low)
    assert crashed == 0
    assert np.isnan(answered) or 0 <= crashed <= answered <= 1


@given(finite, finite, finite, finite)
def test_a_better_score_has_no_less_skill(x: float, y: float, a: float, b: float) -> None:
    oracle, baseline = min(a, b), max(a, b)
    better, worse = one(min(x, y), baseline, oracle), one(max(x, y), baseline, oracle)
    assert np.isnan(better) or better >= worse


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 50])
def test_the_interquartile_mean_is_scipys_trimmed_mean(n: int) -> None:
    x = np.random.default_rng(n).standard_normal((3, n))
    assert interquartile_mean(x) == pytest.approx(stats.trim_mean(x, 0.25, axis=1), rel=1e-14)


def reference() -> tuple[np.ndarray, np.ndarray]:
    """Ten runs of six tasks [cell], and the task of each."""
    x = np.array([[((7 * i * i + 13 * j * j + 3 * i * j) % 29) / 29 for j in range(6)] for i in range(10)])
    return x.T.ravel(), np.repeat(np.arange(6), 10)


def test_mean_and_interval_agree_with_rliable() -> None:
    """rliable 1.2.0 on this matrix: aggregate_iqm 0.5413793103448276; 50,000 stratified resamples (0.41954, 0.65862)."""
    values, tasks = reference()
    assert interquartile_mean(values) == pytest.approx(0.5413793103448276, rel=1e-14)
    drawn = statistics.bootstrap_means(values[None], statistics.resample(tasks, draws=20_000))
    low, high = statistics.percentiles(drawn[0]) or (np.nan, np.nan)
    # Two percentiles of 20,000 and of 50,000 draws differ by their Monte Carlo error, about 1.5e-3.
    assert low == pytest.approx(0.41954, abs=5e-3)
    assert high == pytest.approx(0.65862, abs=5e-3)


def test_resamples_draw_as_many_as_there_are_from_each_stratum() -> None:
    strata = np.array([0, 1, 1, 2, 2, 2, 0])
    counts = statistics.resample(strata, draws=500)
    for stratum, size in ((0, 2), (1, 2), (2, 3)):
        assert (counts[:, strata == stratum].sum(axis=1) == size).all()
    assert counts[:, :3].std() > 0
    assert (counts == statistics.resample(strata, draws=500)).all()


@given(st.integers(1, 30), st.integers(0, 100))
def test_a_weighted_trimmed_mean_is_the_trimmed_mean_of_what_was_drawn(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, n) / 5
    counts = statistics.resample(rng.integers(0, 3, n), seed, draws=5)
    result = statistics.bootstrap_means(values[None], counts)[0]
    for draw in range(5):
        assert result[draw] == pytest.approx(interquartile_mean(np.repeat(values, counts[draw])), abs=1e-14)


def test_a_method_without_some_runs_is_resampled_over_those_it_has() -> None:
    values = np.array([[0.1, np.nan, 0.3, np.nan], [np.nan] * 4])
    drawn = statistics.bootstrap_means(values, statistics.resample(np.zeros(4, int), draws=300))
    seen = drawn[0][~np.isnan(drawn[0])]
    assert len(seen)
    assert (seen >= 0.1).all()
    assert (seen <= 0.3).all()
    assert np.isnan(drawn[1]).all()


def test_large_tables_get_fewer_draws() -> None:
    assert statistics.resample(np.zeros(10, int)).shape[0] == 2000
    assert statistics.resample(np.arange(30_000) % 7).shape[0] == 100


def test_intervals_cover_as_often_as_they_say() -> None:
    """Nominal 95 %; the percentile bootstrap of 40 values covers a little less. Binomial error of 300 trials: 1.3 %."""
    covered = 0
    tasks = np.repeat(np.arange(4), 10)
    rng = np.random.default_rng(5)
    counts = statistics.resample(tasks, draws=500)
    for _ in range(300):
        drawn = statistics.bootstrap_means(rng.uniform(size=(1, 40)), counts)
        low, high = statistics.percentiles(drawn[0]) or (0, 0)
        covered += low <= 0.5 <= high
    assert 0.87 <= covered / 300 <= 0.99


def test_places_share_the_better_one_when_equal() -> None:
    assert statistics.places(np.array([[0.9], [0.5], [0.5], [np.nan]])).ravel().tolist() == [1, 2, 2, 4]


def test_ranks_average_ties_and_put_failures_last() -> None:
    score = np.array([[1.0, 1.0, 0.2], [1.0, np.nan, 0.9], [0.5, 3.0, np.nan]])
    present = np.array([[True, True, True], [True, True, True], [True, True, False]])
    result = statistics.ranks(score, present, np.array([True, True, False]))
    assert result[:, 0].tolist() == [2.5, 2.5, 1]
    assert result[:, 1].tolist() == [1, 3, 2]
    assert result[:2, 2].tolist() == [2, 1]
    assert np.isnan(result[2, 2])


def test_ranks_are_scipys() -> None:
    from scipy.stats import rankdata

    score = np.random.default_rng(0).integers(0, 6, (9, 40)).astype(float)
    result = statistics.ranks(score, np.ones(score.shape, bool), np.ones(40, bool))
    assert np.array_equal(result, rankdata(score, axis=0))


def test_holm_by_hand() -> None:
    """Holm 1979 as in the textbook example: sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, then monotone."""
    assert statistics.holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert statistics.holm(np.array([])).tolist() == []


def test_paired_tests_agree_with_scipys_published_example() -> None:
    """The heights of Darwin's maize in scipy.stats.wilcoxon's documentation: exact two-sided p = 0.041259765625."""
    d = np.array([6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75.0])
    p = statistics.paired_tests(np.array([d, np.zeros(15)]))[0, 1]
    assert p == pytest.approx(0.041259765625, abs=0.004)  # a normal approximation with 15 pairs
    assert p == pytest.approx(stats.wilcoxon(d, correction=True, method="asymptotic").pvalue, rel=1e-12)


def test_absent_runs_and_equal_ones_are_dropped_from_the_tests() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 30))
    a[3], b[7] = np.nan, np.nan
    a[5] = b[5]
    known = ~np.isnan(a - b)
    expected = stats.wilcoxon(a[known], b[known], correction=True, method="asymptotic").pvalue
    assert statistics.paired_tests(np.stack([a, b]))[0, 1] == pytest.approx(expected, rel=1e-12)
    assert (statistics.paired_tests(np.ones((3, 5))) == 1).all()


def test_all_pairs_are_adjusted_together() -> None:
    x = np.random.default_rng(1).standard_normal((4, 25)) + np.arange(4)[:, None]
    result = statistics.paired_tests(x)
    raw = [
        stats.wilcoxon(x[i], x[j], correction=True, method="asymptotic").pvalue
        for i in range(4)
        for j in range(i + 1, 4)
    ]
    upper = result[np.triu_indices(4, 1)]
    assert upper == pytest.approx(statistics.holm(np.array(raw)), rel=1e-12)
    assert (result == result.T).all()


def test_bands_are_led_by_their_best_method() -> None:
    p = np.ones((4, 4))
    p[0, 2] = p[0, 3] = 0.001
    assert statistics.bands([0, 1, 2, 3], p) == [1, 1, 2, 2]
    p[2, 3] = 0.001
    assert statistics.bands([0, 1, 2, 3], p) == [1, 1, 2, 3]
    assert statistics.bands([], np.ones((0, 0))) == []


def test_a_p_value_at_the_level_tells_apart() -> None:
    """As Holm 1979 has it: significant when the adjusted p-value is at most the level."""
    adjusted = np.array([[1.0, 0.05], [0.05, 1.0]])
    assert statistics.bands([0, 1], adjusted) == [1, 2]
    values = np.stack([np.arange(12.0), np.arange(12.0) - np.linspace(-0.1, 1, 12)])
    (p,) = statistics.against_leader(values, 0, [1])
    assert 0 < p < 1
    assert statistics.bands_by_leader([0, 1], values, level=p) == [1, 2]
    assert statistics.bands_by_leader([0, 1], values, level=np.nextafter(p, 0)) == [1, 1]


def test_tests_against_a_leader_are_adjusted_for_their_number() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, 20)) - np.array([[0.0], [0.8], [1.0], [0.9]])
    single = np.array([statistics.against_leader(values, 0, [k])[0] for k in (1, 2, 3)])
    np.testing.assert_allclose(statistics.against_leader(values, 0, [1, 2, 3]), statistics.holm(single))
    assert not np.allclose(statistics.against_leader(values, 0, [1, 2, 3]), single)


def test_two_seeds_have_an_interval_and_one_has_none() -> None:
    """Of two values the t interval with one degree of freedom: 1.5 -+ 12.706 * 0.5."""
    point, interval = statistics.mean_of_tasks(np.array([[1.0, 2.0]]))
    assert point == 1.5
    assert interval == pytest.approx((1.5 - 12.706205 / 2, 1.5 + 12.706205 / 2))
    assert statistics.mean_of_tasks(np.array([[1.0]])) == (1.0, None)


@pytest.mark.parametrize(("seed", "method", "interval"), [(11, 1, (2, 5)), (79, 3, (1, 3))])
def test_the_interval_of_a_rank_is_rounded_outward(seed: int, method: int, interval: tuple[int, int]) -> None:
    """Its percentiles are 2.975 and 5, and 1 and 2.025: the ranks between which they lie count as well."""
    values = np.random.default_rng(seed).standard_normal((6, 1, 4)).round(2)
    assert statistics.rank_intervals(values)[method] == interval


def test_ties_have_the_mean_of_their_ranks() -> None:
    """Groups of one, two, three and four equal differences of both signs; no other assertion has unequal groups."""
    d = np.array([1, -2, 2, 3, 3, -3, 4, 4, 4, -4, 5, 6], dtype=float)
    expected = stats.wilcoxon(d, method="asymptotic", correction=True).pvalue
    assert statistics.signed_rank_test(d) == pytest.approx(expected, rel=1e-12)


def test_the_mean_of_tasks_cuts_both_ends_of_each() -> None:
    values = np.random.default_rng(0).standard_normal((3, 9)) ** 3
    point, interval = statistics.mean_of_tasks(values)
    assert point == pytest.approx(stats.trim_mean(values, 0.25, axis=1).mean(), rel=1e-14)
    assert interval is not None
    assert interval[0] < point < interval[1]


@pytest.mark.parametrize(("successes", "count"), [(0, 3), (2, 7), (5, 5)])
def test_the_interval_of_a_share_is_scipys(successes: int, count: int) -> None:
    expected = stats.binomtest(successes, count).proportion_ci(0.95, method="wilson")
    assert statistics.wilson(successes / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)
