"""Confidence intervals of statistics over seeds.

- A statistic of seeds: percentile bootstrap, seeds drawn with replacement.
- A share k/n: Clopper and Pearson 1934, exact.
- The largest (or smallest) value that a run can give: Robson and Whitlock 1964. Of n draws with the two largest x_(n) and
  x_(n-1), the upper end of the distribution lies in [x_(n), x_(n) + (1 - a)/a (x_(n) - x_(n-1))] with confidence 1 - a.

One seed has no interval: it is unbounded.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy import ndarray

from dynamark.runners.claims.claim import Interval

__all__ = ["bootstrap", "clopper_pearson", "median_of", "upper_end"]

_DRAWS = 2000

# From samples [draw, seed, ...] to the statistic [draw].
Statistic = Callable[[ndarray], ndarray]


def bootstrap(samples: ndarray, statistic: Statistic, level: float) -> Interval:
    """A statistic of the seeds [seed, ...] with its percentile interval over seeds drawn with replacement.

    Not finite where a sample is not: a failed run is not left out.
    """
    if not np.isfinite(samples).all():
        return Interval(math.nan, math.nan, math.nan)
    value = float(statistic(samples[None])[0])
    if len(samples) == 1:
        return Interval.unbounded(value)
    return _percentiles(value, statistic(samples[_picks(len(samples))]), level)


def median_of(samples: ndarray, level: float) -> Interval:
    """The median over seeds [seed] with its percentile interval over seeds drawn with replacement.

    As `bootstrap` with the median, faster: the median of a draw is one of its two middle order statistics, or their mean.
    """
    if not np.isfinite(samples).all():
        return Interval(math.nan, math.nan, math.nan)
    value = float(np.median(samples))
    if len(samples) == 1:
        return Interval.unbounded(value)
    ordered = np.sort(samples)
    below, above = _middles(len(samples))
    return _percentiles(value, (ordered[below] + ordered[above]) / 2, level)


def _percentiles(value: float, drawn: ndarray, level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


@functools.cache
def _picks(count: int) -> ndarray:
    """Places of seeds drawn with replacement [draw, seed], the same in every call."""
    picks = np.random.default_rng(0).integers(0, count, (_DRAWS, count))
    picks.setflags(write=False)
    return picks


@functools.cache
def _middles(count: int) -> tuple[ndarray, ndarray]:
    """The places of the two middle order statistics of each draw, among the ordered seeds."""
    ordered = np.sort(_picks(count), axis=1)
    return ordered[:, (count - 1) // 2], ordered[:, count // 2]


@functools.lru_cache(maxsize=1024)
def clopper_pearson(successes: int, count: int, level: float) -> Interval:
    """k/n with the interval of all p that neither P(X >= k) nor P(X <= k) below (1 - level)/2 rejects, X ~ Binomial(n, p)."""
    if not 0 <= successes <= count or not count:
        return Interval(math.nan, math.nan, math.nan)  # no count of trials
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else _root(lambda p: _at_least(successes, count, p) - tail)
    high = 1.0 if successes == count else _root(lambda p: tail - (1 - _at_least(successes + 1, count, p)))
    return Interval(successes / count, low, high)


def _at_least(successes: int, count: int, p: float) -> float:
    """P(X >= k) for X ~ Binomial(n, p)."""
    return math.fsum(math.comb(count, i) * p**i * (1 - p) ** (count - i) for i in range(successes, count + 1))


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def upper_end(samples: ndarray, level: float) -> Interval:
    """The largest of the seeds [seed], with the interval of the upper end of their distribution."""
    if not np.isfinite(samples).all():
        return Interval(math.nan, math.nan, math.nan)
    if len(samples) == 1:
        return Interval.unbounded(samples[0])
    second, first = np.sort(samples)[-2:]
    return Interval(float(first), float(first), float(first + level / (1 - level) * (first - second)))
