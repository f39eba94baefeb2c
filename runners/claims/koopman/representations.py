"""Claims about representations in which dynamics is linear: how they are learned, what algebra they carry, how they shrink."""

from __future__ import annotations

from dynamark.runners.claims.claim import THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, smallest
from dynamark.runners.claims.relations import Above, Below, Between

_ONE_SIDE = {"sides": 1, "symmetric": True, "steps": 6000}
_FULL = {"sides": 1, "symmetric": True, "gradient": "full", "step": 1.0, "steps": 100}
_STOPPED_ROWS, _FULL_ROWS = {"task.gradient": "stopped"}, {"task.gradient": "full"}

K34 = Claim(
    paper="tang2023",
    kind=THEOREM,
    statement="With a stopped gradient and an optimal predictor, self-predictive features stay orthonormal and converge to the "
    "leading eigenvectors of a symmetric transition matrix.",
    needs=[
        Experiment("koopman/self_predictive_flow", {"gradient": "stopped", **_ONE_SIDE}, seeds=3),
        Experiment("koopman/self_predictive_flow", _FULL, seeds=3),
    ],
    checks=[
        Check("largest |F^T F - I|", largest("drift", _STOPPED_ROWS), Below(1e-6)),
        Check(
            "least increase of tr (F^T P F)^2 over a step", smallest("least_increment", _STOPPED_ROWS), Above(-1e-10)
        ),
        Check("tr (F^T P F)^2 over its maximum, largest", largest("ratio", _STOPPED_ROWS), Between(0.999, 1.001)),
        Check("tr (F^T P F)^2 over its maximum, smallest", smallest("ratio", _STOPPED_ROWS), Between(0.999, 1.001)),
    ],
    fair_controls=[
        Check("second singular value of F under the full gradient", largest("second", _FULL_ROWS), Below(0.05))
    ],
    controls=[
        Check("smallest cosine to the leading eigenvectors", smallest("cosine", _STOPPED_ROWS), None),
        Check(
            "tr (F^T P F)^2 over its maximum with as many negative eigenvalues, smallest",
            smallest("same_signs", _STOPPED_ROWS),
            None,
        ),
    ],
    published="theorems 1 and 2: no collapse, the trace never decreases",
    note="The symmetrized mean of six random permutations of 20 states, three features. The full gradient collapses within 100 "
    "steps, so the stopped gradient is what prevents it. The checks of the ratio ask for the global maximum, which is no "
    "theorem where P has negative eigenvalues: a space with q negative ones of F^T P F cannot change q without passing a lower "
    "trace, so each q has a maximum of its own, and the start decides which is reached (another than the global one in about a "
    "tenth of the draws). The last control is that maximum.",
    registered="0.1.0",
)


_TWO_SIDES, _ONE = {"task.sides": 2}, {"task.sides": 1}

K48 = Claim(
    paper="tang2023",
    kind=THEOREM,
    statement="Two sets of features that predict each other forward and backward find the leading singular vectors of any doubly "
    "stochastic transition matrix.",
    needs=[Experiment("koopman/self_predictive_flow", {"sides": sides}, seeds=3) for sides in (2, 1)],
    checks=[
        Check("largest |F^T F - I| and |G^T G - I|", largest("drift", _TWO_SIDES), Below(1e-6)),
        Check("least increase of |F^T P G|^2 over a step", smallest("least_increment", _TWO_SIDES), Above(-1e-12)),
        Check("|F^T P G|^2 over s1^2 + s2^2 + s3^2, largest", largest("ratio", _TWO_SIDES), Between(0.999, 1.001)),
        Check("|F^T P G|^2 over s1^2 + s2^2 + s3^2, smallest", smallest("ratio", _TWO_SIDES), Between(0.999, 1.001)),
        Check("smallest cosine to the leading singular vectors", smallest("cosine", _TWO_SIDES), Above(0.9999)),
    ],
    fair_controls=[Check("the same ratio of one set of features", largest("ratio", _ONE), Below(0.9))],
    controls=[Check("smallest cosine of one set of features", smallest("cosine", _ONE), None)],
    note="The mean of six random permutations of 20 states, not symmetrized, three features, uniform states.",
    registered="0.1.0",
)
