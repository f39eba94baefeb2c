"""Claims about ranks that fall with depth, and ranks that rise while training."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, share, smallest
from dynamark.runners.claims.relations import Above, Below

_LAYERS = [Experiment("sensing/layer_rank")]
_ORTHOGONAL = Check(
    "change of both effective ranks through orthogonal layers", largest("orthogonal_change"), Below(1e-10)
)

C34 = Claim(
    paper="makwana2025",
    kind=THEOREM,
    statement="The expected rank of layer l of a random rectified network is m (1 - (1 - 2/pi)^l).",
    needs=_LAYERS,
    checks=[Check("largest |mean rank - formula|/m, layers 1 to 3", largest("formula_error"), Below(0.05))],
    fair_controls=[_ORTHOGONAL],
    controls=[Check(f"mean rank, layer {layer}", median(f"rank_{layer}"), None) for layer in (1, 2, 3)],
    published="63.7, 86.8, 95.2 of 100 inputs",
    note="Refuted as stated: 100 generic inputs at width 400 keep rank 100 in every layer. What falls with depth is the "
    "effective rank (D01).",
    registered="0.1.0",
)

D01 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="Random rectified networks keep full rank in their first layers; the effective rank decreases with "
    "depth and does not increase again.",
    needs=_LAYERS,
    checks=[
        Check(
            "smallest increase of m (1 - (1 - 2/pi)^l) from one layer to the next", smallest("formula_rise"), Above(0.0)
        ),
        Check("smallest share of 100 draws of full rank, layers 1 to 3", smallest("full"), Above(1.0)),
        Check(
            "largest ratio of the mean stable rank to the mean of the previous layer",
            largest("stable_rise"),
            Below(1.0),
        ),
        Check(
            "largest ratio of the mean participation ratio to the mean of the previous layer",
            largest("participation_rise"),
            Below(1.0),
        ),
    ],
    fair_controls=[_ORTHOGONAL],
    controls=[
        Check(f"{name}, layer {layer}", median(f"{score}_{layer}"), None)
        for name, score in (("stable rank", "stable"), ("participation ratio", "participation"))
        for layer in ("1", "last")
    ],
    note="The formula of C34 grows by m (2/pi) (1 - 2/pi)^l > 0 from layer l to l + 1, so it has no maximum inside, and the "
    "revivals at depths (k + 1/2) pi/ln(1/rho) contradict it.",
    registered="0.1.0",
)

D13 = Claim(
    paper="boixadsera2023",
    kind=THEOREM,
    statement="With a small initialization, the coordinates of a product of diagonal weights grow one after another, at the "
    "times that a greedy procedure predicts.",
    needs=[Experiment("sensing/diagonal_entries")],
    checks=[
        Check("largest |time - prediction| at alpha = 1e-12", largest("error"), Below(0.1)),
        Check("largest |time - prediction| for C = I, where times are 1/c_i", largest("identity_error"), Below(0.1)),
        Check(
            "largest ratio of the error at one alpha to the error at the next larger alpha", largest("rise"), Below(1.0)
        ),
    ],
    fair_controls=[
        Check("latest half change from alpha = .9", largest("lazy_latest"), Below(1.0)),
        Check(
            "1 if half changes from alpha = .9 come in the greedy order, else 0", largest("lazy_ordered"), Below(0.0)
        ),
    ],
    note="Predicted times 1, 1.667, 2.5, 3.889 in units of ln(1/alpha).",
    registered="0.1.0",
)


def _heads(steps: int) -> list[Experiment]:
    return [Experiment("sensing/head_rank", {} if steps == 1500 else {"steps": steps}, seeds=20)]


D14 = Claim(
    paper="boixadsera2023",
    kind=EMPIRICAL,
    statement="With a small initialization, the rank of an attention head's weights increases by one at a time during training.",
    needs=_heads(1500),
    checks=[
        Check("share of seeds whose rank goes 0, 1, 2, 3, 4", share("single", lambda value: value == 1), Above(0.8)),
    ],
    fair_controls=[Check("initial rank at alpha = 1", median("large_start"), Above(5.0))],
    controls=[
        Check("final rank", median("final"), None),
        Check("final relative distance", median("loss"), None),
    ],
    looks=(1, 3),
    convergence=_heads(3000),
    note="The pattern of attention is given; rank counts singular values above .05.",
    registered="0.1.0",
)
