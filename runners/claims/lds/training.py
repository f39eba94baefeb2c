"""Claims on linear systems that take training: how fast layers learn, from which start, at which rates, with which gates."""

from __future__ import annotations

from collections.abc import Mapping
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
from dynamark.runners.claims.quantities import largest, median, pick, ratio, smallest

if TYPE_CHECKING:
    import pandas


def _by_rate(rows: pandas.DataFrame, where: Mapping[str, Any]) -> pandas.Series:
    """Median nmse over seeds, by learning rate."""
    return pick(rows, where).groupby("method.rate")["score.nmse"].median()


def _best(where: Mapping[str, Any]) -> Measure:
    """The least over learning rates of the median nmse."""
    return lambda rows: Measured.exactly(float(_by_rate(rows, where).min()))


def _decades(where: Mapping[str, Any], limit: float | None = None) -> Measure:
    """Decades of learning rate whose median nmse is below a limit; without one, within ten times the best (lr_robust)."""

    def measured(rows: pandas.DataFrame) -> Measured:
        errors = _by_rate(rows, where)
        good = np.log10(
            errors.index[errors.to_numpy() <= (10 * errors.min() if limit is None else limit)].to_numpy(float)
        )
        return Measured.exactly(float(good.max() - good.min()) if len(good) else 0.0)

    return measured


# The paper's own task: poles of +-0.9999, batches of one sequence. The LRU simulates, as in the paper.
_PAPER = {"length": 512}
_FROM_REST = {"spectrum": "stu_paper", "channels": 3, "dim": 3, "order": 4, "length": 512}
_ONE = {"batch": 1}
_ADDED = {"method": "stu", "method.difference": 2, "method.filters": 24}


def _stu(task: str, task_fields: Mapping[str, Any], **fields: Any) -> Runs:
    return Runs(task, "stu", {**_ONE, **fields}, task_fields, "standard", 3)


def _lru(steps: int, rates: tuple[float, ...]) -> list[Runs]:
    return [Runs("lds/sym_pos", "lru", {**_ONE, "steps": steps, "rate": r}, _FROM_REST, "standard", 3) for r in rates]


L08 = Claim(
    paper="agarwal2023",
    kind=EMPIRICAL,
    statement="On slow poles of both signs the spectral transform unit needs an eighth of the LRU's sequences or fewer.",
    needs=[
        _stu("lds/stu_paper", _PAPER, steps=50, rate=0.1, difference=2),
        _stu("lds/stu_paper", _PAPER, steps=50, rate=0.1, difference=2, filters=0),
        _stu("lds/sym_pos", _FROM_REST, steps=1500, rate=0.1),
        *_lru(400, (1e-3, 3e-3, 1e-2, 3e-2)),
        Runs("lds/stu_paper", "arx", {"order": 3}, _PAPER, "standard", 3),
    ],
    checks=[
        Check("nmse of the unit after 50 sequences", median("nmse", _ADDED), Below(1e-2)),
        Check("nmse of the LRU after 400, the best of four rates", _best({"method": "lru"}), Above(1e-2)),
    ],
    controls=[
        Check("nmse of y_{t-2} and three taps without filters", median("nmse", {"method.filters": 0}), None),
        Check(
            "nmse of the unit without y_{t-2} after 1500",
            median("nmse", {"method": "stu", "method.difference": 0}),
            None,
        ),
        Check("nmse of regression on three lags", median("nmse", method="arx"), None),
    ],
    published="8 times fewer",
    note="It reproduces and is confounded: the unit is told y_{t-2}, which for poles +-0.9999 is nearly the answer, and the LRU "
    "is not. Three taps beside y_{t-2} do as well without any filter.",
)

_RATES = tuple(round(10 ** (k / 2), 12) for k in range(-6, 5))
L09 = Claim(
    paper="agarwal2023",
    kind=EMPIRICAL,
    statement="The spectral transform unit learns at learning rates over two decades and more.",
    needs=[
        *(_stu("lds/stu_paper", _PAPER, steps=400, rate=r, difference=2) for r in _RATES),
        *_lru(400, _RATES),
    ],
    checks=[Check("decades of rate with nmse below 1e-3", _decades({"method": "stu"}, 1e-3), Above(2.0))],
    controls=[
        Check("the same of the LRU", _decades({"method": "lru"}, 1e-3), None),
        Check("decades within ten times the best, the unit", _decades({"method": "stu"}), None),
        Check("decades within ten times the best, the LRU", _decades({"method": "lru"}), None),
    ],
    note="The LRU never gets there at these steps: its number shows a failure to learn, not that it is sensitive to the rate.",
)

