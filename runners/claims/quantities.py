"""The usual quantities of claims, each computed from rows with an interval over seeds.

All are functions that return a `Quantity`, so that a claim reads as a declaration:

    Check("NMSE of spectral filtering", median("nmse", method="spectral_filtering"), Below(1e-4))

Conditions pick rows by column: `method="gd"` is the method's name, `task="lds/sym"` the task's name, and `tier`, `seed`,
`"method.rank"` or `"task.noise"` (pass them as a dictionary) their columns. A failed run has NaN scores, and NaN makes a
quantity NaN, which no relation accepts.

`largest` and `smallest` are exact, for theorems, which hold for every run. An empirical claim uses `upper_extreme`,
`lower_extreme` or `share`, whose intervals say what further seeds could give.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from dynamark.runners.claims.claim import Interval, Quantity
from dynamark.runners.claims.columns import Rows, Where
from dynamark.runners.claims.intervals import bootstrap, clopper_pearson, median_of, upper_end

__all__ = [
    "always",
    "counted",
    "difference",
    "largest",
    "lower_extreme",
    "mean",
    "median",
    "of_table",
    "power_law",
    "ratio",
    "share",
    "smallest",
    "spread",
    "upper_extreme",
]


def _medians(values: ndarray) -> ndarray:
    """Medians over seeds [draw, seed, ...] -> [draw, ...]."""
    return np.asarray(np.median(values, axis=1))


def _means(values: ndarray) -> ndarray:
    return np.asarray(np.mean(values, axis=1))


def median(score: str, columns: Where | None = None, **where: Any) -> Quantity:
    """The median over seeds."""
    chosen = {**(columns or {}), **where}
    return lambda rows: median_of(rows.values(score, chosen), rows.level)


def mean(score: str, columns: Where | None = None, **where: Any) -> Quantity:
    """The mean over seeds."""
    chosen = {**(columns or {}), **where}
    return lambda rows: bootstrap(rows.values(score, chosen), _means, rows.level)


def largest(score: str, columns: Where | None = None, **where: Any) -> Quantity:
    """The largest over all rows, exactly: for theorems, which hold for every one."""
    chosen = {**(columns or {}), **where}
    return lambda rows: Interval.exactly(np.max(rows.values(score, chosen)))


def smallest(score: str, columns: Where | None = None, **where: Any) -> Quantity:
    """The smallest over all rows, exactly: for theorems, which hold for every one."""
    chosen = {**(columns or {}), **where}
    return lambda rows: Interval.exactly(np.min(rows.values(score, chosen)))


def upper_extreme(score: str, columns: Where | None = None, **where: Any) -> Quantity:
    """The largest over seeds, with an interval for the largest value that further seeds could give.

    Of several rows of one seed its largest counts: seeds are what is drawn.
    """
    chosen = {**(columns or {}), **where}
    return lambda rows: upper_end(_worst(rows.where(chosen), rows.values(score, chosen)), rows.level)


def lower_extreme(score: str, columns: Where | None = None, **where: Any) -> Quantity:
    """The smallest over seeds, with an interval for the smallest value that further seeds could give."""
    chosen = {**(columns or {}), **where}

    def quantity(rows: Rows) -> Interval:
        mirrored = upper_end(_worst(rows.where(chosen), -rows.values(score, chosen)), rows.level)
        return Interval(-mirrored.value, -mirrored.high, -mirrored.low)

    return quantity


def _worst(rows: Rows, values: ndarray) -> ndarray:
    """The largest value of each seed."""
    seeds = rows["seed"]
    return np.array([values[seeds == seed].max() for seed in np.unique(seeds)])


def share(score: str, true: Callable[[ndarray], ndarray], columns: Where | None = None, **where: Any) -> Quantity:
    """The share of rows whose score satisfies a condition, with its exact (Clopper-Pearson) interval."""
    chosen = {**(columns or {}), **where}

    def quantity(rows: Rows) -> Interval:
        values = rows.values(score, chosen)
        if not np.isfinite(values).all():
            return Interval(math.nan, math.nan, math.nan)
        return clopper_pearson(int(np.sum(true(values))), len(values), rows.level)

    return quantity


def counted(successes: str, trials: str | int, columns: Where | None = None, **where: Any) -> Quantity:
    """The share of successes in all trials, k/n, from rows that hold the number of each; exact interval.

    successes: a score, a number of trials of the row. trials: a score, or the number of trials of every row.
    """
    chosen = {**(columns or {}), **where}

    def quantity(rows: Rows) -> Interval:
        won = rows.values(successes, chosen)
        tried = np.full(len(won), float(trials)) if isinstance(trials, int) else rows.values(trials, chosen)
        if not np.isfinite(won + tried).all() or (won < 0).any() or (won > tried).any():
            return Interval(math.nan, math.nan, math.nan)
        return clopper_pearson(round(won.sum()), round(tried.sum()), rows.level)

    return quantity


def always(score: str, true: Callable[[ndarray], ndarray], columns: Where | None = None, **where: Any) -> Quantity:
    """1 where every row's score satisfies a condition, else the share that does, exactly: for theorems."""
    chosen = {**(columns or {}), **where}
    return lambda rows: Interval.exactly(float(np.mean(true(rows.values(score, chosen)))))


