"""Claims about Koopman forecasting."""

from __future__ import annotations

from collections.abc import Callable

from numpy import ndarray

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
from dynamark.leaderboard.claims.measures import largest, median, pick, power_law, ratio, share, smallest


def _above(limit: float) -> Callable[[ndarray], ndarray]:
    return lambda values: values >= limit


def _mean(score: str, columns: dict[str, object]) -> Measure:
    """The mean over all seeds, where a paper averages over them."""
    return lambda rows: Measured.exactly(pick(rows, columns)[f"score.{score}"].mean())


_INVARIANT = {"dictionary": "x0 x1 x0*x0", "append": False, "ridge": 0.0}

K1 = Claim(
    paper="williams2015",
    kind=THEOREM,
    statement="On an invariant dictionary, EDMD recovers the eigenvalues of the slow manifold and forecasts without drift.",
    needs=[Runs("koopman/slow_manifold", "edmd", _INVARIANT, {"train": 300, "steps": 50}, seeds=5)],
    checks=[
        Check("distance of the three estimated eigenvalues to the truth", largest("spec_err"), Below(1e-8)),
        Check("nrmse, mean of 500 steps", largest("nrmse_mean"), Below(1e-10)),
    ],
    note="15000 exact pairs, dictionary {x1, x2, x1^2}, no ridge; with the default ridge of 1e-10 the rollout errs by 1e-8.",
)

_DEGREES = (2, 3, 5)

K2 = Claim(
    paper="colbrook2024",
    kind=THEOREM,
    statement="Residuals on held-out pairs verify exactly the eigenpairs that a monomial dictionary contains.",
    needs=[Experiment("koopman/monomial_verification", {"degree": degree}, seeds=5) for degree in _DEGREES],
    checks=[
        Check("most pairs verified beyond #{i + 2j <= degree}", largest("excess"), Below(0)),
        Check("fewest", smallest("excess"), Above(0)),
        Check("error of a verified eigenvalue", largest("verified_error"), Below(1e-8)),
        Check("least residual of another pair", smallest("least_other_residual"), Above(1e-3)),
    ],
    note="Verified means a residual below 1e-6; degrees 2, 3 and 5.",
)

_ANZAI, _ROTATION = {"system": "anzai"}, {"system": "rotation"}

K4 = Claim(
    paper="colbrook2024b",
    kind=THEOREM,
    statement="Of Anzai's skew product only the characters of x are verified; of a rotation all are.",
    needs=[Experiment("koopman/torus_spectrum", _ANZAI), Experiment("koopman/torus_spectrum", _ROTATION)],
    checks=[
        Check(
            "pairs verified, Anzai (13 characters of x)",
            median("verified", {"task.system": "anzai"}),
            Between(13, 13),
        ),
        Check("modulus of another eigenvalue", largest("other_modulus", {"task.system": "anzai"}), Below(0.1)),
        Check("least residual of another pair", smallest("other_residual", {"task.system": "anzai"}), Above(0.9)),
        Check("least residual - (1 - modulus)", smallest("other_slack", {"task.system": "anzai"}), Above(-1e-6)),
        Check("pairs verified, rotation (all 169)", median("verified", {"task.system": "rotation"}), Between(169, 169)),
    ],
)

K5 = Claim(
    paper="colbrook2024b",
    kind=THEOREM,
    statement="One orbit cannot tell a rational rotation from one beside it, so every method errs on one of their spectra.",
    needs=[Experiment("koopman/near_rational")],
    checks=[
        Check("distance of the orbits over 10^4 steps", largest("orbits"), Below(1e-6)),
        Check("distance of the spectra, 2 sin(pi/10)", median("spectra"), Between(0.617, 0.619)),
        Check("least error of a registered method on the worse of both", smallest("least"), Above(0.309)),
    ],
    published="no randomised algorithm succeeds with probability above 1/2",
    note="Distances of spectra are two-sided Hausdorff distances; directed ones do not obey the triangle inequality used here.",
)

K6 = Claim(
    paper="colbrook2023",
    kind=THEOREM,
    statement="mpEDMD's eigenvalues lie on the unit circle, even where there are no eigenfunctions.",
    needs=K4.needs,
    checks=[Check("largest ||lambda| - 1|", largest("unitary_error"), Below(1e-12))],
)

