"""Claims about control: linear structure that depends on the state, models along one trajectory, inputs in diagonal models."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, ratio, smallest
from dynamark.runners.claims.relations import Above, Below, Between

K42 = Claim(
    paper="richards2023",
    kind=THEOREM,
    statement="Every smooth f with f(0) = 0 is A(x) x with A(x) the mean Jacobian on the segment from 0 to x.",
    needs=[Experiment("koopman/state_dependent_coefficients", {"system": s}) for s in ("pendulum", "duffing")],
    checks=[Check("largest |A(x) x - f(x)|", largest("error"), Below(1e-10))],
    fair_controls=[Check("largest |J(x) x - f(x)| with the Jacobian at x", smallest("jacobian_error"), Above(0.1))],
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


_COUNTS = (5, 10, 20, 50)


def _local(iterations: int | None = None, **fields: object) -> Experiment:
    longer = {} if iterations is None else {"iterations": iterations}
    return Experiment("koopman/local_models", {"excitation": 0.1, "gains": True, **fields, **longer}, seeds=5)


def _by_count(iterations: int | None = None) -> list[Experiment]:
    counted = [_local(iterations, rollouts=n) for n in _COUNTS]
    return [*counted, _local(iterations, rollouts=50, excitation=0.0)]


def _excited(rollouts: int) -> dict[str, object]:
    return {"task.rollouts": rollouts, "task.excitation": 0.1, "task.gains": True}


K40 = Claim(
    paper="pfrommer2023",
    kind=EMPIRICAL,
    statement="Models fitted at each time to a few dozen rollouts improve a policy nearly as well as exact Jacobians.",
    needs=_by_count(),
    checks=[
        Check("final cost over final cost of exact Jacobians, 50 rollouts", median("ratio", _excited(50)), Below(1.05)),
        Check("final cost over final cost of exact Jacobians, 5 rollouts", median("ratio", _excited(5)), Above(1.2)),
        *(
            Check(
                f"median final cost, {more} rollouts over {fewer}",
                ratio("cost", _excited(more), _excited(fewer), paired=False),
                Below(1.0),
            )
            for fewer, more in ((5, 10), (10, 20), (20, 50))
        ),
    ],
    fair_controls=[
        Check(
            "final cost over exact, 50 rollouts without excitation", median("ratio", {"task.excitation": 0.0}), Above(2)
        )
    ],
    controls=[Check(f"final cost over exact, {n} rollouts", median("ratio", _excited(n)), None) for n in (10, 20)],
    looks=(1, 3, 9),
    convergence=_by_count(16),
    note="Upright pendulum, 40 steps of 0.1, eight iterations; the five trial steps of each line search are not counted. Without "
    "excitation the effect of the input cannot be estimated and no step is accepted.",
    registered="0.1.0",
)

K41 = Claim(
    paper="pfrommer2023",
    kind=THEOREM,
    statement="Without stabilizing gains the spread of rollouts grows exponentially with the horizon; with them it is bounded.",
    needs=[Experiment("koopman/rollout_spread", seeds=5)],
    checks=[
        Check(f"{which} variance over its formula, {end}", quantity(score), Between(0.9, 1.1))
        for which, score in (("free", "free"), ("stabilized", "stabilized"))
        for end, quantity in (("largest", largest), ("smallest", smallest))
    ],
    controls=[Check("free variance over the bound with gains", median("free_over_bound"), None)],
    note="x' = 1.2 x + u + w, 40 steps, 2000 rollouts: (1.2^80 - 1)/0.44 free, 1/(1 - 0.5^2) with the gain 0.7.",
    registered="0.1.0",
)


def _ablation(iterations: int | None = None) -> list[Experiment]:
    return [_local(iterations, rollouts=20, gains=gains) for gains in (True, False)]


K41b = Claim(
    paper="pfrommer2023",
    kind=EMPIRICAL,
    statement="Stabilizing gains in the rollouts lower the final cost of the pendulum.",
    needs=_ablation(),
    checks=[
        Check(
            "final cost, 20 rollouts, without gains over with them",
            ratio("cost", {"task.gains": False}, {"task.gains": True}),
            Above(1.0),
        )
    ],
    controls=[
        Check(f"final cost over exact, {'with' if g else 'without'} gains", median("ratio", {"task.gains": g}), None)
        for g in (True, False)
    ],
    looks=(1, 3, 9),
    convergence=_ablation(16),
    note="Forty steps of 0.1 are too short for the exponential of K41 to show.",
    registered="0.1.0",
)


_PRECISIONS = {"float32": 1e-4, "float64": 1e-11}


def _rollout(**fields: object) -> Experiment:
    usual = {"precision": "float64", "convolution": "padded", "features": "inputs", "decay": -0.2}
    return Experiment("koopman/diagonal_rollout", {**usual, **fields}, seeds=3)


def _convolved(precision: str, convolution: str) -> dict[str, object]:
    return {"task.precision": precision, "task.convolution": convolution, "task.features": "inputs", "task.decay": -0.2}


K38 = Claim(
    paper="mondal2024",
    kind=THEOREM,
    statement="A diagonal latent model with inputs is rolled out by one padded convolution as by its steps.",
    needs=[_rollout(precision=p, convolution=c) for p in _PRECISIONS for c in ("padded", "circular")],
    checks=[
        Check(f"largest relative difference, {p}", largest("difference", _convolved(p, "padded")), Below(bound))
        for p, bound in _PRECISIONS.items()
    ],
    fair_controls=[
        Check(
            f"relative difference of a circular convolution, smallest over seeds, {p}",
            smallest("difference", _convolved(p, "circular")),
            Above(bound),
        )
        for p, bound in _PRECISIONS.items()
    ],
    note="200 steps, 32 complex modes.",
    registered="0.1.0",
)

_LINEAR = _convolved("float64", "padded")

K39 = Claim(
    paper="mondal2024",
    kind=THEOREM,
    statement="With features of the inputs alone, latent paths superpose, and eigenvalues of modulus at most 1 bound them.",
    needs=[_rollout(), _rollout(features="states"), _rollout(decay=0.2)],
    checks=[
        Check("largest relative |z(u) + z(u') - z(0) - z(u, u')|", largest("superposition", _LINEAR), Below(1e-10)),
        Check("largest |z_t|/|z_0| without inputs", largest("growth", _LINEAR), Below(1.0)),
    ],
    fair_controls=[
        Check(
            "superposition with features of inputs and states",
            smallest("superposition", {"task.features": "states"}),
            Above(1e-10),
        ),
        Check("growth with eigenvalues outside the unit circle", smallest("growth", {"task.decay": 0.2}), Above(1.0)),
    ],
    note="z(u, u') is the path with the sum of both features.",
    registered="0.1.0",
)
