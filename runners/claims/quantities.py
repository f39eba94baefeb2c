"""The usual quantities of claims, each made from rows with an interval by bootstrap over seeds.

All are functions that return a `Measure`, so that a claim reads as a declaration:

    Check("NMSE of spectral filtering", median("nmse", method="spectral_filtering"), Below(1e-4))

`where` picks rows by column: `method="gd"` is the method's name, `task="lds/sym"` the task's name, and `tier`, `seed`,
`"method.rank"` or `"task.noise"` (pass them as a dictionary) their columns. A failed run has NaN scores, and NaN makes a
quantity NaN, which no relation accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from dynamark.runners.claims.claim import Measure, Measured

if TYPE_CHECKING:
    import pandas

__all__ = ["largest", "mean", "median", "pick", "power_law", "ratio", "share", "smallest", "spread"]

Where = Mapping[str, Any]
_DRAWS, _LEVEL = 2000, 0.95


def pick(rows: pandas.DataFrame, where: Where) -> pandas.DataFrame:
    """The rows that `where` describes, by seed."""
    for column, value in where.items():
        column = {"method": "method_name", "task": "task_name"}.get(column, column)
        rows = rows[rows[column] == value]
    return rows.sort_values("seed")


def _values(rows: pandas.DataFrame, score: str, where: Where) -> ndarray:
    chosen = pick(rows, where)
    column = f"score.{score}"
    if not len(chosen) or column not in chosen:
        raise KeyError(f"no row of this claim has the score '{score}' where {dict(where)}")
    return chosen[column].to_numpy(float)


def _interval(samples: ndarray, statistic: Callable[[ndarray], ndarray]) -> Measured:
    """A statistic of the seeds [seed, ...], with its percentile interval over seeds drawn with replacement.

    statistic: from [draw, seed, ...] to [draw].
    """
    value = float(statistic(samples[None])[0])
    if not np.isfinite(samples).all():
        return Measured(np.nan, np.nan, np.nan)
    if len(samples) == 1:
        return Measured.exactly(value)
    picks = np.random.default_rng(0).integers(0, len(samples), (_DRAWS, len(samples)))
    low, high = np.quantile(statistic(samples[picks]), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Measured(value, float(low), float(high))


def _median(values: ndarray) -> ndarray:
    return np.asarray(np.median(values, axis=1))


def _mean(values: ndarray) -> ndarray:
    return np.asarray(np.mean(values, axis=1))


def median(score: str, columns: Where | None = None, **where: Any) -> Measure:
    """The median over seeds."""
    chosen = {**(columns or {}), **where}
    return lambda rows: _interval(_values(rows, score, chosen), _median)


def mean(score: str, columns: Where | None = None, **where: Any) -> Measure:
    """The mean over seeds."""
    chosen = {**(columns or {}), **where}
    return lambda rows: _interval(_values(rows, score, chosen), _mean)


def largest(score: str, columns: Where | None = None, **where: Any) -> Measure:
    """The largest over all rows, exactly: for theorems, which hold for every one."""
    chosen = {**(columns or {}), **where}
    return lambda rows: Measured.exactly(np.max(_values(rows, score, chosen)))


def smallest(score: str, columns: Where | None = None, **where: Any) -> Measure:
    """The smallest over all rows, exactly."""
    chosen = {**(columns or {}), **where}
    return lambda rows: Measured.exactly(np.min(_values(rows, score, chosen)))


def ratio(score: str, over: Where, under: Where, paired: bool = True) -> Measure:
    """The median over seeds of one score divided by another, seed by seed; not paired: of the medians."""

    def measured(rows: pandas.DataFrame) -> Measured:
        top, bottom = _values(rows, score, over), _values(rows, score, under)
        if paired:
            return _interval(top / bottom, _median)
        count = min(len(top), len(bottom))
        both = np.stack([top[:count], bottom[:count]], axis=1)
        return _interval(both, lambda x: _median(x[..., 0]) / _median(x[..., 1]))

    return measured


def power_law(score: str, x: str, columns: Where | None = None, **where: Any) -> Measure:
    """p of score = c x^p by least squares of logarithms, x a column such as "method.start_scale"; seeds drawn whole."""
    chosen = {**(columns or {}), **where}

    def measured(rows: pandas.DataFrame) -> Measured:
        table = pick(rows, chosen).pivot_table(index="seed", columns=x, values=f"score.{score}", dropna=False)
        axis = np.log(table.columns.to_numpy(float))
        centerd = axis - axis.mean()

        def slope(values: ndarray) -> ndarray:
            return np.asarray(_mean(np.log(values)) @ centerd / (centerd @ centerd))

        return _interval(table.to_numpy(float), slope)

    return measured


def spread(score: str, x: str, columns: Where | None = None, **where: Any) -> Measure:
    """The largest over the smallest of the medians over seeds at each value of x."""
    chosen = {**(columns or {}), **where}

    def measured(rows: pandas.DataFrame) -> Measured:
        table = pick(rows, chosen).pivot_table(index="seed", columns=x, values=f"score.{score}", dropna=False)

        def quotient(values: ndarray) -> ndarray:
            medians = _median(values)
            return np.asarray(medians.max(axis=1) / medians.min(axis=1))

        return _interval(table.to_numpy(float), quotient)

    return measured


def share(score: str, true: Callable[[ndarray], ndarray], columns: Where | None = None, **where: Any) -> Measure:
    """The share of rows whose score satisfies a condition."""
    chosen = {**(columns or {}), **where}
    return lambda rows: Measured.exactly(np.mean(true(_values(rows, score, chosen))))
