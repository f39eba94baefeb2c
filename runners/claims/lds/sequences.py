"""Claims on sequence layers whose transitions depend on the input: state tracking, signatures, paths of liquid networks."""

from __future__ import annotations

from typing import Any

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median
from dynamark.runners.claims.relations import Above, Below, Between

_COUNTED = "a number of parameters is the same for every seed"
_DENSE = {"structure": "dense", "states": 32}
_DIAGONAL = {"structure": "diag"}
_KLEIN = {"structure": "diag", "group": "v4", "steps": 1500}


def _words(factor: int = 1) -> list[Experiment]:
    settings: list[dict[str, Any]] = [{"structure": "block"}, _DENSE, _DIAGONAL, _KLEIN]
    return [
        Experiment("lds/word_problem", {**own, "steps": factor * own.get("steps", 4000)}, seeds=3) for own in settings
    ]


def _of(structure: str, group: str = "a5") -> dict[str, str]:
    return {"task": "lds/word_problem", "task.structure": structure, "task.group": group}


L52 = Claim(
    paper="walker2025",
    kind=EMPIRICAL,
    statement="One layer of block-diagonal or dense linear CDEs tracks the state of A5; a diagonal one cannot.",
    needs=[*_words(), Experiment("lds/map_counts")],
    checks=[
        Check("accuracy of blocks of 5 at twice the training length", median("accuracy_24", _of("block")), Above(0.9)),
        Check("accuracy of dense maps", median("accuracy_24", _of("dense")), Above(0.9)),
        Check("accuracy of diagonal maps less 1/|[G, G]|", median("above_bound", _of("diag")), Below(0.1)),
        *(
            Check(f"parameters of {kind} maps less their formula", largest(f"excess_{kind}"), Between(0, 0), _COUNTED)
            for kind in ("diag", "block", "dplr", "sparse", "wh", "dense")
        ),
    ],
    controls=[
        Check("accuracy of diagonal maps on the Klein group", median("accuracy_24", _of("diag", "v4")), None),
        *(
            Check(f"longest solved words, {kind}", median("solved_length", _of(kind)), None)
            for kind in ("block", "dense", "diag")
        ),
    ],
    looks=(1, 2),
    convergence=_words(2),
    note=f"{PILOT} This concerns the 0.9. Length generalization is finite: the longest solved words are reported.",
    registered="0.1.0",
)
