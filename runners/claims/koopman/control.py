"""Claims about control: linear structure that depends on the state, models along one trajectory, inputs in diagonal models."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

K42 = Claim(
    paper="richards2023",
    kind=THEOREM,
    statement="Every smooth f with f(0) = 0 is A(x) x with A(x) the mean Jacobian on the segment from 0 to x.",
    needs=[Experiment("koopman/state_dependent_coefficients", {"system": s}) for s in ("pendulum", "duffing")],
    checks=[Check("largest |A(x) x - f(x)|", largest("error"), Below(1e-10))],
    fair_controls=[Check("the same with the Jacobian at x itself", smallest("jacobian_error"), Above(0.1))],
    note="Upright pendulum and Duffing oscillator, 200 states in [-3, 3]^2, twelve Gauss-Legendre nodes.",
    registered="0.1.0",
)


def _tracking(steps: int | None = None) -> list[Experiment]:
    return [Experiment("koopman/structured_tracking", {} if steps is None else {"steps": steps}, seeds=5)]


K43 = Claim(
    paper="richards2023",
    kind=EMPIRICAL,
    statement="A controller from a learned state-dependent factorization tracks where one fixed linear feedback does not.",
    needs=_tracking(),
    checks=[
        Check("tracking error, learned over LQR at the origin", median("over_fixed"), Below(0.5)),
        Check("tracking error, learned over the true factorization", median("over_exact"), Below(1.25)),
    ],
    fair_controls=[
        Check("tracking error, fitted to permuted derivatives over LQR", median("shuffled_over_fixed"), Above(1.0))
    ],
    controls=[
        Check("tracking error, learned", median("learned"), None),
        Check("tracking error, LQR", median("fixed"), None),
        Check("tracking error, true factorization", median("exact"), None),
    ],
    published="figures",
    looks=(1, 3),
    convergence=_tracking(6000),
    note="Van der Pol oscillator on a circle of radius 1.5 with its exact feed-forward. Registered as four of five seeds: the "
    "interval of the median of five reaches from the least to the largest, so all five must hold.",
    registered="0.1.0",
)
