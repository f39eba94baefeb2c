"""Claims about the noise of stochastic gradient descent: how large it is, what it hides, and what it makes sparse."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import always, largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

_CORE = "The paper's network could not be read; this is its solvable core, a linear student on fresh batches, 30 x 40."

D05 = Claim(
    paper="park2025",
    kind=THEOREM,
    statement="The stationary variance of SGD is eta s^2/(B (2 - eta (1 + (d + 1)/B))): a temperature eta/B at small eta only.",
    needs=[Experiment("sensing/linear_sgd", seeds=3)],
    checks=[
        Check("smallest measured over predicted variance, six settings", smallest("low"), Above(0.95)),
        Check("largest measured over predicted variance, six settings", largest("high"), Below(1.05)),
        Check("slope of log variance in log eta, eta <= .02, B = 16, smallest", smallest("slope"), Above(0.98)),
        Check("slope of log variance in log eta, eta <= .02, B = 16, largest", largest("slope"), Below(1.06)),
    ],
    fair_controls=[
        Check(
            "measured over predicted variance with d + 1 replaced by 0, eta = .1, B = 4", smallest("naive"), Above(1.5)
        ),
    ],
    controls=[
        Check("slope between eta = .02 and .1, B = 4", median("bend"), None),
        Check("largest relative difference at equal eta/B", median("unequal"), None),
    ],
    note=_CORE,
    registered="0.1.0",
)

D06 = Claim(
    paper="park2025",
    kind=THEOREM,
    statement="SGD diverges beyond eta_c = 2 B/(B + d + 1), far below the edge 2 of gradient descent.",
    needs=[Experiment("sensing/sgd_edge", seeds=3)],
    checks=[
        Check("largest mean square at .95 eta_c, B = 4 and 16", largest("bounded"), Below(1e6)),
        Check(
            "peak mean square at 1.05 eta_c within 2000 steps, smallest over seeds", smallest("diverged"), Above(1e6)
        ),
    ],
    fair_controls=[Check("final mean square of gradient descent at 1.05 eta_c", largest("full_batch"), Below(1.0))],
    controls=[Check("final mean square of gradient descent at eta = 2.1", smallest("full_batch_edge"), None)],
    note=_CORE,
    registered="0.1.0",
)

D07 = Claim(
    paper="park2025",
    kind=THEOREM,
    statement="The noise of SGD hides the teacher's directions below a threshold; above it, the alignment is that of a spiked "
    "random matrix.",
    needs=[Experiment("sensing/spike_in_noise", seeds=3)],
    checks=[
        Check("largest |alignment - prediction| at 1.5, 2 and 4 thresholds", largest("off"), Below(0.05)),
        Check("alignment at half the threshold", largest("below"), Below(0.15)),
    ],
    fair_controls=[Check("alignment with a direction other than the teacher's", largest("shuffled"), Below(0.15))],
    controls=[
        Check(f"alignment at {strength} thresholds", median(f"alignment_{strength}"), None)
        for strength in ("1.5", "2", "4")
    ],
    note=f"{_CORE} eta = .1, B = 8; predictions .579, .771, .945.",
    registered="0.1.0",
)


def _disorder(steps: int) -> list[Experiment]:
    return [Experiment("sensing/disorder_axis", {} if steps == 20_000 else {"steps": steps}, seeds=5)]


D08 = Claim(
    paper="park2025",
    kind=EMPIRICAL,
    statement="With a small initialization, the student's singular values separate into the teacher's and noise; with a "
    "large one they do not.",
    needs=_disorder(20_000),
    checks=[
        *(
            Check(
                f"ratio of the fourth singular value to the fifth, initialization {scale}",
                median(f"gap_{scale}"),
                Above(2.0),
            )
            for scale in ("0.1", "0.5", "1")
        ),
        Check("ratio of the fourth singular value to the fifth, initialization 4", median("gap_4"), Below(1.25)),
    ],
    fair_controls=[
        Check("ratio of the fourth singular value to the fifth before training", median("start_gap"), Below(1.25))
    ],
    controls=[
        *(
            Check(
                f"number of singular values above the largest initial one, initialization {scale}",
                median(f"above_{scale}"),
                None,
            )
            for scale in ("0.1", "0.5", "1", "2", "4")
        ),
        *(Check(f"test loss, initialization {scale}", median(f"loss_{scale}"), None) for scale in ("0.1", "1", "4")),
    ],
    looks=(1, 3),
    convergence=_disorder(40_000),
    note="The usual count of singular values above the largest initial one is misleading at small initializations.",
    registered="0.1.0",
)


def _sparse(steps: int) -> list[Experiment]:
    return [Experiment("sensing/sparse_sgd", {} if steps == 10_000 else {"steps": steps}, seeds=6)]


C36 = Claim(
    paper="andriushchenko2023",
    kind=EMPIRICAL,
    statement="Larger steps of SGD lead a diagonal linear network to a sparser predictor, closer to the truth.",
    needs=_sparse(10_000),
    checks=[
        Check(
            "|w - w*|^2 decreases over the rates .01, .03, .06 in every seed",
            always("decreasing", lambda value: value == 1),
            Above(1.0),
            exact="the relation is about each of these six seeds",
        ),
        Check("|w - w*|^2 at rate .06 over |w - w*|^2 at rate .01", median("ratio"), Below(0.8)),
        Check("entries above .05 at rate .06 - entries above .05 at rate .01", median("entries_change"), Below(-1.0)),
    ],
    fair_controls=[
        Check(
            "smallest |w - w*|^2 of gradient descent, rates .01 to .2, over |w - w*|^2 at rate .01",
            median("descent_ratio"),
            Above(0.95),
        ),
    ],
    controls=[
        *(Check(f"|w - w*|^2 at rate {rate}", median(f"distance_{rate}"), None) for rate in ("0.01", "0.03", "0.06")),
        Check("number of rates that diverged", largest("diverged"), None),
    ],
    looks=(1, 3),
    convergence=_sparse(20_000),
    note="w = u v with u = .5 and v = 0 at the start: with w = u^2 - v^2 from .5 the relation does not hold. Rates above .06 to "
    ".08 diverge.",
    registered="0.1.0",
)
