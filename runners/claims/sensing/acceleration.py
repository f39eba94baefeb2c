"""Claims about accelerated gradient methods, and about matrix square roots by products."""

from __future__ import annotations

from dynamark.runners.claims.claim import THEOREM, Check, Claim, Experiment, Interval
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below, Between

D11 = Claim(
    paper="lessard2016",
    kind=THEOREM,
    statement="The heavy ball with the optimal parameters of quadratics cycles forever on a strongly convex function.",
    needs=[Experiment("sensing/heavy_ball_cycle")],
    checks=[
        Check("distance to the cycle .64653, -1.80245, 2.11592", largest("cycle_error"), Below(1e-5)),
        Check("least |x| over the second thousand steps", smallest("nearest"), Above(0.5)),
        Check("|x| of Nesterov's method after 2000 steps", largest("nesterov"), Below(1e-12)),
    ],
    fair_controls=[
        Check("|x| of the heavy ball after 2000 steps on a quadratic", largest("quadratic"), Below(1e-12)),
    ],
    controls=[
        Check("contraction of the heavy ball per step on a quadratic, first 30 steps", median("quadratic_rate"), None)
    ],
    published="the cycle 0.65, -1.80, 2.12",
    registered="0.1.0",
)


_TRIPLE, _ODE = "sensing/triple_momentum", "sensing/nesterov_ode"


def _without_over_with(rows: Rows) -> Interval:
    """How much farther the equation without the Hessian term is from the iterates at the largest curvature."""
    return Interval.exactly(
        (rows.values("without_25", {"task": _ODE}) / rows.values("distance_25", {"task": _ODE})).min()
    )


D12 = Claim(
    paper="parimi2025",
    kind=THEOREM,
    statement="Triple momentum contracts by 1 - 1/sqrt kappa a step where the heavy ball cycles, and an equation with a Hessian "
    "term follows Nesterov's iterates where the heavy ball's does not.",
    needs=[Experiment(_TRIPLE), Experiment(_ODE)],
    checks=[
        Check("contraction of triple momentum per step", median("rate", task=_TRIPLE), Between(0.795, 0.805)),
        Check(
            "largest distance of the differential equation to Nesterov's iterates",
            largest("worst", task=_ODE),
            Below(0.35),
        ),
        Check(
            "ratio of the distances to Nesterov's iterates, without over with the Hessian term, curvature 25",
            _without_over_with,
            Above(2.0),
        ),
    ],
    fair_controls=[
        Check("contraction of the heavy ball a step", smallest("heavy_ball_rate", task=_TRIPLE), Above(0.9))
    ],
    controls=[
        Check(
            "largest distance to the points at which Nesterov's method takes gradients",
            largest("worst_ahead", task=_ODE),
            None,
        ),
        *(Check(f"distance, curvature {q:g}", largest(f"distance_{q:g}", task=_ODE), None) for q in (1.0, 5.0, 25.0)),
        *(
            Check(f"distance without the term, curvature {q:g}", largest(f"without_{q:g}", task=_ODE), None)
            for q in (1.0, 5.0, 25.0)
        ),
    ],
    note="kappa = 25. Triple momentum is that of Van Scoy, Freeman and Lynch 2018, on the function of the cycle.",
    registered="0.1.0",
)

_SIZES = [(n, condition) for n in (16, 64) for condition in (10.0, 100.0)]


def _at(n: int, condition: float) -> dict[str, float]:
    return {"task.n": n, "task.condition": condition}


def _against(first: str, second: str, n: int, condition: float) -> Check:
    """The largest quotient of the median errors of two methods over the seeds."""

    def quotient(rows: Rows) -> Interval:
        where = _at(n, condition)
        return Interval.exactly((rows.values(first, where) / rows.values(second, where)).max())

    names = {"pade": "Padé [5/5]", "newton_schulz": "five Newton-Schulz steps", "taylor": "Taylor degree 10"}
    return Check(
        f"error of {names[first]} over {names[second]}, n = {n}, condition {condition:g}", quotient, Below(1.0)
    )


D18 = Claim(
    paper="song2022",
    kind=THEOREM,
    statement="At equal cost a Padé approximant of the matrix square root errs less than Newton-Schulz, and that less than a "
    "Taylor polynomial.",
    needs=[Experiment("sensing/root_series", {"n": n, "condition": c}, seeds=3) for n, c in _SIZES],
    checks=[
        Check("largest error on [0, .98], Taylor degree 8", median("taylor_scalar"), Between(0.0856, 0.0858)),
        Check("largest error on [0, .98], Padé [4/4]", median("pade_scalar"), Between(0.0235, 0.0237)),
        *(
            _against(first, second, n, c)
            for n, c in _SIZES
            for first, second in (("pade", "newton_schulz"), ("newton_schulz", "taylor"))
        ),
    ],
    controls=[
        Check(
            f"error of eight Newton-Schulz steps, n = {n}, condition {c:g}", median("newton_schulz_8", _at(n, c)), None
        )
        for n, c in _SIZES
    ],
    note="Eight Newton-Schulz steps err less than both: the statement is about equal cost only.",
    registered="0.1.0",
)

D19 = Claim(
    paper="song2022",
    kind=THEOREM,
    statement="Ten sign iterations give the gradient of the matrix square root to rounding.",
    needs=[Experiment("sensing/root_gradient", seeds=3)],
    checks=[
        Check("largest relative error, ten iterations", largest("error_10"), Below(1e-10)),
        Check("agrees with finite differences", smallest("checked"), Above(1.0)),
    ],
    fair_controls=[Check("largest relative error, five iterations", smallest("error_5"), Above(0.05))],
    controls=[
        Check("largest relative error, eight iterations", largest("error_8"), None),
        Check("five iterations agree with finite differences", median("checked_5"), None),
    ],
    note="n = 16, condition of the root sqrt 10. Five iterations, the count of the forward pass, are a silent error of a tenth.",
    registered="0.1.0",
)
