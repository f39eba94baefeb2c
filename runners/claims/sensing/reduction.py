"""Claims about the ranks that a trained network can lose."""

from __future__ import annotations

from typing import Any

from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Experiment, Quantity
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Above

# "Above 0", as equal shares against themselves gain exactly 0; one image of the test set is 0.22 points.
_SOME = 1e-6

_WHOLE = {"hidden": 4, "whole": True}


def _reductions(epochs: float) -> list[Experiment]:
    return [
        Experiment("sensing/rank_reduction", {"epochs": epochs, "hidden": 2}, seeds=15),
        Experiment("sensing/rank_reduction", {"epochs": epochs, **_WHOLE}, seeds=15),
    ]


def _of(score: str, whole: bool) -> Quantity:
    fields: dict[str, Any] = {"task.hidden": 4 if whole else 2}
    return median(score, fields)


C43 = Claim(
    paper="jaiswal2024",
    kind=EMPIRICAL,
    statement="Ranks by one threshold of normalized singular values lose less accuracy than equal shares of the same total rank.",
    needs=_reductions(60.0),
    convergence=_reductions(120.0),
    checks=[Check("points gained, half of the total rank pruned", _of("gain_50", whole=False), Above(_SOME))],
    fair_controls=[
        Check(
            "points gained where the output layer stays full, four hidden matrices",
            _of("gain_50", whole=True),
            Above(_SOME),
        )
    ],
    controls=[
        Check("points of error before pruning", _of("full", whole=False), None),
        Check("share of the total rank that went", _of("removed_50", whole=False), None),
        *(Check(f"points gained, {n} % pruned", _of(f"gain_{n}", whole=False), None) for n in (60, 70, 80)),
        *(
            Check(f"points gained where the output layer stays full, {n} % pruned", _of(f"gain_{n}", whole=True), None)
            for n in (60, 70, 80)
        ),
    ],
    note="Without fine-tuning, on digits. The output layer has only 10 singular values: a threshold spares it and equal shares "
    "do not, which the fair control takes away.",
    registered="0.1.0",
)
