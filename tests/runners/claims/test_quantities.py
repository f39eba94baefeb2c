"""Quantities agree with their definitions, and their intervals with known ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from claims_support import claim, index_of, row
from scipy import stats

from dynamark.runners.claims import intervals, quantities
from dynamark.runners.claims.claim import Interval, Need, Quantity, Runs
from dynamark.runners.claims.columns import MissingScore, Rows


def chosen(*rows: dict[str, Any], needs: list[Need] | None = None) -> Rows:
    return index_of(*rows).select(claim(*(needs or [Runs("f/t", "gd", seeds=99)])))[0]


def seeds(*values: float, method: str = "gd") -> list[dict[str, Any]]:
    return [row(method, k, value) for k, value in enumerate(values)]


def interval(quantity: Quantity, *rows: dict[str, Any], needs: list[Need] | None = None) -> Interval:
    return quantity(chosen(*rows, needs=needs))


def test_median_with_its_interval() -> None:
    actual = interval(quantities.median("error"), *seeds(1.0, 2.0, 4.0, 8.0, 100.0))
    assert actual.value == 4.0
    assert 1.0 <= actual.low < 4.0 < actual.high <= 100.0


@pytest.mark.parametrize("count", [2, 3, 4, 7, 20])
def test_the_quick_median_is_that_of_the_bootstrap(count: int) -> None:
    samples = np.sort(np.random.default_rng(count).standard_normal(count))
    slow = intervals.bootstrap(samples, lambda x: np.median(x, axis=1), 0.95)
    assert intervals.median_of(samples, 0.95) == slow
    assert intervals.median_of(samples[::-1], 0.95) == slow


def test_the_upper_end_of_an_interval_is_at_975_of_a_thousand_draws() -> None:
    samples = np.random.default_rng(0).standard_normal(40)
    actual = intervals.bootstrap(samples, lambda x: x.mean(axis=1), 0.95)
    half = stats.norm.ppf(0.975) * samples.std() / math.sqrt(40)
    np.testing.assert_allclose([actual.low, actual.high], samples.mean() + np.array([-half, half]), atol=0.1 * half)


def test_a_higher_level_widens_an_interval() -> None:
    rows = chosen(*seeds(*np.random.default_rng(1).standard_normal(15)))
    rows.level = 0.95
    narrow = quantities.mean("error")(rows)
    rows.level = 0.99
    wide = quantities.mean("error")(rows)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_one_seed_has_no_interval() -> None:
    for quantity in (quantities.median, quantities.mean, quantities.upper_extreme):
        assert interval(quantity("error"), row(value=3.0)) == Interval.unbounded(3.0)


def test_a_failed_run_is_not_left_out() -> None:
    rows = [*seeds(1.0, 2.0, 3.0), row(seed=3, status="crashed")]
    for quantity in (quantities.median, quantities.mean, quantities.upper_extreme, quantities.largest):
        assert math.isnan(interval(quantity("error"), *rows).value)
    assert math.isnan(interval(quantities.share("error", lambda x: x > 0), *rows).value)


def test_largest_and_smallest_are_exact() -> None:
    assert interval(quantities.largest("error"), *seeds(0, 1, 2, 3)) == Interval.exactly(3.0)
    assert interval(quantities.smallest("error"), *seeds(0, 1, 2, 3)) == Interval.exactly(0.0)
    assert interval(quantities.always("error", lambda x: x > 0), *seeds(0, 1, 2, 3)) == Interval.exactly(0.75)


def test_extremes_reach_beyond_the_seeds() -> None:
    # Robson and Whitlock: at 95 %, 19 times the distance of the two largest.
    upper = interval(quantities.upper_extreme("error"), *seeds(0, 5, 7, 6.5))
    np.testing.assert_allclose([upper.value, upper.low, upper.high], [7, 7, 7 + 19 * 0.5])
    lower = interval(quantities.lower_extreme("error"), *seeds(1, 1.25, 7))
    np.testing.assert_allclose([lower.value, lower.low, lower.high], [1, 1 - 19 * 0.25, 1])


def test_the_interval_of_an_extreme_covers_the_end_of_a_uniform_law() -> None:
    draws = np.random.default_rng(0).uniform(size=(2000, 8))
    covered = [intervals.upper_end(samples, 0.95).high >= 1 for samples in draws]
    assert 0.93 < np.mean(covered) < 0.98


def test_of_several_rows_of_a_seed_the_worst_counts() -> None:
    rows = [row(f"gd(rate={r})", k, float(k * r), method_fields={"rate": r}) for r in (2.0, 3.0) for k in range(1, 3)]
    needs: list[Need] = [Runs("f/t", "gd", {"rate": r}, seeds=3) for r in (2.0, 3.0)]
    assert interval(quantities.upper_extreme("error"), *rows, needs=needs).high == pytest.approx(6 + 19 * 3)


@pytest.mark.parametrize(("successes", "count"), [(0, 5), (2, 3), (14, 16), (5, 5), (90, 144)])
@pytest.mark.parametrize("level", [0.95, 0.975])
def test_a_share_has_the_interval_of_clopper_and_pearson(successes: int, count: int, level: float) -> None:
    exact = stats.binomtest(successes, count).proportion_ci(level, method="exact")
    actual = intervals.clopper_pearson(successes, count, level)
    np.testing.assert_allclose(
        [actual.value, actual.low, actual.high], [successes / count, exact.low, exact.high], atol=1e-12
    )


def test_shares_of_rows_and_of_trials() -> None:
    expected = intervals.clopper_pearson(3, 4, 0.95)
    assert interval(quantities.share("error", lambda x: x > 0.5), *seeds(0, 1, 2, 3)) == expected
    assert interval(quantities.counted("error", 6), *seeds(5, 4)) == intervals.clopper_pearson(9, 12, 0.95)


def test_ratio_and_difference_are_taken_seed_by_seed() -> None:
    rows = [*seeds(1, 2, 3), *seeds(2, 4, 6, method="agd")]
    needs: list[Need] = [Runs("f/t", "gd", seeds=3), Runs("f/t", "agd", seeds=3)]
    first, second = {"method": "agd"}, {"method": "gd"}
    for paired in (True, False):
        assert interval(quantities.ratio("error", first, second, paired), *rows, needs=needs).value == pytest.approx(2)
    assert interval(quantities.ratio("error", first, second), *rows, needs=needs).low == 2.0
    assert interval(quantities.difference("error", first, second), *rows, needs=needs).value == 2.0


def scaled(power: float) -> tuple[list[dict[str, Any]], list[Need]]:
    rates = [1.0, 2.0, 5.0]
    label = {1.0: "gd", 2.0: "gd(rate=2.0)", 5.0: "gd(rate=5.0)"}
    rows = [row(label[r], k, (k + 1) * r**power, method_fields={"rate": r}) for r in rates for k in range(3)]
    return rows, [Runs("f/t", "gd", {"rate": r}, seeds=3) for r in rates]


def test_power_law_recovers_its_exponent_whatever_the_seeds_factor() -> None:
    rows, needs = scaled(-1.5)
    actual = interval(quantities.power_law("error", "method.rate"), *rows, needs=needs)
    np.testing.assert_allclose([actual.value, actual.low, actual.high], -1.5, rtol=1e-12)


def test_spread_is_the_largest_over_the_smallest_median() -> None:
    rows, needs = scaled(1.0)
    assert interval(quantities.spread("error", "method.rate"), *rows, needs=needs).value == pytest.approx(5.0)


def test_a_score_that_no_row_has_is_named() -> None:
    with pytest.raises(MissingScore, match="no row of this claim has the score 'nonsense'"):
        interval(quantities.median("nonsense"), row())
