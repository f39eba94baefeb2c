"""Claims on flows: tokens of selective state spaces, kernels of linear networks."""

from __future__ import annotations

import itertools

import numpy as np
from numpy import ndarray

from dynamark.runners.claims.claim import THEOREM, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below, Between

_FLOW = "lds/token_flow"
_DECAY, _GROWTH, _BLOW_UP, _CUBE = (
    {"mu": mu, "slope": slope, "power": power}
    for mu, slope, power in ((-1.0, 1.0, 2.0), (1.0, -1.0, 2.0), (1.0, 1.0, 2.0), (-1.0, 1.0, 1.0))
)


def _where(fields: dict[str, float]) -> dict[str, float]:
    return {f"task.{name}": value for name, value in fields.items()}


def _falls(rows: Rows) -> Interval:
    """The largest ratio of the largest slope in a decade to that in the decade before."""
    slopes = [rows.values(f"slope_{d}_high", _where(_GROWTH)) for d in (3, 4, 5)]
    return Interval.exactly(max(np.max(after / before) for before, after in itertools.pairwise(slopes)))


L32 = Claim(
    paper="vo2025",
    kind=THEOREM,
    statement="Tokens of a selective state space decay like t^{-1/2}, grow ever more slowly, or blow up, by two signs.",
    needs=[Experiment(_FLOW, fields, seeds=8) for fields in (_DECAY, _GROWTH, _BLOW_UP, _CUBE)],
    checks=[
        Check(
            "least exponent of a token, negative product of output and input",
            smallest("slope_4_low", _where(_DECAY)),
            Between(-0.55, -0.45),
        ),
        Check(
            "largest exponent of a token, negative product",
            largest("slope_4_high", _where(_DECAY)),
            Between(-0.55, -0.45),
        ),
        Check(
            "least exponent of a token, positive product, steps shrink",
            smallest("slope_3_low", _where(_GROWTH)),
            Above(0.0),
        ),
        Check(
            "largest exponent of a token, positive product, steps shrink",
            largest("slope_3_high", _where(_GROWTH)),
            Below(0.15),
        ),
        Check("largest ratio of that exponent to the one of the decade before", _falls, Below(1.0)),
        Check(
            "latest time at which a token exceeds 1e5, positive product, steps grow",
            largest("time", _where(_BLOW_UP)),
            Below(10.0),
        ),
    ],
    fair_controls=[
        Check(
            "exponent of a token where the square is replaced by the modulus",
            largest("slope_4_high", _where(_CUBE)),
            Below(-0.55),
        )
    ],
    controls=[
        Check(f"largest exponent of a token up to t = 1e{d}", largest(f"slope_{d}_high", _where(_GROWTH)), None)
        for d in (4, 5)
    ],
    note="The paper's refinements of language models (no scenario of convergence, reordered tokens) are not measured.",
    registered="0.1.0",
)

_RANKS = (1, 2, 4, 8, 16)
_LINEAR, _SMALL, _LARGE = "lds/rich_lazy_linear", {"task.norm": 1.0}, {"task.norm": 4.0}
_TESTED = {"task.norm": 2.0}


def _rises(where: dict[str, float]) -> Quantity:
    """The least difference of the median alignment of one rank to that of the next lower one."""

    def quantity(rows: Rows) -> Interval:
        medians = [np.median(rows.values(f"alignment_{r}", where)) for r in _RANKS]
        return Interval.exactly(np.diff(medians).min())

    return quantity


def _beyond(first: str, second: str, where: dict[str, float]) -> Quantity:
    """The least difference of two scores over seeds."""

    def quantity(rows: Rows) -> Interval:
        differences: ndarray = rows.values(first, where) - rows.values(second, where)
        return Interval.exactly(differences.min())

    return quantity


C37 = Claim(
    paper="liu2024b",
    kind=THEOREM,
    statement="The kernel of a linear network turns more the lower the rank of its weights at the start is.",
    needs=[Experiment(_LINEAR, {"norm": norm}, seeds=16) for norm in (2.0, 1.0, 4.0)],
    checks=[
        Check("least increase of the median alignment from one rank to the next", _rises(_TESTED), Above(0.0)),
        Check(
            "least difference of the alignment of full rank to that of rank 1",
            _beyond("alignment_16", "alignment_1", _TESTED),
            Above(0.0),
        ),
        Check(
            "least difference of the alignment of rank 1 along the target to that of full rank",
            _beyond("alignment_target", "alignment_16", _TESTED),
            Above(0.0),
        ),
        Check("largest change of the conserved quantity", largest("invariant", _TESTED), Below(1e-2)),
    ],
    controls=[
        *(
            Check(
                f"least increase of the median alignment from one rank to the next, norm {norm:g}", _rises(where), None
            )
            for norm, where in ((1, _SMALL), (4, _LARGE))
        ),
        *(Check(f"relative change of the weights, rank {r}", median(f"change_{r}", _TESTED), None) for r in (1, 16)),
    ],
    registered="0.1.0",
)
