"""Claims about tensors and matrix flows: integrators of low rank, spiked tensors, decompositions, covariances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows, Where
from dynamark.runners.claims.quantities import counted, largest, mean, median, smallest
from dynamark.runners.claims.relations import Above, Below

_RANKS = (4, 8, 16)


def _rank(value: int) -> dict[str, int]:
    return {"task.rank": value}


def _quotient(score: str, over: Where, under: Where) -> Quantity:
    """The largest quotient of a score of two kinds of rows over the seeds."""
    return lambda rows: Interval.exactly((rows.values(score, over) / rows.values(score, under)).max())


def _between(name: str, score: str, low: float, high: float, where: dict[str, int]) -> list[Check]:
    return [
        Check(f"{name}, smallest", smallest(score, where), Above(low)),
        Check(f"{name}, largest", largest(score, where), Below(high)),
    ]


C26 = Claim(
    paper="ceruti2024",
    kind=THEOREM,
    statement="Basis update and Galerkin integrators of matrices err by O(h), and augmented ones by O(h^2), at any smallest "
    "singular value.",
    needs=[Experiment("sensing/low_rank_flow", {"rank": rank}, seeds=3) for rank in _RANKS],
    checks=[
        *(
            check
            for rank in _RANKS
            for check in (
                *_between(f"order of BUG, rank {rank}", "bug_order", 0.9, 1.1, _rank(rank)),
                *_between(f"order of augmented BUG, rank {rank}", "augmented_order", 1.85, 2.15, _rank(rank)),
            )
        ),
        *(
            check
            for rank in (4, 8)
            for check in _between(f"order of parallel BUG, rank {rank}", "parallel_order", 0.9, 1.1, _rank(rank))
        ),
        Check("largest error of parallel BUG over error of BUG", largest("parallel_over_bug"), Below(1.2)),
        Check(
            "error against the whole flow, rank 16 over rank 8",
            _quotient("full_error", _rank(16), _rank(8)),
            Below(1.0),
        ),
    ],
    fair_controls=[Check("order of the core alone in fixed bases", largest("frozen_order"), Below(0.5))],
    controls=[Check("order of parallel BUG, rank 16", median("parallel_order", _rank(16)), None)],
    note="Matrices only (tensors: D02). Errors against the exact flow of rank r, smallest singular value 2^{-16}.",
    registered="0.1.0",
)

_STEEP = {"rank": 5, "base": 100.0, "first": 0}


def _tucker(rank: int, base: float = 2.0) -> dict[str, object]:
    return {"task.rank": rank, "task.base": base}


D02 = Claim(
    paper="ceruti2024",
    kind=THEOREM,
    statement="The parallel integrator in Tucker form errs by O(h), with the same constant for small singular values.",
    needs=[
        *(Experiment("sensing/tucker_flow", {"rank": rank, "base": 2.0}, seeds=2) for rank in (3, 5)),
        Experiment("sensing/tucker_flow", _STEEP, seeds=2),
    ],
    checks=[
        *(
            check
            for rank in (3, 5)
            for check in (
                Check(f"order, rank {rank}, smallest", smallest("order", _tucker(rank)), Above(0.9)),
                Check(f"order, rank {rank}, largest", largest("order", _tucker(rank)), Below(1.1)),
            )
        ),
        Check(
            "error constant of rank 5 over error constant of rank 3",
            _quotient("constant", _tucker(5), _tucker(3)),
            Below(2.0),
        ),
        Check(
            "error constant of rank 3 over error constant of rank 5",
            _quotient("constant", _tucker(3), _tucker(5)),
            Below(2.0),
        ),
        Check("order, smallest singular value 1e-8", smallest("order", _tucker(5, 100.0)), Above(0.9)),
    ],
    fair_controls=[
        Check(
            "smallest error of the projected equations over the error of the integrator, smallest singular value 1e-8",
            lambda rows: _capped(rows.values("standard_over", _tucker(5, 100.0)).min()),
            Above(10.0),
        ),
        Check("order without the blocks of K in the augmented core", largest("omitted_order"), Below(0.5)),
    ],
    controls=[
        Check(
            "error of the projected equations over the error of the integrator, rank 5",
            largest("standard_over", _tucker(5)),
            None,
        ),
        Check("error at h = .0125, rank 3", median("error", _tucker(3)), None),
        Check("error at h = .0125, rank 5", median("error", _tucker(5)), None),
    ],
    note="Order-3 Tucker tensors, of trees the smallest; deeper trees are left out. The field is tangent to the tensors of low "
    "rank, so that the inverse of the core cancels in the projected equations: at singular values down to 1/32 they follow the "
    "flow to the order of Runge-Kutta; at 1e-8 rounding takes them over.",
    registered="0.1.0",
)


def _capped(value: float) -> Interval:
    """1e300 for an infinite quotient: the projected equations failed."""
    return Interval.exactly(min(float(value), 1e300))


C29 = Claim(
    paper="lebeau2024",
    kind=THEOREM,
    statement="Unfoldings of a spiked tensor see the spike above beta^2 n_T/sqrt(n_1 n_2 n_3) = 1, and the tensor power method "
    "sees more of it.",
    needs=[Experiment("sensing/plain_spike")],
    checks=[
        Check("mean |alignment - oracle| for rho >= 1.5", largest("deviation"), Below(0.05)),
        Check("least alignment of the tensor - unfolding, rho = 1.2 and 1.5", smallest("gain"), Above(0.2)),
    ],
    fair_controls=[Check("alignment of the unfolding at rho = .5", largest("below"), Below(0.15))],
    controls=[
        *(
            Check(f"alignment of the {name}, rho = {rho}", median(f"{name}_{rho}"), None)
            for name in ("unfolding", "tensor")
            for rho in ("1.2", "1.5", "2", "3", "5")
        ),
        Check("largest |alignment - oracle| for rho >= 1.5", largest("largest_deviation"), None),
    ],
    note="The plain spiked tensor, 50 x 60 x 70, six draws; the nested model is D03. The oracle is that of a spiked matrix at "
    "this aspect ratio, which tends to 1 - rho^{-2}.",
    registered="0.1.0",
)

# (beta_M, rho)
_POINTS = ("1.5_2", "2_1", "3_1", "3_3", "1.5_0.8")
_BELOW_ONE = {"2_1": 0.0, "3_1": 0.0, "1.5_0.8": 0.0}  # 1 - rho^{-2}, or 0, where rho <= 1
_NESTED = [Experiment("sensing/nested_spike", seeds=4)]


def _means(rows: Rows, score: str, points: Sequence[str]) -> np.ndarray:
    """The mean over rows of a score at each point."""
    return np.array([rows.values(f"{score}_{point}").mean() for point in points])


def _off(score: str, prediction: str) -> Quantity:
    """The largest |mean over rows - prediction| over points."""

    def quantity(rows: Rows) -> Interval:
        return Interval.exactly(np.abs(_means(rows, score, _POINTS) - _means(rows, prediction, _POINTS)).max())

    return quantity


def _gain(rows: Rows) -> Interval:
    """The least tensor - unfolding, means over rows."""
    points = ("1_1", "1.5_0.8")
    return Interval.exactly((_means(rows, "tensor", points) - _means(rows, "alignment", points)).min())


def _plain_miss(rows: Rows) -> Interval:
    """The least |mean - plain formula| of points with rho <= 1."""
    return Interval.exactly(np.abs(_means(rows, "alignment", list(_BELOW_ONE)) - list(_BELOW_ONE.values())).min())


D03 = Claim(
    paper="lebeau2024",
    kind=THEOREM,
    statement="In the nested matrix-tensor model what the unfolding sees depends on rho and beta_M, with a transition where "
    "zeta = 0.",
    needs=_NESTED,
    checks=[
        Check("largest |mean alignment - zeta| at five points", _off("alignment", "zeta"), Below(0.06)),
        Check("least alignment of the tensor - unfolding, (1, 1) and (1.5, .8)", _gain, Above(0.03)),
    ],
    fair_controls=[Check("least |mean - (1 - rho^{-2})| of points with rho <= 1", _plain_miss, Above(0.5))],
    controls=[
        Check("largest |mean alignment - alignment at this size|", _off("alignment", "finite"), None),
        Check("largest |alignment at this size - zeta|", _off("finite", "zeta"), None),
        *(Check(f"alignment at {point.replace('_', ', ')}", mean(f"alignment_{point}"), None) for point in _POINTS),
    ],
    note="150 x 100 x 50, 20 draws. zeta leaves out a noise that falls like n^{-1/4} only: at this size the alignment (own "
    "formula, which tends to zeta) is .061 below zeta at (1.5, .8), more than the tolerance; at the others within .03.",
    registered="0.1.0",
)


def _mode_off(rows: Rows) -> Interval:
    """The largest |mean over rows - (1 - r^{-2})| at r = 2 and 4."""
    return Interval.exactly(max(abs(rows.values(f"mode_{r}").mean() - (1 - r**-2.0)) for r in (2, 4)))


D04 = Claim(
    paper="lebeau2024",
    kind=THEOREM,
    statement="The third mode of the nested model has the plain transition in its own signal-to-noise ratio, and the labels are "
    "found with accuracy Phi(sqrt(zeta/(1 - zeta))).",
    needs=_NESTED,
    checks=[
        Check("largest |mean alignment - (1 - r^{-2})| at r = 2 and 4", _mode_off, Below(0.05)),
        Check("largest |mean share of labels - prediction| at five points", _off("accuracy", "labels"), Below(0.03)),
    ],
    fair_controls=[Check("alignment of the third mode at r = .5", mean("mode_0.5"), Below(0.15))],
    controls=[
        *(Check(f"alignment of the third mode at r = {r}", mean(f"mode_{r}"), None) for r in ("2", "4")),
        *(
            Check(f"share of labels at {point.replace('_', ', ')}", mean(f"accuracy_{point}"), None)
            for point in _POINTS
        ),
    ],
    note="150 x 100 x 50, 20 draws. The accuracy inherits what zeta misses at this size (D03).",
    registered="0.1.0",
)

_POWER = "sensing/subspace_power"


C28 = Claim(
    paper="kileel2025",
    kind=THEOREM,
    statement="The subspace power method decomposes symmetric tensors of order 4 of up to about d^2/2 components, whose number "
    "it is not given.",
    needs=[
        *(Experiment(_POWER, {"rank": rank}, seeds=2) for rank in (10, 15, 20)),
        Experiment(_POWER, {"rank": 30, "draws": 2}),
    ],
    checks=[
        Check(f"share of ten tensors, rank {rank}", smallest("success", _rank(rank)), Above(0.9))
        for rank in (10, 15, 20)
    ],
    fair_controls=[
        Check("share of two tensors beyond the generic bound of 28, rank 30", largest("success", _rank(30)), Below(0.1))
    ],
    controls=[
        Check("median component error, rank 20", median("error", _rank(20)), None),
        Check("share of right ranks, rank 30", median("rank_found", _rank(30)), None),
    ],
    note="d = 8; success means that every component is found within 1e-6.",
    registered="0.1.0",
)


def _noisy(sweeps: int) -> list[Experiment]:
    return [Experiment(_POWER, {"rank": 12, "noise": 1e-3, "tolerance": 1e-2, "sweeps": sweeps}, seeds=4)]


D22 = Claim(
    paper="kileel2025",
    kind=EMPIRICAL,
    statement="With noise the subspace power method finds rank and components; alternating least squares is harmed by a rank "
    "given too high.",
    needs=_noisy(200),
    checks=[
        Check("share of 40 tensors with component error at most .01", counted("won", 10), Above(0.9)),
        Check("share of right ranks", counted("rank_won", 10), Above(0.9)),
    ],
    fair_controls=[
        Check("component error of alternating least squares, rank 16 over rank 12", median("als_over"), Above(1.0)),
    ],
    controls=[
        Check("median component error of the subspace power method", median("error"), None),
        Check("median component error of alternating least squares, rank 12", median("als_error"), None),
        Check("median component error of alternating least squares, rank 16", median("als_over_error"), None),
        Check("share of tensors that alternating least squares decomposes, rank 12", mean("als_success"), None),
    ],
    looks=(1, 3),
    convergence=_noisy(400),
    note="d = 8, rank 12, noise of 1e-3 of the norm; 200 sweeps of alternating least squares from one random start.",
    registered="0.1.0",
)

_DEPTHS = [(depth, rank) for depth in (1, 3) for rank in (2, 4)]

C30 = Claim(
    paper="brechet2023",
    kind=THEOREM,
    statement="The minimizers of the Bures-Wasserstein loss over rank k are the truncations to the k leading eigenvalues, of "
    "deep networks too.",
    needs=[Experiment("sensing/bures_wasserstein", {"depth": depth, "rank": rank}, seeds=3) for depth, rank in _DEPTHS],
    checks=[
        Check("largest final loss - sum of the other eigenvalues", largest("gap"), Below(1e-8)),
        Check("smallest final loss - sum of the other eigenvalues", smallest("gap"), Above(-1e-8)),
        Check("largest distance to the truncation", largest("distance"), Below(1e-4)),
    ],
    fair_controls=[
        Check("largest gradient at the truncation to other eigenvalues", largest("saddle_gradient"), Below(1e-8)),
        Check("smallest loss at the truncation to other eigenvalues - minimum", smallest("saddle_gap"), Above(1e-2)),
    ],
    controls=[Check("smallest distance of that truncation to the minimizer", smallest("saddle_distance"), None)],
    note="8 x 8, ranks 2 and 4, one and three factors. The loss alone does not tell a critical point from another: the gradient "
    "is 0 at truncations to other eigenvalues too, which are no minima.",
    registered="0.1.0",
)
