"""Claims about dynamics that switch between modes."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Experiment
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Above, Below, Between

_MODES, _BALL, _PARTICLES = "chaos/hysteresis_modes", "chaos/ball_events", "chaos/switching_particles"
_SEEDS = 5
_TOGETHER, _APART = {"task": _PARTICLES, "task.interacting": True}, {"task": _PARTICLES, "task.interacting": False}
_MEMORY, _NONE = {"task": _MODES, "task.guard": 1.0}, {"task": _MODES, "task.guard": 0.0}

X31 = Claim(
    paper="liu2023",
    kind=EMPIRICAL,
    statement="A switching model that lets objects take over the modes of those that they meet predicts modes better than "
    "one that treats objects alone, and no worse where they do not interact.",
    needs=[Experiment(_PARTICLES, {"interacting": interacting}, seeds=_SEEDS) for interacting in (True, False)],
    checks=[
        Check("loss of predicted modes, with meetings over without", median("ratio", _TOGETHER), Below(0.7)),
        Check("accuracy where the mode changes", median("switch_accuracy", _TOGETHER), Above(0.4)),
        Check("accuracy where the mode changes, objects alone", median("plain_switch_accuracy", _TOGETHER), Below(0.1)),
        Check("learned probability of taking over, no interaction", median("omega", _APART), Below(0.1)),
    ],
    fair_controls=[
        Check("no interaction, ratio of the losses", median("ratio", _APART), Between(0.9, 1.1)),
    ],
    controls=[
        Check("loss of predicted modes", median("loss", _TOGETHER), None),
        Check("loss of predicted modes, objects alone", median("plain_loss", _TOGETHER), None),
        Check("loss of predicted modes, true parameters", median("true_loss", _TOGETHER), None),
        Check("learned probability of taking over", median("omega", _TOGETHER), None),
        Check("share of right modes in hindsight", median("accuracy", _TOGETHER), None),
        Check("share of right modes in hindsight, objects alone", median("plain_accuracy", _TOGETHER), None),
    ],
    looks=(1, 2),
    convergence="maps by least squares, probabilities by EM to convergence: no training budget",
    note="Affine modes and a filter in place of the paper's networks; three particles, of which each takes over the mode of one "
    "that comes closer than 0.25. Modes in hindsight are as good without interaction, so they say nothing.",
    registered="0.1.0",
)


def _automata(steps: int) -> list[Experiment]:
    return [Experiment(_MODES, {"guard": guard, "mlp_steps": steps}, seeds=_SEEDS) for guard in (1.0, 0.0)]


X32 = Claim(
    paper="liu2025",
    kind=EMPIRICAL,
    statement="A hybrid automaton is learned from trajectories without a segmentation: its modes, its guards, and forecasts that "
    "no function of the observed state reaches.",
    needs=_automata(500),
    checks=[
        Check("share of right modes", median("mode_accuracy", _MEMORY), Above(0.98)),
        Check("error of the thresholds", median("guard_error", _MEMORY), Below(0.02)),
        Check("nrmse after 50 steps, automaton over the best map of one state", median("ratio", _MEMORY), Below(0.5)),
    ],
    fair_controls=[
        Check(
            "without hysteresis, nrmse after 50 steps, automaton over nearest neighbors",
            median("neighbors_ratio", _NONE),
            Above(0.8),
        ),
    ],
    controls=[
        Check("nrmse after 50 steps", median("nrmse", _MEMORY), None),
        *(
            Check(f"nrmse of {what}", median(f"{name}_nrmse", _MEMORY), None)
            for name, what in (
                ("neighbors", "five nearest neighbors"),
                ("neighbor", "the nearest neighbor"),
                ("mlp", "a perceptron"),
                ("polynomial", "a cubic map"),
                ("autoregression", "a linear map of two states"),
                ("forgetful", "an automaton whose guards do not see the mode"),
            )
        ),
        Check(
            "nrmse against noisy paths, automaton over the best map of one state", median("noisy_ratio", _MEMORY), None
        ),
        Check("nrmse of the true system against noisy paths", median("true_nrmse", _MEMORY), None),
        Check("without hysteresis, nrmse of the automaton", median("nrmse", _NONE), None),
        Check(
            "without hysteresis, nrmse where guards do not see the mode",
            median("forgetful_nrmse", _NONE),
            None,
        ),
    ],
    looks=(1, 2),
    convergence=_automata(1000),
    note="Process noise of 0.02; errors against continuations without noise. The fair control asks that nearest neighbors are "
    "nearly as good where the mode is a function of the state. They are not: the map then jumps at the guard, and affine "
    "pieces win there too. What the memory of the mode gives is seen in the automaton whose guards do not see it, which loses "
    "little without hysteresis.",
    registered="0.1.0",
)


def _balls(steps: int) -> list[Experiment]:
    return [Experiment(_BALL, {"mlp_steps": steps}, seeds=_SEEDS)]


X33 = Claim(
    paper="liu2025",
    kind=EMPIRICAL,
    statement="Two affine maps and a learned guard predict when a ball meets the ground, and its height and speed after it.",
    needs=_balls(500),
    checks=[
        Check("error of the first impact, samples", median("event_error", task=_BALL), Below(1.0)),
        Check("nrmse after 50 steps", median("nrmse", task=_BALL), Below(0.15)),
        Check("nrmse after 50 steps, perceptron over automaton", median("ratio", task=_BALL), Above(3.0)),
    ],
    fair_controls=[
        Check("nrmse of one affine map, 50 steps", median("affine_nrmse", task=_BALL), Above(0.15)),
    ],
    controls=[
        Check("nrmse of a perceptron, 50 steps", median("mlp_nrmse", task=_BALL), None),
        Check("impacts of a trajectory", median("impacts", task=_BALL), None),
        Check("largest error of the map of the flight", median("flight_gap", task=_BALL), None),
    ],
    looks=(1, 2),
    convergence=_balls(1000),
    note="Height and speed are observed. A step with an impact is affine in neither map; it counts as a mode, not as an error.",
    registered="0.1.0",
)
