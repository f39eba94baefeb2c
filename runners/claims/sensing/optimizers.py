"""Claims about optimizers that see gradients through a projection, through their signs, or through random directions."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, THEOREM, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below, Between

C31 = Claim(
    paper="hao2024",
    kind=THEOREM,
    statement="New projections again and again give updates of full rank; two factors stop at the best matrix of their rank.",
    needs=[Experiment("sensing/resampled_projections", seeds=5)],
    checks=[
        Check("largest loss, a new projection every 20 steps", largest("flora"), Below(1e-4)),
        Check("least loss of two factors over the tail", smallest("lora_over_tail"), Above(0.99)),
        Check("largest loss of two factors over the tail", largest("lora_over_tail"), Below(1.01)),
    ],
    fair_controls=[Check("least loss with the projection of the start only", smallest("frozen"), Above(0.8))],
    controls=[Check("loss of two factors", median("lora"), None)],
    note="The same projection throughout leaves 1 - r/n = 0.875 of the loss in the mean: drawing again does it.",
    registered="0.1.0",
)

_DESCENTS = ((4, 1), (1, 32))


def _descent(rank: int) -> dict[str, int]:
    return {"task.rank": rank}


C32 = Claim(
    paper="liang2024",
    kind=THEOREM,
    statement="Descent through any projection P is monotone if and only if eta l_max(P P') is at most 2/L.",
    needs=[Experiment("sensing/projected_descent", {"rank": r, "columns": m}, seeds=5) for r, m in _DESCENTS],
    checks=[
        check
        for r, _ in _DESCENTS
        for check in (
            Check(f"largest increase at eta l = 1.9/L, rank {r}", largest("rise_low", _descent(r)), Below(0.0)),
            Check(f"largest excess over the bound, rank {r}", largest("excess", _descent(r)), Below(1e-12)),
        )
    ],
    fair_controls=[
        Check(f"least largest increase at eta l = 2.1/L, rank {r}", smallest("rise_high", _descent(r)), Above(1e-9))
        for r, _ in _DESCENTS
    ],
    note="The paper states descent for its optimizers; the condition on the step is needed. A fresh Gaussian P in every step, "
    "values over the first loss. Adam on projected gradients is not monotone and not part of this.",
    registered="0.1.0",
)

_RANKS = (1, 2, 4, 8)


def _pooled(score: str) -> Quantity:
    """|sum over seeds| of a number of standard errors over the root of their count: again in standard errors."""

    def quantity(rows: Rows) -> Interval:
        values = rows.values(score)
        return Interval.exactly(abs(values.sum()) / len(values) ** 0.5)

    return quantity


C33 = Claim(
    paper="sarkar2025",
    kind=THEOREM,
    statement="Evolution strategies with perturbations of rank r estimate the full-rank update up to a term of order 1/r.",
    needs=[Experiment("sensing/low_rank_evolution", seeds=3)],
    checks=[
        *(Check(f"|b_r - 6/r| in standard errors, r = {r}", _pooled(f"off_{r}"), Below(3.0)) for r in _RANKS),
        Check("exponent of b_r in r", median("exponent"), Between(-1.2, -0.85)),
    ],
    fair_controls=[
        Check("|b| of Gaussian perturbations in standard errors", _pooled("off_full"), Below(3.0)),
        *(
            Check(f"|b_r - 6/r| with the scale 1/r in standard errors, r = {r}", _pooled(f"wrong_{r}"), Above(3.0))
            for r in _RANKS[1:]
        ),
    ],
    controls=[Check(f"b_r, r = {r}", median(f"bias_{r}"), None) for r in _RANKS],
    note="For f(W) = <C, W>^3 the term is (6/r) C C'C exactly; the quadratic part of any f has none, at any rank.",
    registered="0.1.0",
)

C35 = Claim(
    paper="chen2024",
    kind=THEOREM,
    statement="Lion with weight decay lambda solves the problem over the box |x|_inf <= 1/lambda; violations decay by the factor "
    "1 - eta lambda in every step.",
    needs=[Experiment("sensing/lion_box", seeds=5)],
    checks=[
        Check("largest (violation - bound)/first violation", largest("excess"), Below(1e-12)),
        Check("largest violation at the end", largest("violation"), Below(1e-8)),
        Check("largest |f - minimum over the box| at the end", largest("gap"), Below(1e-5)),
    ],
    fair_controls=[
        Check("least violation with lambda x added to the gradient", smallest("coupled"), Above(1e-8)),
    ],
    controls=[
        Check("share of coordinates of the minimizer at the boundary", median("contact"), None),
        Check("violation with lambda x added to the gradient", median("coupled"), None),
    ],
    note="Rates 0.01/(1 + t/2000): at a fixed rate the gap is of the order of its square. Violations below 1e-13 are rounding.",
    registered="0.1.0",
)


def _upper(quantity: Quantity) -> Quantity:
    """The upper end of the interval of a quantity, as a number."""

    def end(rows: Rows) -> Interval:
        return Interval.exactly(quantity(rows).high)

    return end


C47 = Claim(
    paper="sarkar2025",
    kind=EMPIRICAL,
    statement="At large populations, perturbations of rank 1 do not make evolution strategies worse, and they cost less.",
    needs=[Experiment("sensing/evolved_digits", seeds=5)],
    checks=[
        Check("points lost with rank 1, population 512", median("gap_512"), Below(2.0)),
        Check(
            "upper end of the interval of the points lost, population 512",
            _upper(median("gap_512")),
            Below(3.0),
            exact="it is the end of an interval",
        ),
        Check("time of rank 1 over full noise, population 512", median("seconds"), Below(0.6)),
    ],
    controls=[
        Check("points lost with rank 1, population 64", median("gap_64"), None),
        *(
            Check(f"points of error, {title}, population {n}", median(f"error_{noise}_{n}"), None)
            for n in (64, 512)
            for noise, title in (("low_rank", "rank 1"), ("full", "full noise"))
        ),
    ],
    convergence="both arms have the same number of generations, which is part of the statement",
    note=f"{PILOT} This concerns the 2 points and the 0.6. A perceptron 64-32-10 on digits, 200 generations; sigma and the rate "
    "are not tuned and the same for both. The time is CPU time in one process.",
    registered="0.1.0",
)

C49 = Claim(
    paper="hao2024",
    kind=THEOREM,
    statement="Down and up again through a random projection is unbiased for a gradient, E G P'P = G, at a variance of "
    "(m + 1)/r |G|^2.",
    needs=[Experiment("sensing/random_projections", seeds=3)],
    checks=[
        Check("<mean of G P'P, G> over |G|^2", median("shrinkage"), Between(0.98, 1.02)),
        Check("mean of |G P'P - G|^2 over (m + 1)/r |G|^2", median("variance"), Between(0.98, 1.02)),
        Check("mean of |M P_old P_new'|^2 over m/r |M|^2", median("transfer"), Between(0.98, 1.02)),
    ],
    fair_controls=[
        Check(
            "<mean of G P'P, G> over |G|^2, entries N(0, 1/m): r/m = 0.2",
            median("wrong_shrinkage"),
            Between(0.196, 0.204),
        )
    ],
    note="Each transfer of momentum to a new projection multiplies its mean square by m/r; it must decay by more between "
    "two of them.",
    registered="0.1.0",
)