K7 = Claim(
    paper="colbrook2024c",
    kind=THEOREM,
    statement="On a stochastic process one successor a state measures the variance, sqrt(1 - lambda^2), two the true residual.",
    needs=[Experiment("koopman/ou_residuals", seeds=5)],
    checks=[
        Check("|residual - sqrt(1 - lambda^2)|, one successor", largest("one_successor"), Below(0.03)),
        Check("|squared residual|, two successors", largest("two_successors"), Below(0.02)),
    ],
    note="Ornstein-Uhlenbeck, tau = 1/2, 2e5 states, six Hermite functions, the first three eigenpairs after the constant.",
)

_SIZES = (100, 1000, 10_000, 100_000)

K8 = Claim(
    paper="korda2018",
    kind=THEOREM,
    statement="EDMD's sampling error falls like the root of the number of samples.",
    needs=[Experiment("koopman/ou_sampling", {"samples": count}, seeds=5) for count in _SIZES],
    checks=[Check("exponent of |K - K_true|", power_law("error", "task.samples"), Between(-0.6, -0.4))],
    published="-1/2",
)

K9 = Claim(
    paper="otto2019",
    kind=EMPIRICAL,
    statement="With four samples EDMD has spurious eigenvalues, and held-out residuals flag them.",
    needs=[Experiment("koopman/spurious_pairs", seeds=5)],
    checks=[
        Check("share of 500 spurious pairs with a residual above .05", smallest("flagged"), Above(0.9)),
        Check("residual of a true pair", largest("true_residual"), Below(1e-8)),
    ],
    controls=[Check("share of spurious eigenvalues outside the unit circle", median("unstable"), None)],
    published="{1.0413, 0, 0.3515} for one draw",
)

_LRAN = Runs("koopman/duffing", "lran", tier="standard", seeds=3)

K10 = Claim(
    paper="otto2019",
    kind=EMPIRICAL,
    statement="Three latent states suffice to tell the basins of the damped Duffing oscillator by an eigenfunction.",
    needs=[_LRAN],
    checks=[Check("share of seeds with an accuracy of the basin of .9", share("basin_acc", _above(0.9)), Above(2 / 3))],
    controls=[Check("accuracy of the basin", median("basin_acc"), None), Check("nrmse", median("nrmse_mean"), None)],
    published="qualitative",
)

K11 = Claim(
    paper="otto2019",
    kind=EMPIRICAL,
    statement="The same networks find the complex pair of the stable foci.",
    needs=[_LRAN],
    checks=[Check("distance of 1 and the pair to the estimated eigenvalues", median("spec_miss"), Below(0.05))],
    published="qualitative",
)

_KERNELS, _CENTRES = ("exponential", "thin_plate"), (100, 400)


def _relifted(kernel: str, centres: int, damping: float = 0.5) -> Check:
    where = {"method.dictionary": kernel, "method.size": centres, "task.damping": damping}
    over, under = {**where, "method.relift": 1}, {**where, "method.relift": 0}
    what = f"nrmse at step 200, relifted over latent, {centres} {kernel}"
    if damping:
        return Check(what, ratio("nrmse_end", over, under), Below(1.0))
    return Check(f"{what}, no damping", ratio("nrmse_end", over, under), None)


K14 = Claim(
    paper="fathi2023",
    kind=EMPIRICAL,
    statement="Returning to the state every step helps EDMD too: on the damped Duffing oscillator it beats the latent rollout.",
    needs=[
        Runs(
            "koopman/duffing",
            "edmd",
            {"dictionary": kernel, "size": centres, "ridge": 0.0, "relift": relift},
            {"damping": damping},
            tier="standard",
            seeds=5,
        )
        for damping in (0.5, 0.0)
        for kernel in _KERNELS
        for centres in _CENTRES
        for relift in (0, 1)
    ],
    checks=[_relifted(kernel, centres) for kernel in _KERNELS for centres in _CENTRES],
    controls=[_relifted(kernel, centres, 0.0) for kernel in _KERNELS for centres in _CENTRES],
    note="Without damping the order is reversed at 100 centres: re-lifting pays where the flow contracts.",
)

_SYSTEMS = ("pendulum", "duffing", "duffing_undamped", "lotka_volterra")
_COURSE = [Experiment("koopman/course_correction", {"system": system}) for system in _SYSTEMS]


def _on(system: str) -> dict[str, str]:
    return {"task.system": system}


