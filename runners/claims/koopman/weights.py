"""Claims about the weights of a network in training as a trajectory."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Experiment
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Above, Below

_PATH = Experiment("koopman/weight_trajectory", seeds=5)
_LONGER = Experiment("koopman/weight_trajectory", {"epochs": 80, "fitted": 120}, seeds=5)
_MODES = (2, 5, 10)

K32 = Claim(
    paper="brokman2024",
    kind=EMPIRICAL,
    statement="With two modes a correlated dynamics model reconstructs the weights of a training run better than DMD; with five "
    "or more DMD is better.",
    needs=[_PATH],
    checks=[
        Check(
            f"ratio of errors, correlated model to DMD, {modes} modes",
            median(f"against_dmd_{modes}"),
            Below(1) if modes == 2 else Above(1),
        )
        for modes in _MODES
    ],
    fair_controls=[
        Check(
            "ratio of errors, correlated model of 2 modes to the mean and one principal component",
            median("against_curve_2"),
            Below(1),
        )
    ],
    controls=[
        Check(f"error of {name}, {modes} modes", median(f"{model}_{modes}"), None)
        for model, name in (("cmd", "the correlated model"), ("dmd", "DMD"))
        for modes in _MODES
    ],
    published="the correlated model is better than DMD",
    looks=(1, 3),
    convergence=[_LONGER],
    note="A perceptron 64-32-10 on digits, 60 samples half an epoch apart; errors relative to the motion around the mean. Modes "
    "are not storage: DMD stores as many numbers a weight as it has modes, the correlated model always two, a slope and an "
    "offset. The fair control stores two as well, the same curve for every weight.",
    registered="0.2.0",
)


K51 = Claim(
    paper="brokman2024",
    kind=EMPIRICAL,
    statement="Networks rebuilt from ten correlated modes of their training run classify as well as the trained ones, with a "
    "tenth of the numbers.",
    needs=[_PATH],
    checks=[
        Check("accuracy lost over the run, in points", median("loss_cmd_10"), Below(1)),
        Check("stored numbers as a share of the trajectory", median("stored_10"), Below(0.1)),
    ],
    fair_controls=[
        Check(
            "accuracy lost with every reference curve in a random order of time, in points",
            median("loss_shuffled_10"),
            Above(20),
        )
    ],
    controls=[
        Check("accuracy lost at the end of the run, in points", median("end_cmd_10"), None),
        Check("accuracy lost with the mean and two principal components, in points", median("loss_pod_2"), None),
        Check("accuracy lost with the mean over time alone, in points", median("loss_mean"), None),
        Check("accuracy at the end of the run, in per cent", median("accuracy"), None),
    ],
    published="accuracy is kept or improved",
    looks=(1, 3),
    convergence=[_LONGER],
    note="A perceptron 64-32-10 on digits, 60 samples half an epoch apart. A negative loss is a gain: the mean of the weights "
    "over time alone, one number a weight, classifies better than most of the networks on the way.",
    registered="0.2.0",
)
