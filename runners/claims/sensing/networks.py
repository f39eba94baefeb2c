"""Claims about deep linear networks and low-rank training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamark.runners.claims.claim import (
    EMPIRICAL,
    THEOREM,
    Above,
    Below,
    Between,
    Check,
    Claim,
    Experiment,
    Measure,
    Measured,
    Runs,
)
from dynamark.runners.claims.quantities import largest, mean, median, pick, smallest

if TYPE_CHECKING:
    import pandas

C18 = Claim(
    paper="saxe2014",
    kind=THEOREM,
    statement="Each mode of a deep linear network follows its own sigmoid, in a time inverse to its strength.",
    needs=[Experiment("sensing/mode_curves", {"start": start}, seeds=3) for start in ("decoupled", "gaussian")],
    checks=[
        Check("largest deviation from the curve", largest("deviation", {"task.start": "decoupled"}), Below(0.03)),
        Check(
            "slope of half time in strength, Gaussian start",
            median("slope", {"task.start": "gaussian"}),
            Between(-1.1, -0.8),
        ),
    ],
)

_DEPTHS = (2, 4, 8, 16, 32)

C19 = Claim(
    paper="saxe2014",
    kind=THEOREM,
    statement="Orthogonal starts train at any depth in a bounded number of steps; scaled Gaussian ones do not.",
    needs=[
        *(Experiment("sensing/depth_independence", {"start": "orthogonal", "depth": d}, seeds=3) for d in _DEPTHS),
        *(Experiment("sensing/depth_independence", {"start": "gaussian", "depth": d}, seeds=3) for d in (8, 16, 32)),
    ],
    checks=[
        Check(
            "orthogonal starts that get there, any depth", smallest("reached", {"task.start": "orthogonal"}), Above(1.0)
        ),
        Check("Gaussian ones, depth 8 and more", largest("reached", {"task.start": "gaussian"}), Below(0.0)),
    ],
    controls=[
        Check(f"steps, orthogonal, depth {d}", median("steps", {"task.start": "orthogonal", "task.depth": d}), None)
        for d in _DEPTHS
    ],
)

_SAMPLES = (25, 50, 80, 100, 125, 200, 400)

C20 = Claim(
    paper="advani2020",
    kind=THEOREM,
    statement="Overtraining is worst where there are as many samples as parameters.",
    needs=[Experiment("sensing/overtraining", {"samples": p}, seeds=20) for p in _SAMPLES],
    checks=[
        Check("final over best risk, P = N", median("overtraining", {"task.samples": 100}), Above(10.0)),
        *(Check(f"the same, P = {p}", median("overtraining", {"task.samples": p}), Below(1.2)) for p in (25, 400)),
        *(
            Check(f"the same, P = {p}", median("overtraining", {"task.samples": p}), Below(10.0))
            for p in (50, 80, 125, 200)
        ),
    ],
)

_STARTS = (0.0, 0.5, 1.0, 2.0)

C21 = Claim(
    paper="advani2020",
    kind=THEOREM,
    statement="With fewer samples than parameters a large start stays in what is not seen; with more it is forgotten.",
    needs=[
        Experiment("sensing/overtraining", {"samples": p, "start_scale": s}, seeds=50)
        for p in (50, 200)
        for s in _STARTS
    ],
    checks=[
        Check(
            f"mean final risk over its expectation, P = {p}, start {s:g}",
            mean("relative", {"task.samples": p, "task.start_scale": s}),
            Between(0.9, 1.1),
        )
        for p in (50, 200)
        for s in _STARTS
    ],
)

DIGITS = "sensing/digits"
_DECAYS = (1.0, 2.0, 10.0)


def _gain(fields: dict[str, Any], other: dict[str, Any]) -> Measure:
    """The median over seeds of how much smaller the share of errors of the first method is, in points, seed by seed."""

    def measured(rows: pandas.DataFrame) -> Measured:
        first, second = (pick(rows, chosen)["score.error"].to_numpy(float) for chosen in (fields, other))
        gains = 100 * (second - first)
        rng = np.random.default_rng(0)
        drawn = np.median(gains[rng.integers(0, len(gains), (2000, len(gains)))], axis=1)
        return Measured(float(np.median(gains)), *map(float, np.quantile(drawn, [0.025, 0.975])))

    return measured


C22 = Claim(
    paper="schotthoefer2022",
    kind=EMPIRICAL,
    statement="Dynamical low-rank training learns where two factors stall, also from decaying singular values.",
    needs=[
        *(Runs(DIGITS, "two_factors", {"decay": d, "start": "random"}, seeds=15) for d in _DECAYS),
        *(
            Runs(DIGITS, "dlrt", {"decay": d, "epochs": e, "start": "random"}, seeds=15)
            for d in _DECAYS
            for e in (20.0, 10.0)
        ),
        Runs(DIGITS, "two_factors", {"start": "he"}, seeds=15),
        *(Runs(DIGITS, "dlrt", {"start": "he", "epochs": e}, seeds=15) for e in (20.0, 10.0)),
    ],
    checks=[
        Check(
            f"points of accuracy gained, decay {d:g}",
            _gain(
                {"method": "dlrt", "method.decay": d, "method.epochs": 20.0, "method.start": "random"},
                {"method": "two_factors", "method.decay": d, "method.start": "random"},
            ),
            Above(10.0),
        )
        for d in _DECAYS
    ],
    controls=[
        Check(
            f"the same at as many gradients, decay {d:g}",
            _gain(
                {"method": "dlrt", "method.decay": d, "method.epochs": 10.0, "method.start": "random"},
                {"method": "two_factors", "method.decay": d, "method.start": "random"},
            ),
            None,
        )
        for d in _DECAYS
    ]
    + [
        Check(
            f"points gained from He's start, {told}",
            _gain(
                {"method": "dlrt", "method.epochs": e, "method.start": "he"},
                {"method": "two_factors", "method.start": "he"},
            ),
            None,
        )
        for e, told in ((20.0, "as many steps"), (10.0, "as many gradients"))
    ],
    published="LeNet5 on MNIST, epoch 10: 95.5 against 46.6 %; decaying values, epoch 20: 97.2 against 86.1 % (medians of 10)",
    note="A step of dynamical low-rank training evaluates two gradients, one of two factors one.",
)

# Tolerances from the start of He.
_HE = (0.2, 0.3)

C23 = Claim(
    paper="schotthoefer2022",
    kind=EMPIRICAL,
    statement="With ranks found while training, most parameters go and little accuracy.",
    needs=[
        Runs(DIGITS, "sgd_full", {"epochs": 60.0}, seeds=5),
        *(
            Runs(DIGITS, "dlrt_adaptive", {"epochs": 60.0, "theta": theta, "start": "random"}, seeds=5)
            for theta in (0.1, 0.2)
        ),
        *(Runs(DIGITS, "dlrt_adaptive", {"epochs": 60.0, "theta": theta, "start": "he"}, seeds=5) for theta in _HE),
    ],
    checks=[
        check
        for theta, compression, points in ((0.1, 0.6, 3.0), (0.2, 0.8, 4.0))
        for check in (
            Check(
                f"parameters saved, theta {theta:g}",
                median("fact.compression", {"method.theta": theta, "method.start": "random"}),
                Above(compression),
            ),
            Check(
                f"points of accuracy lost, theta {theta:g}",
                _gain(
                    {"method": "sgd_full"},
                    {"method": "dlrt_adaptive", "method.theta": theta, "method.start": "random"},
                ),
                Below(points),
            ),
        )
    ],
    controls=[
        check
        for theta in _HE
        for check in (
            Check(
                f"parameters saved from He's start, theta {theta:g}",
                median("fact.compression", {"method.theta": theta, "method.start": "he"}),
                None,
            ),
            Check(
                f"points of accuracy lost from He's start, theta {theta:g}",
                _gain({"method": "sgd_full"}, {"method": "dlrt_adaptive", "method.theta": theta, "method.start": "he"}),
                None,
            ),
        )
    ],
    published="LeNet5 on MNIST: 98.2 % at 93.0 % compression (theta 0.11), 98.1 % at 97.0 % (0.2); full 98.8 %",
    note="450 test images: one standard error is about 0.8 points. What a tolerance saves depends on the singular values of the "
    "start; those of He's matrices keep more of the accuracy for what they save.",
)
