"""Claims about covariances as products of low rank: the smoothed Bures-Wasserstein loss, and critical points of the loss."""

from __future__ import annotations

from dynamark.runners.claims.claim import THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

_SMOOTHED, _CRITICAL = "sensing/smoothed_loss", "sensing/critical_points"
_CASES = [{"depth": depth, "rank": rank} for depth in (1, 3) for rank in (2, 4)]

D24 = Claim(
    paper="brechet2023",
    kind=THEOREM,
    statement="Smoothing the covariance by eps moves the minimizer of the Bures-Wasserstein loss by O(eps); critical points of "
    "rank k have k eigenvalues of S, and all but the k leading ones are saddles.",
    needs=[
        *(Experiment(_SMOOTHED, case, seeds=3) for case in _CASES),
        *(Experiment(_CRITICAL, case, seeds=3) for case in _CASES),
    ],
    checks=[
        Check(
            "exponent in eps of the distance of the minimizers, smallest",
            smallest("gap_slope", task=_SMOOTHED),
            Above(0.9),
        ),
        Check(
            "exponent in eps of the distance of the minimizers, largest",
            largest("gap_slope", task=_SMOOTHED),
            Below(1.1),
        ),
        Check("largest distance of a spectrum to k eigenvalues of S", largest("spectrum", task=_CRITICAL), Below(1e-6)),
        Check(
            "fewest critical points besides the minimizer, of 20 starts",
            smallest("subsets", task=_CRITICAL),
            Above(1.0),
        ),
        Check(
            "smallest share of saddles that perturbed flow leaves for the minimizer",
            smallest("left", task=_CRITICAL),
            Above(1.0),
        ),
        Check(
            "exponent of the curvature in sigma_min(W), smallest",
            smallest("curvature_slope", task=_SMOOTHED),
            Above(-1.1),
        ),
        Check(
            "exponent of the curvature in sigma_min(W), largest",
            largest("curvature_slope", task=_SMOOTHED),
            Below(-0.9),
        ),
    ],
    fair_controls=[
        Check(
            "smallest share of saddles that flow returns to, perturbed inside its invariant span",
            smallest("returned", task=_CRITICAL),
            Above(1.0),
        ),
        Check(
            "largest distance to S_k after perturbation of the minimizer",
            largest("minimizer", task=_CRITICAL),
            Below(1e-4),
        ),
        Check(
            "largest distance to S_k of the minimizer of |S - W W'|^2",
            largest("frobenius_distance", task=_SMOOTHED),
            Below(1e-4),
        ),
        Check(
            "smallest exponent of the curvature of |S - W W'|^2 in sigma_min(W)",
            smallest("frobenius_slope", task=_SMOOTHED),
            Above(-0.1),
        ),
    ],
    controls=[
        Check(
            "exponent in eps of the loss of the smoothed minimizer - minimum",
            median("loss_slope", task=_SMOOTHED),
            None,
        ),
        Check("exponent in eps of the minimum - smoothed minimum", median("value_slope", task=_SMOOTHED), None),
        Check("largest |distance of the minimizers/(eps sqrt(k)) - 1|", largest("gap_error", task=_SMOOTHED), None),
        Check("largest eigenvalue of a Hessian", largest("curvature_top", task=_SMOOTHED), None),
        Check(
            "exponent of the curvature in sigma_min(W), smoothed by eps = .01",
            median("smoothed_slope", task=_SMOOTHED),
            None,
        ),
        Check("median number of saddles among 20 starts", median("saddles", task=_CRITICAL), None),
    ],
    note="8 x 8, ranks 2 and 4, one and three factors. W W' moves by eps sqrt(k), the loss at the minimizer by O(eps^2), and the "
    "value of the minimum by O(sqrt(eps)). The curvature is the largest |eigenvalue| of the Hessian in W: the smallest one "
    "falls like -1/sigma_min(W), the largest stays at 2. The loss |S - W W'|^2 has the minimizers (C30), not the curvature. "
    "Starts in the span of eigenvectors of S reach the saddles; generic ones do not.",
    registered="0.2.0",
)