L24 = Claim(
    paper="yu2024",
    kind=EMPIRICAL,
    statement="A sinusoid at the largest frequency of the diagonal part of LegS misleads it, and not the perturbed form.",
    needs=[Experiment("lds/fourier_attack", seeds=5)],
    checks=[Check("nmse under attack, diagonal part over perturbed", median("ratio"), Above(3.0))],
    controls=[
        Check(f"nmse of {name}, {state}", median(f"{state}_{kin}"), None)
        for kin, name in (("normal", "S4D-LegS"), ("ptd", "S4-PTD"))
        for state in ("clean", "attacked")
    ],
    note="64 states, fixed, read by one random row and compared with LegS itself: no training.",
)

_INITS = ("legs", "lin", "inv", "real")
_SPAN = 10 / 512


def _inits(task: str) -> list[Runs]:
    fields = {"modes": 32, "banks": 1, "steps": 2000, "steps_range": (_SPAN, _SPAN)}
    return [
        Runs(task, "s4d", {**fields, "init": i, "rate": r}, {"length": 512}, "standard", 3)
        for i in _INITS
        for r in (1e-2, 3e-2, 1e-1)
    ]


def _init_ratio(task: str, over: tuple[str, ...], under: str) -> Measure:
    """The least nmse of some starts over that of another, each at its best rate."""

    def measured(rows: pandas.DataFrame) -> Measured:
        best = {i: float(_by_rate(rows, {"task": task, "method.init": i}).min()) for i in (*over, under)}
        return Measured.exactly(min(best[i] for i in over) / best[under])

    return measured


L25 = Claim(
    paper="gu2022",
    kind=EMPIRICAL,
    statement="Where the poles of a diagonal state space start decides what it learns.",
    needs=[*_inits("lds/sym_pos"), *_inits("lds/rot")],
    checks=[
        Check(
            "slow real poles: the best complex start over the real one",
            _init_ratio("lds/sym_pos", ("legs", "lin", "inv"), "real"),
            Above(1.0),
        ),
        Check(
            "oscillators: the best complex start over the real one",
            _init_ratio("lds/rot", ("legs", "lin", "inv"), "real"),
            Below(0.5),
        ),
    ],
    controls=[
        Check(f"nmse of {i}, {task}", _best({"task": task, "method.init": i}), None)
        for task in ("lds/sym_pos", "lds/rot")
        for i in _INITS
    ],
    note="Each start at the best of three learning rates, 0.01 to 0.1: of 0.003 to 0.03 the largest was best for every start.",
)

_WIDTHS = (1, 4, 16, 64)


def _times(total: bool, which: str) -> Measure:
    """The largest factor from one width to the next, or the first over the last, of the mean time."""

    def measured(rows: pandas.DataFrame) -> Measured:
        means = pick(rows, {"task.total": total}).groupby("task.width")["score.time"].mean().to_numpy()
        return Measured.exactly(float(np.max(means[1:] / means[:-1]) if which == "step" else means[0] / means[-1]))

    return measured


L28 = Claim(
    paper="smekal2024",
    kind=EMPIRICAL,
    statement="More states learn a mode faster, if every state starts as large as before.",
    needs=[Experiment("lds/mode_width", {"width": n, "total": t}, seeds=5) for n in _WIDTHS for t in (False, True)],
    checks=[
        Check("largest factor of the time from one width to the next", _times(False, "step"), Below(1.0)),
        Check("time of one state over that of 64", _times(False, "whole"), Above(5.0)),
    ],
    controls=[Check("the same with a start of equal size in all", _times(True, "whole"), None)],
)

_FILTER = "lds/learned_filter"
_OSCILLATING = {"frequency": 0.4}
L29 = Claim(
    paper="bordelon2025",
    kind=EMPIRICAL,
    statement="From small recurrent weights one eigenvalue, or one pair, leaves the bulk and finds the filter's pole.",
    needs=[
        *(Experiment(_FILTER, {"gain": g}, seeds=3) for g in (0.05, 0.1)),
        Experiment(_FILTER, _OSCILLATING, seeds=3),
    ],
    checks=[
        Check("distance of the outlier to 0.95", largest("outlier", {"task.frequency": 0.0}), Below(0.02)),
        *(
            Check(
                f"next modulus, gain {g}", largest("bulk", {"task.gain": g, "task.frequency": 0.0}), Below(2 * g + 0.05)
            )
            for g in (0.05, 0.1)
        ),
        Check("distance of the pair, damped oscillator", largest("outlier", {"task.frequency": 0.4}), Below(0.02)),
    ],
    controls=[Check("loss reached, the largest", largest("loss"), None)],
)