def ratio(score: str, over: Where, under: Where, paired: bool = True) -> Quantity:
    """The median over seeds of one score divided by another, seed by seed; not paired: of the medians."""
    return _compared(score, over, under, paired, np.divide)


def difference(score: str, over: Where, under: Where, paired: bool = True) -> Quantity:
    """The median over seeds of one score minus another, seed by seed; not paired: of the medians."""
    return _compared(score, over, under, paired, np.subtract)


def _compared(
    score: str, over: Where, under: Where, paired: bool, operation: Callable[[ndarray, ndarray], ndarray]
) -> Quantity:
    def quantity(rows: Rows) -> Interval:
        first, second = rows.values(score, over), rows.values(score, under)
        count = min(len(first), len(second))
        if paired:
            return median_of(operation(first[:count], second[:count]), rows.level)
        both = np.stack([first[:count], second[:count]], axis=1)
        return bootstrap(both, lambda x: operation(_medians(x[..., 0]), _medians(x[..., 1])), rows.level)

    return quantity


def of_table(
    score: str,
    x: str,
    statistic: Callable[[ndarray, ndarray], ndarray],
    columns: Where | None = None,
    **where: Any,
) -> Quantity:
    """A statistic of a score by seed and by the values of a column; seeds are drawn whole.

    x: a column such as "method.start_scale". statistic: from the values of x [x] and scores [draw, seed, x] to [draw].
    """
    chosen = {**(columns or {}), **where}

    def quantity(rows: Rows) -> Interval:
        axis, table = rows.table(score, x, chosen)
        if not len(table):
            return Interval(math.nan, math.nan, math.nan)
        return bootstrap(table, lambda values: statistic(axis, values), rows.level)

    return quantity


def power_law(score: str, x: str, columns: Where | None = None, **where: Any) -> Quantity:
    """p of score = c x^p by least squares of logarithms, x a column such as "method.start_scale"."""

    def slope(axis: ndarray, values: ndarray) -> ndarray:
        logs = np.log(axis.astype(float))
        centered = logs - logs.mean()
        return np.asarray(_means(np.log(values)) @ centered / (centered @ centered))

    return of_table(score, x, slope, columns, **where)


def spread(score: str, x: str, columns: Where | None = None, **where: Any) -> Quantity:
    """The largest over the smallest of the medians over seeds at each value of x."""

    def quotient(axis: ndarray, values: ndarray) -> ndarray:
        medians = _medians(values)
        return np.asarray(medians.max(axis=1) / medians.min(axis=1))

    return of_table(score, x, quotient, columns, **where)
