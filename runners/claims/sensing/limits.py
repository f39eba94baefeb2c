"""Claims about how few and how noisy the measurements of a matrix of low rank may be."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dynamark.runners.claims.claim import (
    EMPIRICAL,
    THEOREM,
    UNTRAINED,
    Check,
    Claim,
    Experiment,
    Interval,
    Quantity,
    Runs,
)
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.intervals import bootstrap
from dynamark.runners.claims.quantities import largest, mean, of_table, power_law
from dynamark.runners.claims.relations import Above, Below, Between

_GRID = (1.1, 1.3, 1.5, 1.8, 2.0, 2.2, 2.5)
# Statistical dimension over degrees of freedom at n = 24, r = 2 (tasks/sensing/oracles.py computes it, a test compares).
STATISTICAL = 1.9108


def _half_point(method: str) -> Quantity:
    """The oversampling at which half the runs reach 1e-3: the middle of a logistic curve; seeds are drawn whole."""
    return of_table("rel", "task.oversampling", _middle_of_runs, {"method": method})


def _middle_of_runs(axis: np.ndarray, rel: np.ndarray) -> np.ndarray:
    """The middle for each draw, from relative errors [draw, seed, x]."""
    return _middles(axis, (rel < 1e-3).mean(axis=1))


def _middles(axis: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The middle of the logistic curve with least cross entropy for shares [draw, x], over a grid of middles and widths."""
    middles, success, failure = _logistic_curves(tuple(axis.tolist()))
    distinct, draws = np.unique(shares, axis=0, return_inverse=True)
    middle_of = np.empty(len(distinct))
    for start in range(0, len(distinct), 128):
        part = distinct[start : start + 128]
        loss = part @ success.T + (1 - part) @ failure.T
        best = loss <= loss.min(axis=1, keepdims=True) + 1e-3
        middle_of[start : start + 128] = best @ middles / best.sum(axis=1)
    return middle_of[draws.ravel()]


@functools.cache
def _logistic_curves(axis: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middles of a grid of curves, and what a success and a failure cost at each place of the axis."""
    middles, widths = np.meshgrid(np.linspace(0.9, 2.7, 361), np.geomspace(0.01, 0.5, 30))
    scaled = np.clip((np.array(axis) - middles[..., None]) / widths[..., None], -30, 30)
    flat = scaled.reshape(-1, len(axis))
    return middles.ravel(), np.logaddexp(0, -flat), np.logaddexp(0, flat)


def _few(method: str, fields: dict[str, Any], passes: int) -> list[Runs]:
    return [
        Runs("sensing/few_measurements", method, fields, {"oversampling": m, "passes": passes}, seeds=8) for m in _GRID
    ]


C14 = Claim(
    paper="amelunxen2014",
    kind=THEOREM,
    statement="Minimizing the nuclear norm succeeds half the time at the statistical dimension of measurements.",
    needs=_few("nuclear_norm", {}, 6000),
    checks=[
        Check(
            "half point over its oracle",
            lambda rows: _over(_half_point("nuclear_norm")(rows), STATISTICAL),
            Between(0.85, 1.15),
        )
    ],
    published="the limit of large n",
    registered="0.1.0",
)


def _over(measured: Interval, unit: float) -> Interval:
    return Interval(measured.value / unit, measured.low / unit, measured.high / unit)


def _half_points(rows: Rows) -> Interval:
    """The half point of Gauss-Newton over that of the nuclear norm; both have the same seeds, which are drawn together."""
    axis, first = rows.table("rel", "task.oversampling", {"method": "gnmr"})
    _, second = rows.table("rel", "task.oversampling", {"method": "nuclear_norm"})

    def quotient(both: np.ndarray) -> np.ndarray:
        return _middle_of_runs(axis, both[:, :, 0]) / _middle_of_runs(axis, both[:, :, 1])

    return bootstrap(np.stack([first, second], axis=1), quotient, rows.level)


C15 = Claim(
    paper="zilber2022",
    kind=EMPIRICAL,
    statement="Gauss-Newton on factors recovers from fewer measurements than the convex problem, close to the information limit.",
    needs=[*_few("gnmr", {}, 1000), *_few("nuclear_norm", {}, 6000)],
    convergence=UNTRAINED,
    checks=[
        Check("half point of GNMR in degrees of freedom", _half_point("gnmr"), Below(1.35)),
        Check(
            "half point of GNMR over half point of the nuclear norm",
            _half_points,
            Below(0.7),
        ),
    ],
    registered="0.1.0",
)

C16 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="Least squares of the true rank has the risk of a known tangent space; of twice the rank it overfits.",
    needs=[
        Runs("sensing/noisy", "prec_gd", {}, {"oversampling": m, "fit_rank": k, "passes": 2000}, seeds=16)
        for m in (3.0, 6.0)
        for k in (2, 4)
    ],
    checks=[
        Check(
            f"mean risk over its oracle, rank {k}, m = {m:g} d",
            mean("risk", {"task.oversampling": m, "task.fit_rank": k}),
            holds,
        )
        for m in (3.0, 6.0)
        for k, holds in ((2, Between(0.85, 1.2)), (4, Above(2.5)))
    ],
    registered="0.1.0",
)

C17 = Claim(
    paper="stoeger2021",
    kind=THEOREM,
    statement="A small initialization makes full rank behave as the true rank: stopped at its best, it has the same risk.",
    needs=[Runs("sensing/noisy", "gd_small", {}, {"oversampling": 6.0, "fit_rank": 24, "passes": 2000}, seeds=16)],
    checks=[Check("mean best risk over its oracle", mean("best_risk"), Below(1.2))],
    controls=[Check("mean risk at the end", mean("risk"), None)],
    note="The stopping time is an oracle's: the least error over all snapshots.",
    registered="0.1.0",
)

_RANKS = (4, 8, 16, 32)


def _difference(rows: Rows) -> Interval:
    """The largest difference of the numbers of outer steps over ranks and seeds."""
    return Interval.exactly(np.abs(rows.values("outer_inexact") - rows.values("outer_exact")).max())


C27 = Claim(
    paper="gu2024",
    kind=THEOREM,
    statement="Alternation with inexact half steps takes as many outer steps as with exact ones, each at a cost near linear in "
    "samples times rank.",
    needs=[Experiment("sensing/inexact_cost", {"rank": k}, seeds=3) for k in _RANKS],
    checks=[
        Check("largest difference of the numbers of outer steps", _difference, Below(2.0)),
        Check(
            "exponent of the time of an outer step in samples times rank",
            power_law("seconds", "score.work"),
            Below(1.25),
        ),
    ],
    controls=[
        Check(
            "exponent of the time of an outer step with exact half steps",
            power_law("exact_seconds", "score.work"),
            None,
        ),
        Check("most outer steps", largest("outer_inexact"), None),
    ],
    note="Conjugate gradients stand for the paper's sketches; processor time, the least over outer steps.",
    registered="0.1.0",
)
