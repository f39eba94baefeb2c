"""Claims on regressions on the signature of a path."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.intervals import bootstrap
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Above, Below

_REGRESSION, _DENSE, _LASSO = "lds/signature_regression", {"sparse": False}, {"sparse": True}


def _where(fields: dict[str, bool]) -> dict[str, bool]:
    return {f"task.{name}": value for name, value in fields.items()}


def _quotient(errors: ndarray) -> ndarray:
    """The median of the first error over that of the second [draw] from errors [draw, seed, 2]."""
    medians = np.median(errors, axis=1)
    return np.asarray(medians[:, 0] / medians[:, 1])


def _over(score: str, other: str, fields: dict[str, bool]) -> Quantity:
    """The median over seeds of one error over the median of another."""

    def quantity(rows: Rows) -> Interval:
        both = np.stack([rows.values(name, _where(fields)) for name in (score, other)], axis=1)
        return bootstrap(both, _quotient, rows.level)

    return quantity


L38 = Claim(
    paper="bleistein2023",
    kind=EMPIRICAL,
    statement="The error of a regression on signatures falls with their order and hardly depends on the sampling of the input.",
    needs=[Experiment(_REGRESSION, fields, seeds=9) for fields in (_DENSE, _LASSO)],
    checks=[
        *(
            Check(
                f"ratio of the error of order {k + 1} to the error of order {k}",
                _over(f"error_{k + 1}", f"error_{k}", _DENSE),
                Below(1.0),
            )
            for k in (1, 2, 3)
        ),
        Check(
            "error of order 4: ratio of 5 samples of the input to 100",
            _over("error_few", "error_4", _DENSE),
            Below(1.3),
        ),
    ],
    fair_controls=[
        Check(
            "error of order 4 with the steps of each path in another order, over the error in the right one",
            _over("error_shuffled", "error_4", _DENSE),
            Above(1.0),
        )
    ],
    controls=[
        Check(
            "ratio of the error of order 4 with the steps in another order to the error of order 1",
            _over("error_shuffled", "error_1", _DENSE),
            None,
        ),
        *(Check(f"error of order {k}", median(f"error_{k}", _where(_DENSE)), None) for k in (1, 2, 3, 4)),
        *(
            Check(
                f"ratio of the error of order {k + 1} to the error of order {k}, lasso",
                _over(f"error_{k + 1}", f"error_{k}", _LASSO),
                None,
            )
            for k in (1, 2, 3)
        ),
    ],
    looks=(1, 3),
    convergence="the regression is solved to its optimum: there is no training budget",
    note=f"{PILOT} This concerns the length of the paths and the missing noise. Products of coordinates at the end of a path are "
    "sums of features that do not depend on the order of its steps: with shuffled steps the error may lie below that of order 1.",
    registered="0.1.0",
)