K12 = Claim(
    paper="fathi2023",
    kind=EMPIRICAL,
    statement="Re-encoding every five steps beats never and every step over 500 steps.",
    needs=_COURSE,
    checks=[Check("share of 16 members where five wins", _mean("wins", {}), Above(0.8))],
    controls=[
        *(Check(f"share of members, {s}", median("wins", _on(s)), None) for s in _SYSTEMS),
        *(Check(f"nrmse, k = {k}, {s}", median(f"nrmse_{k}", _on(s)), None) for s in _SYSTEMS for k in (0, 1, 5)),
    ],
    published="figures",
    note="Four members a system, trained together; the same models at every period. System by system the damped Duffing "
    "oscillator would fail: five beats every step in two of four members there, and ten is the best period.",
)

K13 = Claim(
    paper="fathi2023",
    kind=EMPIRICAL,
    statement="The gain is not stability alone: it survives clipping the moduli of K's eigenvalues to 1.",
    needs=_COURSE,
    checks=[
        Check(f"share of members, {s}", median("wins_clipped", _on(s)), Above(0.8))
        for s in _SYSTEMS
        if s != "duffing_undamped"
    ],
    controls=[
        Check(f"clipped nrmse, k = {k}, {s}", median(f"clipped_{k}", _on(s)), None) for s in _SYSTEMS for k in (0, 5)
    ],
    note="A control of our own. The undamped Duffing oscillator is reported apart: neither has skill there.",
)

K15 = Claim(
    paper="fathi2023",
    kind=EMPIRICAL,
    statement="The best period lies between every step and never.",
    needs=_COURSE,
    checks=[
        Check(f"best of nine periods, {s}", median("best_period", _on(s)), Between(2, 25))
        for s in _SYSTEMS
        if s != "duffing"
    ],
    published="a middle value",
)

K20 = Claim(
    paper="kostic2022",
    kind=EMPIRICAL,
    statement="Reduced-rank regression estimates leading eigenvalues of the double well better than principal components.",
    needs=[Experiment("koopman/rank_regressions", {"samples": n}, seeds=8) for n in (400, 1000)],
    checks=[
        Check(f"error of rrr - pcr, {n} samples", _mean("difference", {"task.samples": n}), Below(0.0))
        for n in (400, 1000)
    ],
    controls=[
        *(
            Check(f"error of {name}, {n} samples", _mean(name, {"task.samples": n}), None)
            for n in (400, 1000)
            for name in ("rrr", "pcr")
        ),
        Check("share of trajectories where rrr errs less", share("difference", lambda values: values < 0), None),
    ],
    note="Errors of |lambda_2|, |lambda_3| and |lambda_4|, averaged over eight trajectories of each length, as the paper does.",
)

K22 = Claim(
    paper="askham2018",
    kind=EMPIRICAL,
    statement="Fitting all snapshots at once removes the bias that noise gives to exact DMD.",
    needs=[Experiment("koopman/noisy_exponentials", seeds=5)],
    checks=[Check("largest rate error, optimised over exact DMD", median("ratio"), Below(0.1))],
    controls=[
        Check("rate error of exact DMD", median("dmd"), None),
        Check("rate error of optimised DMD", median("optdmd"), None),
    ],
    note="Six rates in 200 channels, 300 samples, noise .5; variable projection of our own.",
)

K23 = Claim(
    paper="arbabi2017",
    kind=THEOREM,
    statement="Hankel-DMD recovers three tones from six delays on, and cannot from four.",
    needs=[Experiment("koopman/three_tones", {"delays": delays}) for delays in (4, 6, 8, 32)],
    checks=[
        *(Check(f"error, {d} delays", largest("error", {"task.delays": d}), Below(1e-10)) for d in (6, 8, 32)),
        Check("error, 4 delays", smallest("error", {"task.delays": 4}), Above(1e-2)),
    ],
)


def _converges(start: str) -> list[Experiment]:
    return [Experiment("koopman/spatial_convergence", {"start": start, "n": n}) for n in (48, 96)]


K28 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="For smooth periodic fields the spectral solver of reaction and diffusion converges exponentially in space.",
    needs=_converges("smooth"),
    checks=[Check("error with 48 points over that with 96", ratio("error", {"task.n": 48}, {"task.n": 96}), Above(10))],
    published="exponential",
)

K29 = Claim(
    paper="dynamark",
    kind=EMPIRICAL,
    statement="The spiral that is usually shipped jumps across the periodic edge, so its simulation does not.",
    needs=_converges("spiral"),
    checks=[Check("error with 48 points over that with 96", ratio("error", {"task.n": 48}, {"task.n": 96}), Below(10))],
    published="exponential",
)
