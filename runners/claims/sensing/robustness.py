"""Claims about low-rank networks whose layers have a bounded condition."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

_BOUNDS = (1.0, 1.1, 1.5, 4.0)

C24 = Claim(
    paper="savostianova2023",
    kind=THEOREM,
    statement="Clamping the singular values to their mean times 1 -+ (tau - 1)/(tau + 1) bounds the condition of every layer by "
    "tau at every step.",
    needs=[Experiment("sensing/condition_path", seeds=3)],
    checks=[
        Check(f"largest (condition - tau)/tau, tau = {bound:g}", largest(f"excess_{i}"), Below(1e-4))
        for i, bound in enumerate(_BOUNDS)
    ],
    fair_controls=[Check("least of the largest conditions with tau = 1e6", smallest("free"), Above(4.0))],
    note="Three layers of rank 16 on digits, 200 steps.",
    registered="0.1.0",
)


def _attacks(epochs: float) -> list[Experiment]:
    return [Experiment("sensing/attacked_digits", {"epochs": epochs}, seeds=5)]


C25 = Claim(
    paper="savostianova2023",
    kind=EMPIRICAL,
    statement="At equal rank, a bounded condition makes networks more robust to attacks, with little loss on clean inputs.",
    needs=_attacks(60.0),
    convergence=_attacks(120.0),
    looks=(1, 3),
    checks=[
        Check("points gained over U V' at an attack of 0.1, tau = 1.1", median("gain_10"), Above(5.0)),
        Check("clean points lost against U V', tau = 1.1", median("clean_loss"), Below(2.0)),
    ],
    controls=[
        *(
            Check(f"points of error at an attack of {eps / 100:g}, {title}", median(f"error_{name}_{eps}"), None)
            for eps in (5, 10)
            for name, title in (("bounded", "CondLR"), ("factors", "U V'"), ("full", "full matrices"))
        ),
        *(
            Check(f"points of error on clean images, {title}", median(f"clean_{name}"), None)
            for name, title in (("bounded", "CondLR"), ("factors", "U V'"), ("full", "full matrices"))
        ),
        Check("largest condition of a layer of U V'", median("condition_factors"), None),
    ],
    note="Both at the best of three rates on held-out training images; one step of the fast gradient sign method.",
    registered="0.1.0",
)
