"""Claims on rich and lazy learning in recurrent networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.intervals import clopper_pearson, median_of
from dynamark.runners.claims.relations import Above, Between

_NETWORK, _LOW, _FULL = "lds/rich_lazy_rnn", 1, 100

# Networks that are identical must not pass, so a difference has to be above 0 and a ratio above 1 by more than nothing.
_NOTHING = 1e-9


def _paired(operation: Callable[[ndarray, ndarray], ndarray], worst: float, first: str, second: str) -> Quantity:
    """The median over seeds of a comparison of two scores; a pair with a network that diverged counts as the worst possible."""

    def quantity(rows: Rows) -> Interval:
        values = operation(rows.values(first), rows.values(second))
        return median_of(np.where(np.isfinite(values), values, worst), rows.level)

    return quantity


def _difference(score: str) -> Quantity:
    """An alignment at full rank minus the one at rank 1, at least -1."""
    return _paired(np.subtract, -1.0, f"{score}_{_FULL}", f"{score}_{_LOW}")


def _ratio(score: str, worst: float = 0.0) -> Quantity:
    """A score at rank 1 over the score at full rank."""
    return _paired(np.divide, worst, f"{score}_{_LOW}", f"{score}_{_FULL}")


def _median(score: str) -> Quantity:
    """The median over the seeds in which training did not diverge."""

    def quantity(rows: Rows) -> Interval:
        values = rows.values(score)
        return median_of(values[np.isfinite(values)], rows.level)

    return quantity


def _diverged(rows: Rows) -> Interval:
    """The share of seeds in which a network diverged."""
    failed = ~np.isfinite(rows.values(f"change_{_LOW}") + rows.values(f"change_{_FULL}"))
    return clopper_pearson(int(failed.sum()), len(failed), rows.level)


L42 = Claim(
    paper="liu2024b",
    kind=EMPIRICAL,
    statement="A recurrent network moves further from its start when its recurrent weights start with low rank.",
    needs=[Experiment(_NETWORK, seeds=16)],
    checks=[
        Check(
            "alignment of representations before and after training: full rank minus rank 1",
            _difference("representation"),
            Above(_NOTHING),
        ),
        Check(
            "relative change of the recurrent weights: ratio of rank 1 to full rank",
            _ratio("change"),
            Above(1 + _NOTHING),
        ),
        Check(
            "alignment of the tangent kernel of the recurrent weights: full rank minus rank 1",
            _difference("kernel"),
            Above(_NOTHING),
        ),
    ],
    fair_controls=[
        Check(
            "running loss at the end of training: ratio of rank 1 to full rank",
            _ratio("running", worst=1e9),
            Between(0.9, 1.1),
        ),
        Check(
            "alignment of representations where both first reach that loss on other trials: full rank minus rank 1",
            _difference("even_representation"),
            Above(_NOTHING),
        ),
        Check(
            "relative change of the recurrent weights where both first reach that loss: ratio of rank 1 to full rank",
            _ratio("even_change"),
            Above(1 + _NOTHING),
        ),
    ],
    controls=[
        Check("loss on other trials at the end of training: ratio of rank 1 to full rank", _ratio("loss", 1e9), None),
        Check("loss where both first reach it: ratio of rank 1 to full rank", _ratio("even_loss", 1e9), None),
        Check("training steps: ratio of rank 1 to full rank", _ratio("steps"), None),
        Check("share of seeds in which a network diverged", _diverged, None),
        *(
            Check(f"alignment of {what}, rank {r}", _median(f"{score}_{r}"), None)
            for what, score in (("representations", "representation"), ("the tangent kernel", "kernel"))
            for r in (1, 5, 30, 100)
        ),
    ],
    looks=(1, 3),
    convergence=[Experiment(_NETWORK, {"steps": 3000}, seeds=16)],
    note="The running loss lags behind the loss, so networks of equal running loss need not be trained equally far; the last two "
    "fair controls therefore compare them where the loss on fixed trials first reaches 0.1. A pair of networks of which one "
    "diverges counts against the statement.",
    registered="0.1.0",
)
