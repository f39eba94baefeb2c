"""Claims on latent-variable models of sequences: their bound of the evidence, and what they gain from the times of samples."""

from __future__ import annotations

from typing import Any

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, THEOREM, Check, Claim, Experiment, Interval, Quantity, Runs
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.quantities import largest, median, ratio, smallest
from dynamark.runners.claims.relations import Above, Below

_BOUND = "lds/evidence_bound"

L47 = Claim(
    paper="krishnan2015",
    kind=THEOREM,
    statement="The objective of a deep Kalman filter is a lower bound of the evidence.",
    needs=[Experiment(_BOUND, {"leak": leak}, seeds=3) for leak in (False, True)],
    checks=[
        Check(
            "largest mean of (bound - log p(y))/T minus two standard errors",
            largest("beyond", {"task.leak": False}),
            Below(0.0),
        )
    ],
    fair_controls=[
        Check(
            "smallest mean of (bound - log p(y))/T for a posterior that sees y_{t+1}, without its divergence",
            smallest("gap", {"task.leak": True}),
            Above(0.0),
        )
    ],
    controls=[
        Check("median of (bound - log p(y))/T", median("gap", {"task.leak": False}), None),
        Check(
            "median of (bound - log p(y))/T with the divergence added", median("flipped", {"task.leak": False}), None
        ),
    ],
    note="Irregularly sampled oscillators with Gaussian noise, whose evidence the Kalman filter of the true system gives. 100 "
    "training steps: the bound holds for every network, and how tight it is was no question.",
    registered="0.1.0",
)

_IRREGULAR = "lds/irregular"
_METHODS = ("deep_kalman", "latent_ode")


def _trained(steps: int) -> list[Runs]:
    return [
        *(
            Runs(_IRREGULAR, name, {"steps": steps, "blind": blind}, seeds=5)
            for name in _METHODS
            for blind in (False, True)
        ),
        Runs(_IRREGULAR, "fir", seeds=5),
    ]


def _of(name: str, blind: bool) -> dict[str, Any]:
    return {"method": name, "method.blind": blind}


def _exactly(quantity: Quantity) -> Quantity:
    """The estimate without its interval."""

    def value(rows: Rows) -> Interval:
        return Interval.exactly(quantity(rows).value)

    return value


def _gain(name: str) -> Quantity:
    return ratio("excess", _of(name, False), _of(name, True))


L48 = Claim(
    paper="lin2024",
    kind=EMPIRICAL,
    statement="Deep state-space models profit from knowing the times of unevenly spaced samples.",
    needs=_trained(400),
    checks=[
        check
        for name in _METHODS
        for check in (
            Check(f"ratio of the excess of {name} with gaps to the excess without gaps", _gain(name), Below(1.0)),
            Check(
                f"median of that ratio, {name}",
                _exactly(_gain(name)),
                Below(0.8),
                "the median of these seeds; its interval is that of the check above",
            ),
            Check(
                f"ratio of the excess of {name} to the excess of predicting 0",
                ratio("excess", _of(name, False), {"method": "fir"}),
                Below(1.0),
            ),
        )
    ],
    controls=[
        *(
            Check(f"excess of {name}, {words}", median("excess", _of(name, blind)), None)
            for name in _METHODS
            for blind, words in ((False, "with gaps"), (True, "all gaps 1"))
        ),
        Check("excess of a filter of the inputs, of which there are none", median("excess", method="fir"), None),
    ],
    convergence=_trained(800),
    note=f"{PILOT} This concerns the 0.8; the sign is the review's. Two oscillators, 16 sequences of 256 samples.",
    registered="0.1.0",
)