L30 = Claim(
    paper="bordelon2025",
    kind=EMPIRICAL,
    statement="From large recurrent weights no eigenvalue leaves the others: the filter is read from many of them.",
    needs=[Experiment(_FILTER, {"gain": 0.9}, seeds=15), Experiment(_FILTER, {"gain": 0.1}, seeds=3)],
    checks=[Check("gap of the two largest moduli, gain 0.9", median("gap", {"task.gain": 0.9}), Below(0.05))],
    controls=[
        Check("largest of these gaps", largest("gap", {"task.gain": 0.9}), None),
        Check("gap of the two largest moduli, gain 0.1", smallest("gap", {"task.gain": 0.1}), None),
        Check("loss reached, gain 0.9", largest("loss", {"task.gain": 0.9}), None),
    ],
)

L33 = Claim(
    paper="hasani2021",
    kind=THEOREM,
    statement="Potentials of a liquid time-constant network stay between its resting and reversal levels, whatever the input.",
    needs=[Experiment("lds/liquid_bounds", {"units": n}, seeds=5) for n in (4, 16)],
    checks=[
        Check("least distance of a potential to the lower bound", smallest("state_low"), Above(0.0)),
        Check("least distance of a potential to the upper bound", smallest("state_high"), Above(0.0)),
        Check("largest time constant over c/g", largest("slow"), Below(1.0)),
        Check("smallest time constant over c/(g + sum w)", smallest("fast"), Above(1.0)),
    ],
    controls=[Check("range of the potentials, the smallest", smallest("range"), None)],
)

_FULL, _QUARTER = {"units": 64}, {"units": 64, "rank": 6}
_GATED = ("lds/sym_pos", "lds/delay")
L39 = Claim(
    paper="micelibarone2018",
    kind=EMPIRICAL,
    statement="A gated unit whose state passes through a low-rank map with a diagonal does as well on a quarter of the numbers.",
    needs=[
        *(Runs(task, "gru", _FULL, seeds=15) for task in _GATED),
        *(Runs(task, f"gru_low_rank{kind}", _QUARTER, seeds=15) for task in _GATED for kind in ("_diag", "")),
    ],
    checks=[
        Check(
            f"nmse over the full unit's, {task[4:]}",
            ratio("nmse", {"task": task, "method": "gru_low_rank_diag"}, {"task": task, "method": "gru"}),
            Below(1.5),
        )
        for task in _GATED
    ],
    controls=[
        Check(
            f"nmse over the full unit's without diagonal, {task[4:]}",
            ratio("nmse", {"task": task, "method": "gru_low_rank"}, {"task": task, "method": "gru"}),
            None,
        )
        for task in _GATED
    ],
)


def _over(score: str, other: str) -> Measure:
    """The median over seeds of one score over another."""

    def measured(rows: pandas.DataFrame) -> Measured:
        chosen = rows[rows[f"score.{score}"].notna()]
        quotient = chosen[f"score.{score}"] / chosen[f"score.{other}"]
        return median("quotient")(chosen.assign(**{"score.quotient": quotient}))

    return measured


L40 = Claim(
    paper="hasani2022",
    kind=EMPIRICAL,
    statement="On irregular samples a model that knows the gaps predicts better than one that does not.",
    needs=[
        Experiment("lds/irregular_filters", seeds=5),
        *(Runs("lds/irregular", "cfc", {"blind": b, "steps": 600}, seeds=15) for b in (False, True)),
    ],
    checks=[
        Check(
            "error of the closed-form cell over that of a blind one",
            ratio("nmse", {"method": "cfc", "method.blind": False}, {"method": "cfc", "method.blind": True}),
            Below(0.8),
        ),
        Check("error of the Kalman filter over its own prediction", _over("mse", "predicted"), Between(0.9, 1.1)),
        Check("error of a Kalman filter without gaps over the right one", _over("mse_blind", "mse"), Above(1.0)),
    ],
)
