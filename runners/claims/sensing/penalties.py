"""Claims about what penalties and losses select: representer points, parallel nets, and features that starve others."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import always, largest, median, smallest
from dynamark.runners.claims.relations import Above, Below, Between

C52 = Claim(
    paper="tsai2023",
    kind=THEOREM,
    statement="A matrix fitted with a nuclear-norm penalty is a sum over samples, so each prediction is a sum of one importance "
    "per sample.",
    needs=[Experiment("sensing/representer_points", seeds=5)],
    checks=[
        Check("largest |sum - X|/|X|, weights on the right", largest("gap_right"), Below(1e-10)),
        Check("largest |sum - X|/|X|, weights on the left", largest("gap_left"), Below(1e-10)),
    ],
    fair_controls=[
        Check("least gap after 5 steps of the solver", smallest("gap_early"), Above(1e-2)),
        Check("least gap with U U' in place of V S V'", smallest("gap_wrong"), Above(1e-10)),
    ],
    controls=[
        Check(
            "share of functionals that fall when the ten samples of largest importance are removed",
            median("lowered"),
            None,
        )
    ],
    registered="0.1.0",
)

C53 = Claim(
    paper="wang2023",
    kind=THEOREM,
    statement="Weight decay of parallel linear nets is a nuclear-norm penalty on their sum: every minimizer thresholds the "
    "singular values of the target.",
    needs=[Experiment("sensing/parallel_nets", seeds=5)],
    checks=[
        Check("largest distance to the thresholded target, one branch of width 8", largest("gap_branch"), Below(1e-10)),
        Check(
            "largest distance to the thresholded target, four branches of width 3",
            largest("gap_parallel"),
            Below(1e-10),
        ),
        Check(
            "largest distance to the thresholded truncation, one branch of width 2", largest("gap_narrow"), Below(1e-10)
        ),
        Check("share of draws with rank = #{s_i > lambda}", always("rank_error", lambda error: error == 0), Above(1.0)),
    ],
    fair_controls=[
        Check("least distance with weight decay of one factor only", smallest("gap_one_sided"), Above(0.1)),
    ],
    controls=[
        Check("rank of the optimum", median("rank"), None),
    ],
    note="Linear activations only. Targets with a singular value within 0.1 of lambda are drawn again: there gradient descent "
    "needs more steps than it is given.",
    registered="0.1.0",
)


def _starvation(steps: int) -> list[Experiment]:
    return [Experiment("sensing/starvation", {"steps": steps}, seeds=16)]


C54 = Claim(
    paper="pezeshki2021",
    kind=EMPIRICAL,
    statement="Cross entropy starves a weak feature of gradient once a strong one is learned; spectral decoupling restores it.",
    needs=_starvation(20_000),
    convergence=_starvation(40_000),
    looks=(1, 3),
    checks=[
        Check("share of the weak feature, cross entropy", median("rho_plain"), Below(0.1)),
        Check("weight of the weak feature over its weight when trained alone", median("weak_share"), Below(0.2)),
        Check("share of the weak feature, decoupling s = 1", median("rho_decoupled"), Between(0.7, 1.4)),
    ],
    fair_controls=[
        Check("share of the weak feature, weight decay 0.01 instead", median("rho_decay"), Below(0.1)),
    ],
    controls=[
        Check("share of the weak feature, decoupling s = 0.1", median("rho_light"), None),
        Check("share of the weak feature, decoupling s = 3", median("rho_strong"), None),
    ],
    note=f"{PILOT} A linear classifier of two features, 20,000 steps; a share of 1 is the least-squares solution.",
    registered="0.1.0",
)
