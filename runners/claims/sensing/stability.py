"""Claims about the edge of stability: which sharpness gradient descent, its stochastic form and its perturbed form can end at."""

from __future__ import annotations

from dynamark.runners.claims.claim import THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

D15 = Claim(
    paper="agarwala2023",
    kind=THEOREM,
    statement="Above the nullcline of its two-step map, gradient descent on a quadratic output ends at sharpness 2 - epsilon/2.",
    needs=[Experiment("sensing/edge_of_stability")],
    checks=[
        Check("smallest (2 - T)/(epsilon/2) over starts", smallest("low"), Above(0.97)),
        Check("largest (2 - T)/(epsilon/2) over starts", largest("high"), Below(1.03)),
    ],
    fair_controls=[
        Check("smallest (2 - T)/(epsilon/2) over starts below the nullcline", smallest("below"), Above(1.03)),
    ],
    controls=[
        Check("largest |(2 - T)/(-y_0) - 1| from below the nullcline", largest("mirrored_error"), None),
    ],
    note="Q = diag(1, -epsilon), epsilon .01, .005, .002. From below the nullcline the run ends at -y_0, up to a hundred times "
    "farther from the edge: the statement needs the side of the start.",
    registered="0.1.0",
)

D16 = Claim(
    paper="agarwala2023",
    kind=THEOREM,
    statement="From one start an interval of step sizes ends at the same edge, eta T = 2 - epsilon/2.",
    needs=[Experiment("sensing/step_size_interval")],
    checks=[
        Check("smallest (2 - eta T)/(epsilon/2) over step sizes 1 to 1.1", smallest("low"), Above(0.98)),
        Check("largest (2 - eta T)/(epsilon/2) over step sizes 1 to 1.1", largest("high"), Below(1.02)),
        Check("largest sharpness on the way, step size 1", smallest("peak"), Above(2.0)),
    ],
    fair_controls=[Check("(2 - eta T)/(epsilon/2) at step size .98", smallest("outside"), Above(1.02))],
    note="The start has sharpness 2.22 already, so that the sharpness above 2 is that of the start.",
    registered="0.1.0",
)

_RADII = (0.1, 0.3)


def _radius(value: float) -> dict[str, float]:
    return {"task.radius": value}


D17 = Claim(
    paper="agarwala2023b",
    kind=THEOREM,
    statement="Sharpness-aware minimization converges only where lambda (1 + rho lambda) <= 2, far below the edge of gradient "
    "descent.",
    needs=[Experiment("sensing/sharpness_aware_edge", {"radius": radius}, seeds=3) for radius in (0.0, *_RADII)],
    checks=[
        *(
            check
            for radius in _RADII
            for check in (
                Check(
                    f"largest final sharpness - edge, rho = {radius:g}", largest("over", _radius(radius)), Below(1e-6)
                ),
                Check(
                    f"largest final sharpness over the edge, rho = {radius:g}",
                    smallest("reached", _radius(radius)),
                    Above(0.99),
                ),
            )
        ),
        Check("largest final sharpness, rho = .1", largest("sharpest", _radius(0.1)), Below(1.8)),
    ],
    fair_controls=[
        Check("largest final sharpness of gradient descent (edge 2)", smallest("sharpest", _radius(0.0)), Above(1.98)),
    ],
    controls=[Check("fewest runs that converged", smallest("runs"), None)],
    note="The perturbation is not normalized; the step size is 1. That of normalized perturbations is another method.",
    registered="0.1.0",
)

_TRACE, _COHERENCE = "sensing/trace_bound", "sensing/coherence_bound"


def _family(name: str) -> dict[str, str]:
    return {"task.family": name}


D09 = Claim(
    paper="wu2023",
    kind=THEOREM,
    statement="A minimum that is stable for stochastic gradient descent with batches of one has eta tr H <= 2.",
    needs=[Experiment(_TRACE, {"family": "heavy_tailed"}, seeds=3)],
    checks=[Check("largest eta* tr H over 20 instances", largest("largest"), Below(2 + 1e-8))],
    fair_controls=[
        Check(
            "edge of gradient descent over eta*, smallest where tr H >= 2 lambda_max", smallest("descent"), Above(1.0)
        ),
    ],
    controls=[Check("smallest eta* tr H", smallest("smallest"), None)],
    note="n = 40 gradients in R^5 with lengths of Pareto tail 1.5; one sample drawn uniformly. eta* is exact: the operator keeps "
    "the cone of positive matrices.",
    registered="0.1.0",
)

D10 = Claim(
    paper="dexter2024",
    kind=THEOREM,
    statement="Where lambda_max(H) exceeds min(2, sigma (n/B - 1)^{-1/2})/eta, sigma the coherence of the Hessians of the "
    "samples, stochastic gradient descent diverges.",
    needs=[Experiment(_COHERENCE, seeds=3)],
    checks=[
        Check("share of 60 families that are stable beyond the bound", largest("violations"), Below(0.0)),
        Check("share of minima of softmax regression that are stable beyond the bound", largest("softmax"), Below(0.0)),
    ],
    fair_controls=[
        Check(
            "share of aligned families that are stable beyond the bound with sigma = 1", smallest("naive"), Above(0.9)
        )
    ],
    controls=[
        Check("bound over the largest stable step size, median", median("tightness"), None),
        Check("bound over the largest stable step size, smallest", smallest("least"), None),
    ],
    note="Each sample is in a batch independently with probability B/n. The definition of sigma was not compared with the "
    "paper's text; the implication is what is tested.",
    registered="0.1.0",
)

C40 = Claim(
    paper="wu2023",
    kind=THEOREM,
    statement="At an interpolating minimum of matrix sensing eta* tr H <= 2; for orthogonal gradients of equal length it is 2.",
    needs=[
        Experiment(_TRACE, {"family": "sensing"}, seeds=3),
        Experiment(_TRACE, {"family": "orthogonal"}),
    ],
    checks=[
        Check("largest eta* tr H, sensing", largest("largest", _family("sensing")), Below(2 + 1e-8)),
        Check("largest eta* tr H, orthogonal", largest("largest", _family("orthogonal")), Below(2 + 1e-8)),
        Check("smallest eta* tr H, orthogonal", smallest("smallest", _family("orthogonal")), Above(2 - 1e-8)),
    ],
    fair_controls=[
        Check(
            "edge of gradient descent over eta*, smallest, sensing", smallest("descent", _family("sensing")), Above(1.0)
        ),
    ],
    note="40 measurements at a 5 x 5 matrix of rank one; one sample drawn uniformly.",
    registered="0.1.0",
)
