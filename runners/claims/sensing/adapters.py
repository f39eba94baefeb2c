"""Claims about low-rank adapters: one factor or two, a Tucker core, and where to start on the manifold of fixed rank."""

from __future__ import annotations

import numpy as np

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, THEOREM, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below, Between


def _farthest_from_one(score: str, over: str) -> Quantity:
    """The largest |score/over - 1| over the rows."""

    def quantity(rows: Rows) -> Interval:
        return Interval.exactly(np.max(np.abs(rows.values(score) / rows.values(over) - 1)))

    return quantity


C38 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="An adapter A A' reaches the best positive semidefinite change of its rank only: it is no general adapter.",
    needs=[Experiment("sensing/symmetric_limit", seeds=8)],
    checks=[
        Check("largest |loss - limit| of a general change", largest("off"), Below(1e-6)),
        Check("largest loss of a positive semidefinite change", largest("psd"), Below(1e-20)),
    ],
    fair_controls=[
        Check("largest loss of B A on that change, twice the parameters", largest("psd_lora"), Below(1e-20)),
        Check("least loss where its sign is flipped", smallest("flipped"), Between(0.999, 1.001)),
    ],
    controls=[
        Check("loss of a general change", median("loss"), None),
        Check("loss of B A on it", median("lora"), None),
        Check("loss of the truncated singular value decomposition", median("tail"), None),
        Check("loss of the rectangular adapter, 16 x 32", median("rectangular"), None),
        Check("loss of the truncated decomposition, 16 x 32", median("rectangular_tail"), None),
    ],
    note="The limit is derived here; the adapter is SingLoRA's (Bensaid et al. 2025). Changes whose eigenvalues r and r + 1 are "
    "within 0.2 are drawn again: gradient descent needs more than 3,000 steps there.",
    registered="0.1.0",
)

C41 = Claim(
    paper="bensaid2025",
    kind=THEOREM,
    statement="Gradient descent on A A' is transformation invariant: it depends on the product of the start, not on its factor.",
    needs=[Experiment("sensing/adapter_invariance", seeds=5)],
    checks=[
        Check("largest difference of the products from A and A Q, over 200 steps", largest("singlora"), Below(1e-12))
    ],
    fair_controls=[
        Check("least of the largest differences from (B, A) and (3 B, A/3)", smallest("lora"), Above(0.1)),
    ],
    registered="0.1.0",
)

_WIDTHS = (64, 256, 1024, 4096)


def _scaling(steps: int) -> list[Experiment]:
    return [
        Experiment("sensing/width_scaling", {"adapter": adapter, "steps": steps}, seeds=8)
        for adapter in ("singlora", "lora", "lora_plus")
    ]


C42 = Claim(
    paper="bensaid2025",
    kind=EMPIRICAL,
    statement="The best learning rate of SingLoRA falls like n^{-1/2} in the width, and LoRA with one rate is not stable.",
    needs=_scaling(60),
    convergence=_scaling(120),
    looks=(1, 3),
    checks=[
        Check(
            "exponent of the best rate, A A'", median("exponent", {"task.adapter": "singlora"}), Between(-0.65, -0.35)
        )
    ],
    controls=[
        Check("exponent of the best rate, B A", median("exponent", {"task.adapter": "lora"}), None),
        Check(
            "exponent of the best rate, B A with the rate of A over n",
            median("exponent", {"task.adapter": "lora_plus"}),
            None,
        ),
        *(
            Check(f"loss at the best rate, {name}, n = {n}", median(f"loss_{n}", {"task.adapter": adapter}), None)
            for adapter, name in (("singlora", "A A'"), ("lora", "B A"))
            for n in (_WIDTHS[0], _WIDTHS[-1])
        ),
    ],
    published="a rate of order n^{-1/2}",
    note=f"{PILOT} One sample, f = a a'x, 60 steps. The Jacobian of the residual has a squared norm of order n at the start and "
    "at the solution, so rates above about 2/n diverge: the exponent must be near -1, like that of LoRA with one rate, which "
    "learns at every width. Twice the steps move the exponent away from -1/2.",
    registered="0.1.0",
)

C45 = Claim(
    paper="si2024",
    kind=THEOREM,
    statement="A Tucker core adapts a kernel of low Tucker rank exactly where two factors of one unfolding, with about as many "
    "parameters, stop at the tail of its singular values.",
    needs=[Experiment("sensing/tucker_adapters", seeds=5)],
    checks=[
        Check("largest loss of the Tucker core, 100 parameters", largest("flora_low"), Below(1e-10)),
        Check(
            "largest |loss/tail - 1| of two factors of rank 1, 88 parameters",
            _farthest_from_one("lora_low_1", "tail_1"),
            Below(0.01),
        ),
        Check("least loss of two factors of rank 2, 176 parameters", smallest("lora_low_2"), Above(1e-10)),
        Check("largest loss of two factors of rank 3, 264 parameters", largest("lora_low_3"), Below(1e-10)),
    ],
    fair_controls=[
        Check(
            "largest loss of two factors of rank 1 on a change of matrix rank 1",
            largest("lora_control_1"),
            Below(1e-10),
        ),
        Check("least loss of the Tucker core on a change of matrix rank 1", smallest("flora_control"), Above(0.2)),
    ],
    controls=[Check("loss of two factors of rank 1", median("lora_low_1"), None)],
    note=f"{PILOT} This concerns the 0.2 of the control. The structure of the change decides, not the method.",
    registered="0.1.0",
)

_STRENGTHS = (1, 10, 100)

C46 = Claim(
    paper="bogachev2025",
    kind=THEOREM,
    statement="The start alpha U_{1..r} V_{r+1..2r}' has the tangent space that holds most of the gradient; on a quadratic, "
    "Riemannian descent from it reaches a loss below that of the best matrix of rank r.",
    needs=[Experiment("sensing/riemannian_start", seeds=5)],
    checks=[
        Check("largest |share - 1| of sum_{i <= 2r} s_i^2 in the tangent space", largest("share_off"), Below(1e-10)),
        Check("largest share, 500 random tangent spaces", largest("share_random"), Below(1.0)),
        Check("largest share, U_{1..r} with V_{1..r}", largest("share_leading"), Below(1.0)),
        *(
            Check(f"largest |loss - limit| after two steps, alpha = {alpha}", largest(f"off_{i}"), Below(1e-6))
            for i, alpha in enumerate(_STRENGTHS)
        ),
    ],
    fair_controls=[
        Check("largest |loss - tail_r| from dW = 0 and random frames", largest("off_zero"), Below(1e-6)),
    ],
    controls=[
        Check("steps to the loss tail_r from dW = 0", median("steps_zero"), None),
        *(Check(f"limit, alpha = {alpha}", median(f"limit_{i}"), None) for i, alpha in enumerate(_STRENGTHS)),
        Check("tail_r, squared singular values beyond the r largest", median("tail_r"), None),
        Check("tail_2r, squared singular values beyond the 2r largest", median("tail_2r"), None),
        *(
            Check(f"loss of a start U_1..r V_1..r' - limit, alpha = {alpha}", median(f"crossed_{i}"), None)
            for i, alpha in enumerate(_STRENGTHS)
        ),
    ],
    note="The limit is a consequence of our own: dW - dW_0 may have rank 2r, and a large alpha buys the second r directions. The "
    "paper favors a small alpha, where there is no such gain. Losses are over |W* - W_0|^2.",
    registered="0.1.0",
)
