"""Claims about matrix sensing and low-rank networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamark.leaderboard.claims.claim import (
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
from dynamark.leaderboard.claims.measures import largest, mean, median, pick, power_law, share, smallest, spread

if TYPE_CHECKING:
    import pandas

PSD = "sensing/psd"
ASYMMETRIC = "sensing/asymmetric"

C01 = Claim(
    paper="xiong2024",
    kind=THEOREM,
    statement="Gradient descent on X X^T with surplus rank has a squared error of order 1/T^2, and no less.",
    needs=[
        Runs(
            PSD,
            "gd",
            {"absolute": True},
            {"condition": 1.0, "fit_rank": k, "share": 4, "passes": 40_000},
            seeds=4,
        )
        for k in (3, 4, 6)
    ],
    checks=[
        *(
            Check(f"power of the squared error, k = {k}", median("power", {"task.fit_rank": k}), Between(1.7, 2.1))
            for k in (3, 4, 6)
        ),
        Check("share of runs judged a power", share("verdict", lambda v: v == 2), Above(1.0)),
    ],
    published="1/T^2, lower and upper bound",
)

C02 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="With all of X* measured, the squared error of that descent tends to (min(k, n) - r)/(2 eta T)^2.",
    needs=[Experiment("surplus_constant", {"fit_rank": k}, seeds=3) for k in (3, 4, 6, 20)],
    checks=[
        *(
            Check(f"ratio to the constant, k = {k}", median("ratio", {"task.fit_rank": k}), Between(0.97, 1.03))
            for k in (3, 4, 6)
        ),
        *(
            Check(
                f"ratio to the refined sum, k = {k}",
                median("refined_ratio", {"task.fit_rank": k}),
                Between(0.995, 1.005),
            )
            for k in (3, 4, 6, 20)
        ),
    ],
    controls=[Check("ratio to the constant at k = n", median("ratio", {"task.fit_rank": 20}), None)],
    note="Proof in docs/proofs.md. At k = n some eigenvalues start so small that 1/w_0 still counts at T = 20,000.",
)

C03 = Claim(
    paper="xiong2024",
    kind=THEOREM,
    statement="At the exact rank gradient descent on X X^T converges linearly.",
    needs=[Runs(PSD, "gd", {"absolute": True}, {"condition": 1.0, "share": 4, "passes": 4000}, seeds=4)],
    checks=[
        Check("largest error after 2,000 steps", largest("rel"), Below(1e-12)),
        Check("share of runs judged linear", share("verdict", lambda v: v == 1), Above(1.0)),
    ],
)

_SCALES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18)

C04 = Claim(
    paper="xiong2024",
    kind=THEOREM,
    statement="On two factors with surplus rank it converges linearly, at a rate in proportion to the squared start scale.",
    needs=[
        Runs(
            ASYMMETRIC,
            "gd",
            {"absolute": True, "step": 0.2, "start_scale": a},
            {"condition": 1.0, "fit_rank": 4, "share": 4, "passes": 20_000},
            seeds=4,
        )
        for a in _SCALES
    ],
    checks=[
        Check("exponent of the rate in the start scale", power_law("rate", x="method.start_scale"), Between(1.8, 2.2)),
        Check("least R^2 of the lines", smallest("rate_r2"), Above(0.995)),
    ],
    published="rate of order alpha^2",
)

_MODIFIED = (0.5, 0.25, 0.1, 0.05)

C05 = Claim(
    paper="xiong2024",
    kind=THEOREM,
    statement="One modified step, once the error is small, makes that rate independent of the start scale.",
    needs=[
        Runs(
            ASYMMETRIC,
            "gd",
            {"absolute": True, "step": 0.2, "start_scale": a, "balance": balance},
            {"condition": 1.0, "fit_rank": 4, "share": 4, "passes": 40_000},
            seeds=4,
        )
        for balance in (0.7, 0.0)
        for a in _MODIFIED
    ],
    checks=[
        Check(
            "largest over smallest rate, modified",
            spread("rate", "method.start_scale", {"method.balance": 0.7}),
            Below(1.3),
        ),
        Check("the same without", spread("rate", "method.start_scale", {"method.balance": 0.0}), Above(20.0)),
    ],
    note="The step is modified when the relative residual falls below 0.1; the paper's trigger is the error, which is unknown.",
)

C06 = Claim(
    paper="xiong2024",
    kind=THEOREM,
    statement="Imbalance is needed: two factors that start equal, with symmetric measurements, stay equal and are sublinear.",
    needs=[
        Experiment("equal_factors", seeds=3),
        Runs(
            PSD,
            "gd",
            {"absolute": True, "factors": "equal"},
            {"condition": 1.0, "fit_rank": 4, "share": 4, "measurements": 1600, "passes": 16_000},
            seeds=4,
        ),
    ],
    checks=[
        Check("largest |F_t - X_t|/|X_t| over 200 steps", largest("difference", task="equal_factors"), Below(1e-10)),
        Check("largest |F_t - G_t|/|F_t| over 200 steps", largest("imbalance", task="equal_factors"), Below(1e-10)),
        Check("power of the squared error", median("power", task=PSD), Between(1.7, 2.1)),
    ],
)

C07 = Claim(
    paper="jin2023",
    kind=THEOREM,
    statement="From a small start gradient descent passes the minimisers of rank 1, 2, ..., the closer the smaller the start.",
    needs=[Experiment("incremental_learning", {"fit_rank": k}, seeds=8) for k in (20, 3)],
    checks=[
        *(
            Check(
                f"distance to Z_{s} at scale 1e-6 over 1e-1, k = {k}",
                median(f"gain_{s}", {"task.fit_rank": k}),
                Below(0.1),
            )
            for k in (20, 3)
            for s in (1, 2)
        ),
        *(
            Check(
                f"largest of two successive ratios, Z_{s}, k = {k}",
                median(f"rise_{s}", {"task.fit_rank": k}),
                Below(1.0),
            )
            for k in (20, 3)
            for s in (1, 2, 3)
        ),
        Check("share of runs with the stages in order", smallest("ordered"), Above(1.0)),
    ],
)

C08 = Claim(
    paper="jin2023",
    kind=THEOREM,
    statement="The same holds with too small a rank, and the end is the minimiser of that rank.",
    needs=[Experiment("incremental_learning", {"fit_rank": 2}, seeds=8)],
    checks=[
        Check("distance to Z_1 at scale 1e-6 over 1e-1", median("gain_1"), Below(0.1)),
        *(Check(f"largest distance to Z_2, start {i}", largest(f"delta_2_{i}"), Below(1e-10)) for i in range(3)),
    ],
)

_PLATEAUS: list[dict[str, Any]] = [{"stage": 1, "ratio": rho} for rho in (0.3, 0.55, 0.8)]
_PLATEAUS.append({"stage": 2, "ratio": 0.55, "third": 0.3, "fit_rank": 4, "duration": 4.2})

C09 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="With all of X* measured, the distance to stage s goes like alpha^(2 (1 - rho)/(1 + rho)), rho = s_{s+1}/s_s.",
    needs=[Experiment("plateau_exponent", fields, seeds=5) for fields in _PLATEAUS],
    checks=[
        Check(
            f"exponent less its prediction, stage {fields['stage']}, second value {fields['ratio']}",
            median("off", {"task.stage": fields["stage"], "task.ratio": fields["ratio"]}),
            Between(-0.03, 0.03),
        )
        for fields in _PLATEAUS
    ],
    note="Proof to leading order in docs/proofs.md; compared with the exponent for the step size 0.05.",
)

_WIDE = {"rows": 30, "columns": 30, "rank": 3, "measurements": 720, "share": 4}
_CONDITIONS = (1.0, 10.0, 100.0)


def _conditions(method: str, fields: dict[str, Any], passes: int) -> list[Runs]:
    return [Runs(ASYMMETRIC, method, fields, {**_WIDE, "condition": c, "passes": passes}, seeds=4) for c in _CONDITIONS]


C10 = Claim(
    paper="tong2021",
    kind=THEOREM,
    statement="Scaled gradient descent takes as many steps whatever the condition of X*; plain descent takes more and more.",
    needs=[*_conditions("scaled_gd", {}, 1000), *_conditions("gd", {"start": "spectral"}, 40_000)],
    checks=[
        Check(
            "steps to 1e-8, largest over smallest, scaled",
            spread("steps_8", "task.condition", method="scaled_gd"),
            Below(1.3),
        ),
        Check("the same, plain", spread("steps_8", "task.condition", method="gd"), Above(20.0)),
    ],
)

_SURPLUS = {"fit_rank": 4, "share": 4}

C11 = Claim(
    paper="zhang2021",
    kind=THEOREM,
    statement="A damping by the residual restores linear convergence with surplus rank, whatever the condition.",
    needs=[
        Runs(PSD, method, {}, {**_SURPLUS, "condition": c, "passes": 8000}, seeds=4)
        for method in ("prec_gd", "gd")
        for c in _CONDITIONS
    ],
    checks=[
        Check("largest error", largest("rel", method="prec_gd"), Below(1e-10)),
        Check(
            "steps to 1e-10, largest over smallest", spread("steps_10", "task.condition", method="prec_gd"), Below(1.3)
        ),
        Check("least error of plain descent", smallest("rel", method="gd"), Above(1e-5)),
    ],
)

C12 = Claim(
    paper="jia2024",
    kind=THEOREM,
    statement="Approximate Gauss-Newton converges linearly from a random start with surplus rank, whatever the condition.",
    needs=[Runs(ASYMMETRIC, "agn", {}, {**_SURPLUS, "condition": c, "passes": 800}, seeds=4) for c in _CONDITIONS],
    checks=[
        Check("most steps to 1e-10", largest("steps_10"), Below(60)),
        Check("most steps to 1e-3", largest("steps_3"), Below(15)),
        Check("steps to 1e-10, largest over smallest", spread("steps_10", "task.condition"), Below(1.3)),
    ],
)

C13 = Claim(
    paper="wei2016",
    kind=EMPIRICAL,
    statement="Steps on the manifold of fixed rank do not depend on the factors: as many whatever the condition.",
    needs=_conditions("riemannian_gd", {}, 2000),
    checks=[Check("steps to 1e-8, largest over smallest", spread("steps_8", "task.condition"), Below(1.3))],
    note="Stands for Riemannian low-rank adaptation. Not a global statement: completion at condition 100 can fail.",
)

_GRID = (1.1, 1.3, 1.5, 1.8, 2.0, 2.2, 2.5)
# Statistical dimension over degrees of freedom at n = 24, r = 2 (tasks/sensing/oracles.py computes it, a test compares).
STATISTICAL = 1.9108


def _half_point(method: str) -> Measure:
    """The oversampling at which half the runs reach 1e-3: the middle of a logistic curve, interval by seeds drawn anew."""

    def measured(rows: pandas.DataFrame) -> Measured:
        table = pick(rows, {"method": method}).pivot_table(
            index="seed", columns="task.oversampling", values="score.rel"
        )
        success, axis = (table.to_numpy(float) < 1e-3).astype(float), table.columns.to_numpy(float)
        rng = np.random.default_rng(0)
        drawn = [_middle(axis, success[rng.integers(0, len(success), len(success))].mean(axis=0)) for _ in range(500)]
        return Measured(_middle(axis, success.mean(axis=0)), *map(float, np.quantile(drawn, [0.025, 0.975])))

    return measured


def _middle(axis: np.ndarray, shares: np.ndarray) -> float:
    """The middle of the logistic curve with least cross entropy, over a grid of middles and widths."""
    middles, widths = np.meshgrid(np.linspace(0.9, 2.7, 361), np.geomspace(0.01, 0.5, 30))
    scaled = np.clip((axis - middles[..., None]) / widths[..., None], -30, 30)
    loss = np.sum(np.logaddexp(0, -scaled) * shares + np.logaddexp(0, scaled) * (1 - shares), axis=-1)
    best = middles[loss <= loss.min() + 1e-3]
    return float(best.mean())


def _few(method: str, fields: dict[str, Any], passes: int) -> list[Runs]:
    return [Runs("sensing/few", method, fields, {"oversampling": m, "passes": passes}, seeds=8) for m in _GRID]


C14 = Claim(
    paper="recht2010",
    kind=THEOREM,
    statement="Minimising the nuclear norm succeeds half the time at the statistical dimension of measurements.",
    needs=_few("nuclear_norm", {}, 8000),
    checks=[
        Check(
            "half point over its oracle",
            lambda rows: _over(_half_point("nuclear_norm")(rows), STATISTICAL),
            Between(0.85, 1.15),
        )
    ],
    published="Amelunxen et al. 2014, the limit of large n",
)


def _over(measured: Measured, unit: float) -> Measured:
    return Measured(measured.value / unit, measured.low / unit, measured.high / unit)


C15 = Claim(
    paper="zilber2022",
    kind=EMPIRICAL,
    statement="Gauss-Newton on factors recovers from fewer measurements than the convex problem, close to the information limit.",
    needs=[*_few("gnmr", {}, 40_000), *_few("nuclear_norm", {}, 8000)],
    checks=[
        Check("half point in degrees of freedom", _half_point("gnmr"), Below(1.35)),
        Check(
            "the same over that of the nuclear norm",
            lambda rows: _over(_half_point("gnmr")(rows), _half_point("nuclear_norm")(rows).value),
            Below(0.7),
        ),
    ],
)

C16 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="Least squares of the true rank has the risk of a known tangent space; of twice the rank it overfits.",
    needs=[
        Runs("sensing/noisy", "prec_gd", {}, {"oversampling": m, "fit_rank": k, "passes": 2000}, seeds=16)
        for m in (3.0, 6.0)
        for k in (2, 4)
    ],
    checks=[
        Check(
            f"mean risk over its oracle, rank {k}, m = {m:g} d",
            mean("risk", {"task.oversampling": m, "task.fit_rank": k}),
            holds,
        )
        for m in (3.0, 6.0)
        for k, holds in ((2, Between(0.85, 1.2)), (4, Above(2.5)))
    ],
)

C17 = Claim(
    paper="jin2023",
    kind=THEOREM,
    statement="A small start makes full rank behave as the true rank: stopped at its best, it has the same risk.",
    needs=[Runs("sensing/noisy", "gd_small", {}, {"oversampling": 6.0, "fit_rank": 24, "passes": 2000}, seeds=16)],
    checks=[Check("mean best risk over its oracle", mean("best_risk"), Below(1.2))],
    controls=[Check("mean risk at the end", mean("risk"), None)],
    note="The stopping time is an oracle's: the least error over all snapshots.",
)

C18 = Claim(
    paper="saxe2014",
    kind=THEOREM,
    statement="Each mode of a deep linear network follows its own sigmoid, in a time inverse to its strength.",
    needs=[Experiment("mode_curves", {"start": start}, seeds=3) for start in ("decoupled", "gaussian")],
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
        *(Experiment("depth_independence", {"start": "orthogonal", "depth": d}, seeds=3) for d in _DEPTHS),
        *(Experiment("depth_independence", {"start": "gaussian", "depth": d}, seeds=3) for d in (8, 16, 32)),
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
    needs=[Experiment("overtraining", {"samples": p}, seeds=20) for p in _SAMPLES],
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
    needs=[Experiment("overtraining", {"samples": p, "start_scale": s}, seeds=50) for p in (50, 200) for s in _STARTS],
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
        *(Runs(DIGITS, "two_factors", {"decay": d}, seeds=5) for d in _DECAYS),
        *(Runs(DIGITS, "dlrt", {"decay": d, "epochs": e}, seeds=5) for d in _DECAYS for e in (20.0, 10.0)),
    ],
    checks=[
        Check(
            f"points of accuracy gained, decay {d:g}",
            _gain(
                {"method": "dlrt", "method.decay": d, "method.epochs": 20.0},
                {"method": "two_factors", "method.decay": d},
            ),
            Above(10.0),
        )
        for d in _DECAYS
    ],
    controls=[
        Check(
            f"the same at as many gradients, decay {d:g}",
            _gain(
                {"method": "dlrt", "method.decay": d, "method.epochs": 10.0},
                {"method": "two_factors", "method.decay": d},
            ),
            None,
        )
        for d in _DECAYS
    ],
    published="LeNet5 on MNIST, epoch 10: 95.5 against 46.6 %; decaying values, epoch 20: 97.2 against 86.1 % (medians of 10)",
    note="A step of dynamical low-rank training evaluates two gradients, one of two factors one.",
)

C23 = Claim(
    paper="schotthoefer2022",
    kind=EMPIRICAL,
    statement="With ranks found while training, most parameters go and little accuracy.",
    needs=[
        Runs(DIGITS, "sgd_full", {"epochs": 60.0}, seeds=5),
        *(Runs(DIGITS, "dlrt_adaptive", {"epochs": 60.0, "theta": theta}, seeds=5) for theta in (0.1, 0.2)),
    ],
    checks=[
        check
        for theta, compression, points in ((0.1, 0.6, 3.0), (0.2, 0.8, 4.0))
        for check in (
            Check(
                f"parameters saved, theta {theta:g}",
                median("fact.compression", {"method.theta": theta}),
                Above(compression),
            ),
            Check(
                f"points of accuracy lost, theta {theta:g}",
                _gain({"method": "sgd_full"}, {"method": "dlrt_adaptive", "method.theta": theta}),
                Below(points),
            ),
        )
    ],
    published="LeNet5 on MNIST: 98.2 % at 93.0 % compression (theta 0.11), 98.1 % at 97.0 % (0.2); full 98.8 %",
    note="450 test images: one standard error is about 0.8 points.",
)
