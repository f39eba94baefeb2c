"""Quantities over learning rates: the best error, and how many decades of rates are good."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dynamark.runners.claims.claim import Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.intervals import bootstrap
from dynamark.runners.claims.quantities import of_table

__all__ = ["best", "decades", "more_decades"]

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _by_rate(statistic: Statistic, where: Mapping[str, Any]) -> Quantity:
    """A statistic of learning rates [rate] and median nmse by rate [draw, rate]."""
    return of_table("nmse", "method.rate", lambda rates, nmse: statistic(rates, np.median(nmse, axis=1)), where)


def best(where: Mapping[str, Any]) -> Quantity:
    """The least over learning rates of the median nmse."""
    return _by_rate(lambda rates, nmse: np.asarray(nmse.min(axis=1)), where)


def _spanned(rates: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Decades from the least to the largest of the good rates [draw, rate]; 0 where none is."""
    logs = np.log10(rates.astype(float))
    least, most = np.where(good, logs, np.inf).min(axis=1), np.where(good, logs, -np.inf).max(axis=1)
    return np.where(good.any(axis=1), most - least, 0.0)


def decades(where: Mapping[str, Any], limit: float | None = None) -> Quantity:
    """Decades of learning rate whose median nmse is below a limit; without one, within ten times the best (lr_robust)."""

    def span(rates: np.ndarray, nmse: np.ndarray) -> np.ndarray:
        bound = 10 * nmse.min(axis=1, keepdims=True) if limit is None else limit
        return _spanned(rates, nmse <= bound)

    return _by_rate(span, where)


def more_decades(where: Mapping[str, Any], other: Mapping[str, Any], limit: float) -> Quantity:
    """How many more decades of learning rate the first has below a limit than the second; seeds are drawn together."""

    def quantity(rows: Rows) -> Interval:
        rates, first = rows.table("nmse", "method.rate", where)
        others, second = rows.table("nmse", "method.rate", other)
        count = min(len(first), len(second))
        both = np.concatenate([first[:count], second[:count]], axis=1)

        def more(nmse: np.ndarray) -> np.ndarray:
            medians = np.median(nmse, axis=1)
            own, rival = medians[:, : len(rates)], medians[:, len(rates) :]
            return _spanned(rates, own <= limit) - _spanned(others, rival <= limit)

        return bootstrap(both, more, rows.level)

    return quantity
