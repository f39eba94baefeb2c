"""Claims about principal components of random walks."""

from __future__ import annotations

from dynamark.runners.claims.claim import THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

_WALKS = [Experiment("sensing/walk_components", seeds=5)]
# The same in three dimensions, where the limit of high dimension is out of reach.
_SMALL = Check("largest relative error of three shares in three dimensions", smallest("small_error"), Above(0.1))

C39 = Claim(
    paper="antognini2018",
    kind=THEOREM,
    statement="The principal components of a random walk in high dimension have shares of variance (6/pi^2)/j^2.",
    needs=_WALKS,
    checks=[Check("largest relative error of the shares .608, .152, .068", largest("share_error"), Below(0.1))],
    fair_controls=[_SMALL],
    controls=[Check(f"share {j}", median(f"share_{j}"), None) for j in (1, 2, 3)],
    note="1000 steps in 4000 dimensions.",
    registered="0.1.0",
)

D20 = Claim(
    paper="antognini2018",
    kind=THEOREM,
    statement="At finite length the shares are those of 1/(4 sin^2(pi k/2T)), with momentum too, and the path in its components "
    "is a cosine.",
    needs=_WALKS,
    checks=[
        Check("largest relative error of three shares", largest("exact_error"), Below(0.1)),
        Check("largest relative error of three shares with momentum .9", largest("momentum_error"), Below(0.1)),
        Check("least |correlation| of components 1, 2, 3, 5 with their cosines", median("cosine"), Above(0.995)),
    ],
    fair_controls=[_SMALL],
    note="Finite dimension mixes neighboring components: at d = 4000 the fifth has a correlation of .9976 in the mean of second "
    "order, and single walks fall below .995; the relation is on the median of five.",
    registered="0.1.0",
)

D21 = Claim(
    paper="antognini2018",
    kind=THEOREM,
    statement="A walk that is drawn to 0 in high dimension is not mean reverting but trapped at a fixed distance, and its "
    "components are flat.",
    needs=[Experiment("sensing/held_walks", seeds=3)],
    checks=[
        Check("largest relative error of the distance, a = .01 and .1", largest("radius_error"), Below(0.02)),
        Check("largest relative standard deviation of the distance", largest("radius_spread"), Below(0.02)),
        Check("share of the first component, a = .1", largest("flat_share"), Below(0.03)),
        Check("share of the first component of a walk with drift .1", smallest("drift_share"), Above(0.9)),
    ],
    fair_controls=[
        Check("relative standard deviation of the distance of a free walk", smallest("free_spread"), Above(0.05)),
        Check("share of the first component of a free walk", smallest("free_share"), Above(0.5)),
    ],
    note="1000 steps in 4000 dimensions; distances over the second half.",
    registered="0.1.0",
)
