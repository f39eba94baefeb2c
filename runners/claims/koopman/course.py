"""Quantities of claims about the period of re-encoding."""

from __future__ import annotations

import math

import numpy as np

from dynamark.runners.claims.claim import Interval, Quantity
from dynamark.runners.claims.columns import Rows, Where
from dynamark.runners.claims.intervals import bootstrap, clopper_pearson

__all__ = ["interior", "won"]

_PERIODS = (0, 1, 2, 5, 8, 10, 16, 25, 50)


def won(score: str, members: int, where: Where | None = None) -> Quantity:
    """The share of members that win, from rows that hold the share of `members` each; exact interval."""

    def quantity(rows: Rows) -> Interval:
        shares = rows.values(score, where)
        if not ((shares >= 0) & (shares <= 1)).all():
            return Interval(math.nan, math.nan, math.nan)
        return clopper_pearson(round(members * float(shares.sum())), members * len(shares), rows.level)

    return quantity


def interior(where: Where) -> Quantity:
    """The period with the least nrmse, averaged over seeds; seeds are drawn whole."""

    def best(nrmse: np.ndarray) -> np.ndarray:
        return np.array(_PERIODS)[nrmse.mean(axis=1).argmin(axis=1)]

    return lambda rows: bootstrap(
        np.stack([rows.values(f"nrmse_{period}", where) for period in _PERIODS], axis=1), best, rows.level
    )
