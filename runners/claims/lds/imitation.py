"""Claims on recurrent networks that replace a controller."""

from __future__ import annotations

import numpy as np

from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.intervals import median_of
from dynamark.runners.claims.quantities import largest, median
from dynamark.runners.claims.relations import Above, Below, Between

_CONTROL, _SHIFTS = "lds/imitation", ("stiffness", "mass", "sensor")
_LOW = {"4_80": "rank 4, 80 % of the entries 0", "2_50": "rank 2, 50 % of the entries 0"}
_LABELS = {"stiffness": "stiffer plant", "mass": "heavier plant", "sensor": "noisier sensor"}

# A network that equals the full one must not pass, so a ratio has to be below 1 by more than nothing.
_NOTHING = 1e-9


def _over_full(net: str, plants: tuple[str, ...]) -> Quantity:
    """The median over seeds of the geometric mean over plants of a network's cost over the full network's."""

    def quantity(rows: Rows) -> Interval:
        quotients = [rows.values(f"cost_{net}_{plant}") / rows.values(f"cost_full_{plant}") for plant in plants]
        return median_of(np.exp(np.mean(np.log(quotients), axis=0)), rows.level)

    return quantity


def _worst_error(rows: Rows) -> Interval:
    """The median over seeds of the largest error of the three networks."""
    return median_of(np.max([rows.values(f"nmse_{net}") for net in ("full", *_LOW)], axis=0), rows.level)


L49 = Claim(
    paper="tumma2024",
    kind=EMPIRICAL,
    statement="In closed loop with a plant other than that of training, continuous-time cells with recurrent weights of low rank "
    "and few entries cost less than full ones.",
    needs=[Experiment(_CONTROL, seeds=15)],
    checks=[
        Check(f"cost on three other plants: ratio of {label} to full", _over_full(net, _SHIFTS), Below(1 - _NOTHING))
        for net, label in _LOW.items()
    ],
    fair_controls=[
        *(
            Check(
                f"cost on the plant of training: ratio of {label} to full",
                _over_full(net, ("nominal",)),
                Between(0.95, 1.05),
            )
            for net, label in _LOW.items()
        ),
        Check("largest error of a network on other episodes of the expert", _worst_error, Below(0.01)),
        Check("cost of an untrained network over the expert's", median("cost_untrained"), Above(5.0)),
    ],
    controls=[
        *(
            Check(f"cost over the expert's, {label}: {_LABELS[plant]}", median(f"cost_{net}_{plant}"), None)
            for net, label in {"full": "full", **_LOW}.items()
            for plant in _SHIFTS
        ),
        *(
            Check(f"parameters of the recurrent matrix, {label}", largest(f"parameters_{net}"), None, "a count")
            for net, label in {"full": "full", **_LOW}.items()
        ),
    ],
    looks=(1, 2),
    convergence=[Experiment(_CONTROL, {"steps": 600}, seeds=15)],
    note="Ranks, sparsities and plants are those of the specification, fixed before measuring. The paper's games and simulated "
    "robots are not run here.",
    registered="0.1.0",
)
