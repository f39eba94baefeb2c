"""What papers claim about predicting linear systems: spectral filtering, preconditioning, online regression, HiPPO."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
from dynamark.leaderboard.claims.measures import largest, median, pick, ratio, smallest

if TYPE_CHECKING:
    import pandas

_POPULATION = "lds/population_error"
_ONLINE = "lds/regret"


def _per_doubling(score: str, x: str, which: str, where: Mapping[str, Any] | None = None) -> Measure:
    """The largest or smallest factor by which a score changes from one value of x to the next."""

    def measured(rows: pandas.DataFrame) -> Measured:
        means = pick(rows, where or {}).groupby(x)[f"score.{score}"].mean().to_numpy()
        factors = means[1:] / means[:-1]
        return Measured.exactly(float(np.max(factors) if which == "largest" else np.min(factors)))

    return measured


def _exceeds(score: str, other: str, columns: Mapping[str, Any]) -> Measure:
    """The median over seeds of the difference of two scores."""

    def measured(rows: pandas.DataFrame) -> Measured:
        chosen = pick(rows, columns)
        part = chosen[[f"score.{score}", f"score.{other}"]].rename(
            columns={f"score.{score}": "a", f"score.{other}": "b"}
        )
        return median("difference")(chosen.assign(**{"score.difference": part["a"] - part["b"]}))

    return measured


L01 = Claim(
    paper="agarwal2023",
    kind=THEOREM,
    statement="The Hankel matrix of spectral filtering is the average of mu(a) mu(a)' over the poles of [0, 1], so it is PSD.",
    needs=[Experiment("lds/hankel_identity", {"length": n}) for n in (256, 1024)],
    checks=[
        Check("closed form less quadrature", largest("difference"), Below(1e-12)),
        Check("least eigenvalue", smallest("least_eigenvalue"), Above(-1e-15)),
    ],
)

L02 = Claim(
    paper="hazan2017",
    kind=THEOREM,
    statement="No real pole's response has more than 6^{1/4} s_j^{1/4} along the j-th filter.",
    needs=[Experiment("lds/filter_bounds", {"length": n}) for n in (256, 1024, 4096)],
    checks=[Check("largest component over its bound, 40 filters", largest("reach"), Below(1.0))],
)

L03 = Claim(
    paper="hazan2017",
    kind=THEOREM,
    statement="The eigenvalues fall like s_j <= min(3/4, 10^6 exp(-pi^2 j / (4 ln T))).",
    needs=[Experiment("lds/filter_bounds", {"length": n}) for n in (256, 1024, 4096)],
    checks=[Check("largest eigenvalue over its bound, 40 filters", largest("decay"), Below(1.0))],
    controls=[Check("slope of ln s_j in j, times ln T (the bound's is -2.47)", largest("slope"), None)],
)

_COUNTS = (8, 10, 12, 15, 17, 20, 25)
L04 = Claim(
    paper="agarwal2023",
    kind=EMPIRICAL,
    statement="The error of spectral filtering falls exponentially with the number of filters.",
    needs=[Experiment(_POPULATION, {"filters": _COUNTS}, seeds=5)],
    checks=[
        Check("slope of ln error in k, k = 8 .. 25", median("slope"), Below(-0.5)),
        Check("expected error of 20 filters", median("error_20"), Below(1e-5)),
    ],
    controls=[Check(f"expected error of {k} filters", median(f"error_{k}"), None) for k in (8, 15, 25)],
)

L05 = Claim(
    paper="agarwal2023",
    kind=EMPIRICAL,
    statement="The error does not depend on the number of states.",
    needs=[Experiment(_POPULATION, {"order": d}, seeds=7) for d in (10, 100, 1000)],
    checks=[
        Check("expected error of 20 filters, the worst of 10, 100, 1000 states", largest("error_20"), Below(1e-5)),
        Check(
            "median of 1000 states over that of 100",
            ratio("error_20", {"task.order": 1000}, {"task.order": 100}, paired=False),
            Below(10.0),
        ),
    ],
)

_SIM = {"train": 32}
_SPECTRAL = {"filters": 17, "both_signs": False}
L06 = Claim(
    paper="hazan2017",
    kind=EMPIRICAL,
    statement="Twenty features of spectral filtering simulate systems with slow real poles where finite responses cannot.",
    needs=[
        *(Runs("lds/sym_pos", "fir", {"taps": n}, _SIM, "standard") for n in (20, 200)),
        *(
            Runs(f"lds/{t}", "spectral_filtering", _SPECTRAL, _SIM, "standard")
            for t in ("sym_pos", "sym_pos_sim_noisy", "sym")
        ),
        Runs("lds/sym", "spectral_filtering", {"both_signs": True}, _SIM, "standard"),
        Runs("lds/sym_pos", "real_poles", {}, _SIM, "standard"),
    ],
    checks=[
        Check("nmse, 20 features", median("nmse", task="lds/sym_pos", method="spectral_filtering"), Below(1e-4)),
        Check("nmse, 20 taps", median("nmse", {"method.taps": 20}), Above(0.5)),
        Check("nmse, 200 taps", median("nmse", {"method.taps": 200}), Above(0.3)),
        # 20 parameters, 32 x 1024 samples, noise of variance 0.09: the floor of least squares, times three.
        Check("nmse with noise", median("nmse", task="lds/sym_pos_sim_noisy"), Below(3 * 20 * 0.09 / (32 * 1024))),
        Check(
            "nmse on poles of both signs, positive filters only",
            median("nmse", {"method.both_signs": False}, task="lds/sym"),
            Above(0.3),
        ),
        Check(
            "nmse on poles of both signs, filters of both",
            median("nmse", {"method.both_signs": True}, task="lds/sym"),
            Below(1e-6),
        ),
    ],
    controls=[Check("nmse of 20 fixed real poles", median("nmse", method="real_poles"), None)],
    note="Twenty log-spaced real poles, without any theory, do as well: the bank matters less than that it is one of slow poles.",
)

L07 = Claim(
    paper="agarwal2023",
    kind=EMPIRICAL,
    statement="Spectral filtering degrades as poles leave the real line.",
    needs=[
        Experiment(_POPULATION, {"spectrum": "asym", "beta": b, "filters": (17,)}, seeds=7) for b in (0.01, 0.05, 0.2)
    ],
    checks=[
        Check("expected error, angles up to 0.01", median("error_17", {"task.beta": 0.01}), Below(0.02)),
        Check("expected error, angles up to 0.05", median("error_17", {"task.beta": 0.05}), Above(0.1)),
        Check("expected error, angles up to 0.2", median("error_17", {"task.beta": 0.2}), Above(0.5)),
    ],
)


def _asym(beta: float, basis: str, *counts: int) -> Experiment:
    fields = {"spectrum": "asym", "beta": beta, "length": 512, "basis": basis, "filters": counts}
    return Experiment(_POPULATION, fields, seeds=3)


L10 = Claim(
    paper="marsden2025",
    kind=EMPIRICAL,
    statement="Filters built for a wedge of the disc meet the complex poles in it that real filters miss.",
    needs=[_asym(0.2, "wedge", 53, 60), _asym(0.5, "wedge", 102), _asym(0.2, "spectral", 40)],
    checks=[
        Check(
            "60 wedge filters, angles up to 0.2",
            largest("error_60", {"task.basis": "wedge", "task.beta": 0.2}),
            Below(1e-6),
        ),
        Check("40 real filters, angles up to 0.2", median("error_40", {"task.basis": "spectral"}), Above(0.01)),
        Check(
            "beta T/pi + 20 filters, 0.2", largest("error_53", {"task.basis": "wedge", "task.beta": 0.2}), Below(1e-6)
        ),
        Check(
            "beta T/pi + 20 filters, 0.5", largest("error_102", {"task.basis": "wedge", "task.beta": 0.5}), Below(1e-6)
        ),
    ],
)

L11 = Claim(
    paper="marsden2025",
    kind=THEOREM,
    statement="Monic Chebyshev polynomials stay at 2^{1-n} on a wedge |arg| <= 1/(64 n^2), with coefficients below 2^{0.3 n}.",
    needs=[Experiment("lds/chebyshev_growth", {"degree": n}) for n in (2, 5, 10, 20)],
    checks=[
        Check("maximum on [-1, 1] over 2^{1-n}", largest("line"), Between(1 - 1e-12, 1 + 1e-12)),
        Check("maximum on the wedge over 2^{1-n}", largest("wedge"), Below(1.01)),
        Check("largest coefficient over 2^{0.3 n}", largest("coefficient"), Below(1.0)),
    ],
    controls=[Check("growth at angle 0.05, n = 20", largest("wide", {"task.degree": 20}), None)],
)


def _usp(spectrum: str, beta: float, *degrees: int) -> list[Runs]:
    task = {"spectrum": spectrum, "noise": "nv", "level": 0.05, "length": 2000, **({"beta": beta} if beta else {})}
    return [Runs(_ONLINE, "usp", {"degree": n}, task, "standard", 5) for n in degrees]


def _degree(spectrum: str, n: int, **more: Any) -> dict[str, Any]:
    return {"task.spectrum": spectrum, "method.degree": n, **more}


L12 = Claim(
    paper="marsden2025",
    kind=EMPIRICAL,
    statement="Preconditioning by a Chebyshev polynomial helps a finite response; beyond degree 10 its coefficients hurt.",
    needs=_usp("sym", 0.0, 0, 2, 5, 10, 20),
    checks=[
        Check("late nmse, degree 5 over none", ratio("nmse_late", _degree("sym", 5), _degree("sym", 0)), Below(0.05)),
        Check("late nmse, degree 20 over 5", ratio("nmse_late", _degree("sym", 20), _degree("sym", 5)), Above(5.0)),
    ],
    controls=[Check(f"late nmse, degree {n}", median("nmse_late", _degree("sym", n)), None) for n in (0, 2, 5, 10, 20)],
    published="best degree 5 to 10",
)


def _gain(beta: float) -> Measure:
    at = {"task.beta": beta}
    return ratio("nmse_late", _degree("asym", 0, **at), _degree("asym", 5, **at))


def _gains(rows: pandas.DataFrame) -> Measured:
    return Measured.exactly(_gain(0.5)(rows).value / _gain(0.05)(rows).value)


L13 = Claim(
    paper="marsden2025",
    kind=EMPIRICAL,
    statement="The gain of preconditioning decays with the imaginary part of the poles, and turns into harm.",
    needs=[run for b in (0.05, 0.5, 2.0) for run in _usp("asym", b, 0, 5)],
    checks=[
        Check("gain of degree 5, angles up to 0.05", _gain(0.05), Above(20.0)),
        Check("gain, angles up to 0.5", _gain(0.5), Above(1.5)),
        Check("gain at 0.5 over gain at 0.05", _gains, Below(1 / 3)),
        Check("gain, angles up to 2", _gain(2.0), Below(1.0)),
    ],
)


def _online(method: str, fields: Mapping[str, Any], spectrum: str, beta: float | None = None) -> Runs:
    task = {"spectrum": spectrum} | ({} if beta is None else {"beta": beta})
    return Runs(_ONLINE, method, fields, task, "standard", 5)


L14 = Claim(
    paper="vovk2001",
    kind=EMPIRICAL,
    statement="Second-order online regression on a dozen lags has logarithmic regret where first-order descent has not.",
    needs=[_online(m, {}, "asym", 1.0) for m in ("vaw", "adagrad")],
    checks=[
        Check("exponent of the regret, second order", median("exponent", method="vaw"), Below(0.3)),
        Check("regret after 4096 steps, second order", median("regret", method="vaw"), Below(50.0)),
        Check("exponent of the regret, first order", median("exponent", method="adagrad"), Above(0.6)),
    ],
)

L15 = Claim(
    paper="vovk2001",
    kind=EMPIRICAL,
    statement="That needs a wedge around -1 without poles: as it closes, the regret of a fixed number of lags grows.",
    needs=[_online("vaw", {"order": 24}, "asym", b) for b in (2.64, 2.9, math.pi)],
    checks=[
        Check("exponent, angles up to 2.64", median("exponent", {"task.beta": 2.64}), Above(0.7)),
        Check("exponent, all angles", median("exponent", {"task.beta": math.pi}), Above(0.7)),
        Check(
            "regret at pi over that at 2.64",
            ratio("regret", {"task.beta": math.pi}, {"task.beta": 2.64}, False),
            Above(1.0),
        ),
        Check(
            "regret at 2.9 over that at 2.64",
            ratio("regret", {"task.beta": 2.9}, {"task.beta": 2.64}, False),
            Above(1.0),
        ),
    ],
)

_SYM_POS, _WIDE = {"task.spectrum": "sym_pos"}, {"task.spectrum": "asym"}
L16 = Claim(
    paper="marsden2025",
    kind=EMPIRICAL,
    statement="Spectral filtering online has sublinear regret on real spectra.",
    needs=[
        _online("vaw", {"features": "spectral"}, "sym_pos"),
        _online("vaw", {"features": "spectral"}, "asym", 0.2),
    ],
    checks=[
        Check("exponent, real poles", median("exponent", _SYM_POS), Below(0.9)),
        Check("regret over energy, real poles", median("regret_rate", _SYM_POS), Below(0.05)),
        Check(
            "exponent less the energy's, angles up to 0.2", _exceeds("exponent", "energy_exponent", _WIDE), Above(0.0)
        ),
    ],
    note="The last check lies outside the paper's class of systems: there real filters learn nothing.",
)

_HUNDRED = {"order": 100}
L17 = Claim(
    paper="dynamark",
    kind=EMPIRICAL,
    statement="Spectral filtering of inputs and outputs comes within a percent of the Kalman filter.",
    needs=[
        Runs(task, method, fields, _HUNDRED, "standard")
        for task in ("lds/sym_pos_noisy", "lds/sym_pos_measured")
        for method, fields in (("spectral_arx", {}), ("arx", {"order": 20}), ("spectral_filtering", _SPECTRAL))
    ],
    checks=[
        *(
            Check(f"excess, {name}", median("excess", task=task, method="spectral_arx"), Below(0.01))
            for task, name in (("lds/sym_pos_noisy", "both noises"), ("lds/sym_pos_measured", "measurement noise"))
        ),
        *(
            Check(
                f"excess of ARX(20) over it, {name}",
                ratio("excess", {"task": task, "method": "arx"}, {"task": task, "method": "spectral_arx"}),
                Above(5.0),
            )
            for task, name in (("lds/sym_pos_noisy", "both noises"), ("lds/sym_pos_measured", "measurement noise"))
        ),
        Check(
            "excess of the simulation over it, both noises",
            ratio(
                "excess",
                {"task": "lds/sym_pos_noisy", "method": "spectral_filtering"},
                {"task": "lds/sym_pos_noisy", "method": "spectral_arx"},
            ),
            Above(5.0),
        ),
    ],
    controls=[
        Check(
            "excess of the simulation, both noises",
            median("excess", task="lds/sym_pos_noisy", method="spectral_filtering"),
            None,
        )
    ],
    note="Process noise of a fifth of each mode's input gives the output a variance of about 0.04, so a simulation's excess over "
    "an innovation variance near 0.09 is about 0.4 on average, widely scattered over systems; no more is to be expected.",
)

L18 = Claim(
    paper="gu2023",
    kind=THEOREM,
    statement="The kernels of HiPPO-LegS are Legendre polynomials of the exponential of time.",
    needs=[Experiment("lds/legs_kernel", {"states": n}) for n in (8, 16, 32)],
    checks=[Check("largest difference", largest("difference"), Below(1e-10))],
)

L19 = Claim(
    paper="gu2023",
    kind=THEOREM,
    statement="The kernels of FouT and LegT end with their window, up to a remainder that vanishes with the number of states.",
    needs=[Experiment("lds/window_leak", {"basis": b, "states": n}) for b in ("fout", "legt") for n in (64, 128, 256)],
    checks=[
        *(
            Check(
                f"energy beyond the window, state {n}, 128 states",
                largest(f"leak_{n}", {"task.states": 128}),
                Below(0.01),
            )
            for n in (0, 2, 10)
        ),
        *(
            Check(
                f"state 0 of {b}: factor from 64 to 128 to 256 states",
                _per_doubling("leak_0", "task.states", which, {"task.basis": b}),
                Between(0.4, 0.6),
            )
            for b in ("fout", "legt")
            for which in ("largest", "smallest")
        ),
    ],
)

_LEGS = tuple(16 * 2**k for k in range(5))
L22 = Claim(
    paper="gu2022s4d",
    kind=THEOREM,
    statement="The diagonal part of LegS approaches LegS input by input, but not uniformly over inputs.",
    needs=[Experiment("lds/normal_legs", {"states": n}) for n in _LEGS],
    checks=[
        Check(
            "error below frequency 10: largest factor a doubling",
            _per_doubling("low", "task.states", "largest"),
            Below(0.6),
        ),
        Check("smallest factor a doubling", _per_doubling("low", "task.states", "smallest"), Above(0.35)),
        Check("worst error over all frequencies, over N", smallest("peak_by_states"), Above(0.5)),
        Check("its smallest factor a doubling", _per_doubling("peak", "task.states", "smallest"), Above(1.9)),
    ],
)

L23 = Claim(
    paper="yu2024",
    kind=THEOREM,
    statement="Perturbing LegS before diagonalising it moves the transfer function by (2 ln N + 4) e at most.",
    needs=[
        Experiment("lds/perturbed_legs", {"states": n, "size": e}) for n in (16, 32, 64) for e in (1e-3, 1e-2, 1e-1)
    ],
    checks=[
        Check("change of the transfer function over its bound", largest("transfer"), Below(1.0)),
        Check("condition number of the eigenvectors, without over with", smallest("gain"), Above(1e4)),
    ],
)
