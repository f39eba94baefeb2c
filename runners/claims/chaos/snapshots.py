"""Claims about densities that are learned from snapshots."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Experiment
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Above, Below

_WELL = "chaos/well_snapshots"
_NEEDS = [Experiment(_WELL, {"anchor_steps": 400, "flow_steps": 500}, seeds=5)]
_DOUBLED = [Experiment(_WELL, {"anchor_steps": 800, "flow_steps": 1000}, seeds=5)]

X34 = Claim(
    paper="li2026",
    kind=EMPIRICAL,
    statement="Weights of a density that are fitted in sequence, each started from those before, can be interpolated in time; "
    "weights from independent starts cannot.",
    needs=_NEEDS,
    checks=[
        Check(
            "Wasserstein distance between snapshots, weights in sequence over independent weights",
            median("sequential_ratio"),
            Below(0.5),
        ),
    ],
    fair_controls=[
        Check(
            "Wasserstein distance at the snapshots, weights in sequence over independent weights",
            median("anchors_ratio"),
            Above(0.5),
        ),
    ],
    controls=[
        Check("distance between snapshots, weights in sequence", median("sequential"), None),
        Check("distance between snapshots, independent weights", median("independent"), None),
        Check("distance of further true particles", median("floor"), None),
        Check("length of the path, independent weights over weights in sequence", median("length_ratio"), None),
    ],
    looks=(1, 2),
    convergence=_DOUBLED,
    note="Straight lines between the weights of mixtures of five Gaussians. The fair control: independent weights describe "
    "their own snapshots about as well.",
    registered="0.1.0",
)

X35 = Claim(
    paper="li2026",
    kind=EMPIRICAL,
    statement="A learned flow of the weights of a density is closer to the truth between snapshots than what interpolates the "
    "particles.",
    needs=_NEEDS,
    checks=[
        Check("distance between snapshots, flow over optimal transport", median("transport_ratio"), Below(1.0)),
        Check("distance between snapshots, flow over half of each neighbor", median("mixture_ratio"), Below(1.0)),
    ],
    fair_controls=[
        Check(
            "distance between snapshots, flow of another order over flow of the right one",
            median("shuffled_ratio"),
            Above(2.0),
        ),
    ],
    controls=[
        Check("distance of the flow", median("flow"), None),
        Check("distance of optimal transport", median("transport"), None),
        Check("distance of half of each neighbor", median("mixture"), None),
        Check("distance of the snapshot before", median("earlier"), None),
        Check("distance of further true particles", median("floor"), None),
        Check("distance of the flow, one spacing beyond the last snapshot", median("flow_beyond"), None),
    ],
    published="43 % better on the mean of its datasets and rivals",
    looks=(1, 2),
    convergence=_DOUBLED,
    note="In one dimension, with a perceptron as the flow. There optimal transport of the particles has no error of a model, "
    "and the weights of the snapshots alone are further from the truth than it.",
    registered="0.1.0",
)
