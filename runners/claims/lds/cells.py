"""Claims on recurrent cells: bounds of liquid networks, gated units of low rank, gaps of irregular samples."""

from __future__ import annotations

from typing import Any

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Change, Check, Claim, Experiment, Interval, Quantity, Runs
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.intervals import median_of
from dynamark.runners.claims.quantities import largest, ratio, smallest
from dynamark.runners.claims.relations import Above, Below, Between

_SEEDS = "seeds had been added after a look at the data, without a rule fixed beforehand"

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
    registered="0.1.0",
)

_FULL, _QUARTER = {"units": 64}, {"units": 64, "rank": 6}
_GATED = ("lds/sym_pos", "lds/delay")


def _gated(**fields: Any) -> list[Runs]:
    return [
        Runs(task, method, {**own, **fields}, seeds=5)
        for task in _GATED
        for method, own in (("gru", _FULL), ("gru_low_rank_diag", _QUARTER), ("gru_low_rank", _QUARTER))
    ]


L39 = Claim(
    paper="micelibarone2018",
    kind=EMPIRICAL,
    statement="A gated unit whose state passes through a low-rank map with a diagonal does as well on a quarter of the numbers.",
    needs=_gated(),
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
    looks=(1, 3),
    convergence=_gated(steps=600),
    changes=(Change("0.1.0", "15 seeds became 5, with 15 as a second look", _SEEDS, "reproduced"),),
    registered="0.1.0",
)


def _over(score: str, other: str) -> Quantity:
    """The median over the seeds of an experiment of one score over another."""

    def quantity(rows: Rows) -> Interval:
        own = rows.where({"task": "lds/irregular_filters"})
        return median_of(own.values(score) / own.values(other), rows.level)

    return quantity


L40 = Claim(
    paper="hasani2022",
    kind=EMPIRICAL,
    statement="On irregular samples a model that knows the gaps predicts better than one that does not.",
    needs=[
        Experiment("lds/irregular_filters", seeds=5),
        *(Runs("lds/irregular", "cfc", {"blind": b, "steps": 600}, seeds=5) for b in (False, True)),
    ],
    checks=[
        Check(
            "error of the closed-form cell over error of a blind cell",
            ratio("nmse", {"method": "cfc", "method.blind": False}, {"method": "cfc", "method.blind": True}),
            Below(0.8),
        ),
        Check("error of the Kalman filter over its own prediction", _over("mse", "predicted"), Between(0.9, 1.1)),
        Check("error of a Kalman filter without gaps over the right one", _over("mse_blind", "mse"), Above(1.0)),
    ],
    looks=(1, 3),
    convergence=[
        Experiment("lds/irregular_filters", seeds=5),
        *(Runs("lds/irregular", "cfc", {"blind": b, "steps": 1200}, seeds=5) for b in (False, True)),
    ],
    changes=(Change("0.1.0", "15 seeds became 5, with 15 as a second look", _SEEDS, "reproduced"),),
    registered="0.1.0",
)
