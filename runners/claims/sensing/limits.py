"""Claims about how few and how noisy the measurements of a matrix of low rank may be."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamark.runners.claims.claim import (
    EMPIRICAL,
    THEOREM,
    Above,
    Below,
    Between,
    Check,
    Claim,
    Experiment,
    Measure,
    Measured,
    Runs,
)
from dynamark.runners.claims.quantities import largest, mean, pick, power_law

if TYPE_CHECKING:
    import pandas

_GRID = (1.1, 1.3, 1.5, 1.8, 2.0, 2.2, 2.5)
# Statistical dimension over degrees of freedom at n = 24, r = 2 (tasks/sensing/oracles.py computes it, a test compares).
STATISTICAL = 1.9108


def _half_point(method: str) -> Measure:
    """The oversampling at which half the runs reach 1e-3: the middle of a logistic curve, interval by seeds drawn anew."""

    def measured(rows: pandas.DataFrame) -> Measured:
        table = pick(rows, {"method": method}).pivot_table(
            index="seed", columns="task.oversampling", values="score.rel"
        )
        success, axis = (table.to_numpy(float) < 1e-3).astype(float), table.columns.to_numpy(float)
        rng = np.random.default_rng(0)
        drawn = [_middle(axis, success[rng.integers(0, len(success), len(success))].mean(axis=0)) for _ in range(500)]
        return Measured(_middle(axis, success.mean(axis=0)), *map(float, np.quantile(drawn, [0.025, 0.975])))

    return measured


def _middle(axis: np.ndarray, shares: np.ndarray) -> float:
    """The middle of the logistic curve with least cross entropy, over a grid of middles and widths."""
    middles, success, failure = _logistic_curves(tuple(axis.tolist()))
    loss = np.sum(success * shares + failure * (1 - shares), axis=-1)
    best = middles[loss <= loss.min() + 1e-3]
    return float(best.mean())


@functools.cache
def _logistic_curves(axis: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middles of a grid of curves, and what a success and a failure cost at each place of the axis."""
    middles, widths = np.meshgrid(np.linspace(0.9, 2.7, 361), np.geomspace(0.01, 0.5, 30))
    scaled = np.clip((np.array(axis) - middles[..., None]) / widths[..., None], -30, 30)
    return middles, np.logaddexp(0, -scaled), np.logaddexp(0, scaled)


def _few(method: str, fields: dict[str, Any], passes: int) -> list[Runs]:
    return [
        Runs("sensing/few_measurements", method, fields, {"oversampling": m, "passes": passes}, seeds=8) for m in _GRID
    ]


C14 = Claim(
    paper="recht2010",
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
    published="Amelunxen et al. 2014, the limit of large n",
)


def _over(measured: Measured, unit: float) -> Measured:
    return Measured(measured.value / unit, measured.low / unit, measured.high / unit)


C15 = Claim(
    paper="zilber2022",
    kind=EMPIRICAL,
    statement="Gauss-Newton on factors recovers from fewer measurements than the convex problem, close to the information limit.",
    needs=[*_few("gnmr", {}, 1000), *_few("nuclear_norm", {}, 6000)],
    checks=[
        Check("half point in degrees of freedom", _half_point("gnmr"), Below(1.35)),
        Check(
            "the same over that of the nuclear norm",
            lambda rows: _over(_half_point("gnmr")(rows), _half_point("nuclear_norm")(rows).value),
            Below(0.7),
        ),
    ],
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
)

C17 = Claim(
    paper="jin2023",
    kind=THEOREM,
    statement="A small start makes full rank behave as the true rank: stopped at its best, it has the same risk.",
    needs=[Runs("sensing/noisy", "gd_small", {}, {"oversampling": 6.0, "fit_rank": 24, "passes": 2000}, seeds=16)],
    checks=[Check("mean best risk over its oracle", mean("best_risk"), Below(1.2))],
    controls=[Check("mean risk at the end", mean("risk"), None)],
    note="The stopping time is an oracle's: the least error over all snapshots.",
)

_RANKS = (4, 8, 16, 32)


def _difference(rows: pandas.DataFrame) -> Measured:
    """The largest difference of the numbers of outer steps over ranks and seeds."""
    return Measured.exactly(float((rows["score.outer_inexact"] - rows["score.outer_exact"]).abs().max()))


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
        Check("the same exponent of exact half steps", power_law("exact_seconds", "score.work"), None),
        Check("most outer steps", largest("outer_inexact"), None),
    ],
    note="Conjugate gradients stand for the paper's sketches; processor time, the least over outer steps.",
)
