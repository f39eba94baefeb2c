"""Claims about systems with inputs: what a lift can do linearly, diagonal latent dynamics, equations with actuators."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, UNTRAINED, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, ratio, smallest
from dynamark.runners.claims.relations import Above, Below, Between

_ORDERS = (1, 2, 3)


def _of(order: int) -> dict[str, object]:
    return {"task.order": order}


K24 = Claim(
    paper="bruder2021",
    kind=THEOREM,
    statement="If the effect of an input depends on the state, a lift that is linear in the input does not improve with its "
    "dictionary, and one that is bilinear does.",
    needs=[Experiment("koopman/input_lifting", {"order": order}, seeds=3) for order in _ORDERS],
    checks=[
        *(
            Check(
                f"one-step error of the linear lift, order {order} over order 1",
                ratio("linear", _of(order), _of(1)),
                Between(0.9, 1.1),
            )
            for order in _ORDERS[1:]
        ),
        *(
            Check(f"one-step error, bilinear over linear, order {order}", largest("gain", _of(order)), Below(1 / 50))
            for order in _ORDERS
        ),
    ],
    fair_controls=[
        Check("one-step error, bilinear with permuted inputs over linear", smallest("permuted_gain"), Above(1.0)),
    ],
    controls=[
        *(Check(f"one-step error, linear, order {order}", median("linear", _of(order)), None) for order in _ORDERS),
        *(
            Check(
                f"error after 30 latent steps, bilinear over linear, order {order}", median("gain_30", _of(order)), None
            )
            for order in _ORDERS
        ),
    ],
    note="Pendulum with the acceleration u cos(theta). The statement is on one step: the latent rollout of the smallest bilinear "
    "lift is no better after 30 steps.",
    registered="0.1.0",
)

_TIMED = Experiment("koopman/rollout_cost", seeds=5)

K25 = Claim(
    paper="mondal2024",
    kind=EMPIRICAL,
    statement="Diagonal latent dynamics as one convolution are trained faster than networks, gated units and dense matrices.",
    needs=[_TIMED],
    checks=[
        Check(f"time of a pass, {name} over diagonal", median(f"{score}_ratio"), Above(1.5))
        for name, score in (("network", "network"), ("gated unit", "gated"), ("dense matrix", "dense"))
    ],
    controls=[Check("time of a pass, diagonal", median("diagonal"), None)],
    published="about 1.7 times",
    looks=(1, 3),
    convergence=UNTRAINED,
    note="On one thread of a CPU; the paper measures on a GPU, where steps in sequence cost more than arithmetic. 200 steps, 64 "
    "trajectories, 256 real latent states.",
    registered="0.1.0",
)

K26 = Claim(
    paper="mondal2024",
    kind=THEOREM,
    statement="The gradient through T steps of diagonal latent dynamics is |lambda|^T in each mode: it cannot explode.",
    needs=[Experiment("koopman/latent_gradients", seeds=3)],
    checks=[
        Check("largest relative error of |d z_T/d z_0| against |lambda|^T", largest("error"), Below(1e-5)),
        Check("largest |d z_T/d z_0|", largest("growth"), Below(1.0)),
    ],
    fair_controls=[
        Check("largest |d z_t/d z_0| of a dense matrix with this spectral radius", smallest("dense_growth"), Above(1.0))
    ],
    note="T = 200, a = -0.02 a step. A bound on eigenvalues bounds gradients only if the matrix is normal.",
    registered="0.1.0",
)


def _horizons(steps: int | None = None) -> list[Experiment]:
    return [Experiment("koopman/interactive_horizons", {} if steps is None else {"steps": steps}, seeds=5)]


_MODELS = {"diagonal latent": "diagonal", "DMD with control": "linear", "residual network": "network"}

K37 = Claim(
    paper="mondal2024",
    kind=EMPIRICAL,
    statement="Diagonal latent dynamics forecast a system with inputs farther than a model that is linear in state and input.",
    needs=_horizons(),
    checks=[
        Check("nrmse at 100 steps, diagonal latent over DMD with control", median("over_linear"), Below(0.9)),
    ],
    fair_controls=[
        Check("nrmse at 100 steps, diagonal latent, inputs 0 over true inputs", median("zeroed_ratio"), Above(2.0))
    ],
    controls=[
        Check(f"nrmse at {h} steps, {name}", median(score if h == 100 else f"{score}_10"), None)
        for h in (10, 100)
        for name, score in (
            ("diagonal latent", "diagonal"),
            ("DMD with control", "linear"),
            ("residual network", "network"),
        )
    ],
    published="figures",
    looks=(1,),
    convergence=_horizons(1600),
    note="Controlled pendulum, 50 trajectories of 100 steps, 800 training steps. Registered as four of five seeds: the interval "
    "of the median of five reaches from the least to the largest, so all five must hold.",
    registered="0.1.0",
)

K37b = Claim(
    paper="mondal2024",
    kind=EMPIRICAL,
    statement="Diagonal latent dynamics forecast farther than a residual network of state and input.",
    needs=_horizons(),
    checks=[Check("nrmse at 100 steps, diagonal latent over residual network", median("over_network"), Below(1.0))],
    controls=[Check("nrmse at 100 steps, residual network", median("network"), None)],
    published="figures",
    looks=(1,),
    convergence=_horizons(1600),
    note="The network is trained on rollouts of ten steps, at the same number of steps. The input acts through u cos(theta), "
    "which features of the input alone cannot express.",
    registered="0.1.0",
)

K53 = Claim(
    paper="zhang2024",
    kind=THEOREM,
    statement="Least squares on states and inputs identify a linear partial differential equation with actuators exactly.",
    needs=[Experiment("koopman/exact_identification", seeds=3)],
    checks=[
        Check("nrmse at 1 step", largest("one_step"), Below(1e-10)),
        Check("nrmse at 100 steps", largest("far"), Below(1e-9)),
        Check("largest |B^ - B|", largest("actuators"), Below(1e-9)),
    ],
    fair_controls=[Check("relative one-step error without inputs", smallest("without_inputs"), Above(0.1))],
    note="Convection, diffusion and reaction on 200 points, eight actuators, 1,000 transitions.",
    registered="0.1.0",
)

K54 = Claim(
    paper="zhang2024",
    kind=EMPIRICAL,
    statement="On the Kuramoto-Sivashinsky equation with eight actuators the inputs matter to the orbit and to a forecast.",
    needs=[Experiment("koopman/actuated_waves", seeds=5)],
    checks=[
        Check("distance of orbits with and without inputs after 10 units of time", median("apart"), Above(0.5)),
        Check("nrmse at 5 samples, DMD with control over DMD", median("ratio"), Below(1.0)),
    ],
    controls=[
        Check("nrmse at 5 samples, DMD with control", median("with_inputs"), None),
        Check("nrmse at 5 samples, DMD", median("without_inputs"), None),
        Check("largest |spatial mean| after 10 units of time", median("moved_mean"), None),
    ],
    looks=(1, 3),
    convergence=UNTRAINED,
    note="Distances are in standard deviations of the training data.",
    registered="0.1.0",
)
