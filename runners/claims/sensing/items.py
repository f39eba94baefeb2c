"""Claims about linear models of implicit feedback."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, UNTRAINED, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.intervals import median_of
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

_EXACT = "an identity, which holds for every draw"


def _gain(over: str, under: str) -> Quantity:
    """The median over seeds of the recall of one model less that of another."""

    def quantity(rows: Rows) -> Interval:
        gains = rows.values(f"recall_{over}", {}) - rows.values(f"recall_{under}", {})
        return median_of(gains, rows.level)

    return quantity


D23 = Claim(
    paper="steck2019",
    kind=EMPIRICAL,
    statement="A linear item model in closed form whose diagonal is zero ranks unseen items better than ridge regression, than "
    "neighbors and popularity, by negative weights too.",
    needs=[Experiment("sensing/item_models", seeds=5)],
    checks=[
        Check("largest off-diagonal gradient, relative", largest("kkt"), Below(1e-9), _EXACT),
        Check("largest |diagonal entry|", largest("diagonal"), Below(0.0), _EXACT),
        *(
            Check(f"difference of the recall at 20 to {name}", _gain("ease", name), Above(0.02))
            for name in ("ridge", "neighbors", "popularity")
        ),
        Check(
            "difference of the recall at 20 to weights without negative entries", _gain("ease", "clipped"), Above(0.01)
        ),
    ],
    fair_controls=[
        Check(
            "smallest off-diagonal gradient of ridge regression without its diagonal",
            smallest("kkt_ridge"),
            Above(1e-3),
            _EXACT,
        )
    ],
    controls=[
        *(
            Check(f"recall at 20 of {name}", median(f"recall_{name}"), None)
            for name in (
                "ease",
                "ridge",
                "ridge_same",
                "neighbors",
                "popularity",
                "svd_5",
                "svd_12",
                "svd_25",
                "oracle",
            )
        ),
        Check("share of negative weights", median("negative"), None),
    ],
    convergence=UNTRAINED,
    note="1,500 users, 200 items, clicks of a nonnegative model of rank 12. A truncated SVD of the true rank is reported: it is "
    "told what no model knows. Ridge regression with a penalty chosen as that of the model is as good: the scores of seen "
    "items, which its diagonal raises, are left out of the ranking. With the penalty of the model it is ridge_same.",
    registered="0.1.0",
)
