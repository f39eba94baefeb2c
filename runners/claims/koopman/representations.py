"""Claims about representations in which dynamics is linear: how they are learned, what algebra they carry, how they shrink."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, UNTRAINED, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, share, smallest
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
    fair_controls=[
        Check("|F^T P F|^2 over s1^2 + s2^2 + s3^2 of one set of features", largest("ratio", _ONE), Below(0.9))
    ],
    controls=[Check("smallest cosine of one set of features", smallest("cosine", _ONE), None)],
    note="The mean of six random permutations of 20 states, not symmetrized, three features, uniform states.",
    registered="0.1.0",
)


K36 = Claim(
    paper="fukui2024",
    kind=THEOREM,
    statement="The second-order difference of three subspaces vanishes when the second is in the middle of a geodesic, and has a "
    "closed form when it is elsewhere on it.",
    needs=[Experiment("koopman/geodesic_difference", seeds=5)],
    checks=[
        Check("magnitude for the point at 1/2", largest("middle"), Below(1e-12)),
        Check("magnitude for the point at .3 - 2 sum (1 - cos .2 theta)", largest("moved_error"), Below(1e-12)),
    ],
    fair_controls=[Check("magnitude for the point at .3", smallest("moved"), Above(1e-12))],
    note="Four principal angles between .1 and 1.4 in twenty dimensions, every subspace in a random basis.",
    registered="0.1.0",
)

_JUMP, _CONSTANT = {"task.factor": 1.2}, {"task.factor": 1.0}

K52 = Claim(
    paper="fukui2024",
    kind=EMPIRICAL,
    statement="The second-order difference of the mode subspaces of sliding windows shows where a signal changes a frequency.",
    needs=[Experiment("koopman/subspace_change", {"factor": factor}, seeds=45) for factor in (1.2, 1.0)],
    checks=[
        Check(
            "share of signals with the maximum within 110 samples",
            share("distance", lambda d: d <= 110, _JUMP),
            Above(0.9),
        ),
        Check("maximum over the median away from the jump", median("peak", _JUMP), Above(10)),
    ],
    fair_controls=[Check("maximum over the median of constant frequencies", median("spread", _CONSTANT), Below(5))],
    looks=(1, 3),
    convergence=UNTRAINED,
    note="Tones of .05 and .11 cycles a sample, the second 20 % higher in the second half, noise .05. Registered as nine of ten "
    "signals; more than forty are needed for an interval above .9.",
    registered="0.1.0",
)

_SHARED, _DIFFERENT = {"task.shared": True}, {"task.shared": False}
_LAWS = {
    "composition": ("g^-1(A2 A1 g(x)) - f2(f1(x))", 1e-9),
    "idempotence": ("f(f(x)) - f(x) for A^2 = A", 1e-9),
    "pseudoinverse": ("f(f+(f(x))) - f(x)", 1e-8),
    "additivity": ("f(x + y) - f(x) - f(y) in the induced addition", 1e-9),
}

K57 = Claim(
    paper="berman2025",
    kind=THEOREM,
    statement="A map that is linear between an invertible network and its inverse inherits the algebra of its matrix.",
    needs=[Experiment("koopman/linearizer_algebra", {"shared": shared}, seeds=5) for shared in (True, False)],
    checks=[Check(f"largest |{law}|", largest(score, _SHARED), Below(bound)) for score, (law, bound) in _LAWS.items()],
    fair_controls=[
        Check(f"smallest median over points of |{law}| with two networks", smallest(score, _DIFFERENT), Above(1e-2))
        for score, (law, _) in _LAWS.items()
    ],
    note="Six random affine couplings of six dimensions in float64, singular values of the matrices from 1 to 1e-4, 1000 points.",
    registered="0.1.0",
)

_COMPONENTS = (3, 4, 5)

K58 = Claim(
    paper="otto2019",
    kind=THEOREM,
    statement="Balanced reduction finds the invariant space that the state needs; principal components of the features do not.",
    needs=[Experiment("koopman/balanced_reduction", seeds=5)],
    checks=[
        Check("fewest singular values above 1e-10 of the largest", smallest("rank"), Between(3, 3)),
        Check("most singular values above 1e-10 of the largest", largest("rank"), Between(3, 3)),
        Check("nrmse of 200 steps, three balanced features", largest("balanced_3"), Below(1e-9)),
        Check("nrmse of 200 steps, two balanced features", smallest("balanced_2"), Above(0.1)),
    ],
    fair_controls=[
        Check(f"nrmse of 200 steps, {r} principal components", smallest(f"components_{r}"), Above(0.3))
        for r in _COMPONENTS
    ],
    controls=[Check("fourth singular value over the first", largest("gap"), None)],
    note="Slow manifold, 21 monomials, 2000 exact pairs, 100 observed steps. The space is that of x1, x2 and x1^2.",
    registered="0.1.0",
)
