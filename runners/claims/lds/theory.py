"""Claims on linear systems that need no run: identities, bounds and expected errors of filters, polynomials and HiPPO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, UNTRAINED, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.quantities import largest, median, of_table, ratio, smallest, upper_extreme
from dynamark.runners.claims.relations import Above, Below, Between

_POPULATION = "lds/population_error"


def _per_doubling(score: str, x: str, which: str, where: Mapping[str, Any] | None = None) -> Quantity:
    """The largest or smallest factor by which a score changes from one value of x to the next."""

    def quantity(rows: Rows) -> Interval:
        _, scores = rows.table(score, x, where)
        means = scores.mean(axis=0)
        factors = means[1:] / means[:-1]
        return Interval.exactly(float(np.max(factors) if which == "largest" else np.min(factors)))

    return quantity


L01 = Claim(
    paper="agarwal2023",
    kind=THEOREM,
    statement="The Hankel matrix of spectral filtering is the average of mu(a) mu(a)' over the poles of [0, 1], so it is PSD.",
    needs=[Experiment("lds/hankel_identity", {"length": n}) for n in (256, 1024)],
    checks=[
        Check("closed form - quadrature", largest("difference"), Below(1e-12)),
        Check("least eigenvalue", smallest("least_eigenvalue"), Above(-1e-15)),
    ],
    registered="0.1.0",
)

L02 = Claim(
    paper="hazan2017",
    kind=THEOREM,
    statement="No real pole's response has more than 6^{1/4} s_j^{1/4} along the j-th filter.",
    needs=[Experiment("lds/filter_bounds", {"length": n}) for n in (256, 1024, 4096)],
    checks=[Check("largest component over its bound, 40 filters", largest("reach"), Below(1.0))],
    registered="0.1.0",
)

L03 = Claim(
    paper="hazan2017",
    kind=THEOREM,
    statement="The eigenvalues fall like s_j <= min(3/4, 10^6 exp(-pi^2 j / (4 ln T))).",
    needs=[Experiment("lds/filter_bounds", {"length": n}) for n in (256, 1024, 4096)],
    checks=[Check("largest eigenvalue over its bound, 40 filters", largest("decay"), Below(1.0))],
    controls=[Check("slope of ln s_j in j, times ln T (the bound's is -2.47)", largest("slope"), None)],
    registered="0.1.0",
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
    looks=(1, 3),
    convergence=UNTRAINED,
    registered="0.1.0",
)

L05 = Claim(
    paper="agarwal2023",
    kind=EMPIRICAL,
    statement="The error does not depend on the number of states.",
    needs=[Experiment(_POPULATION, {"order": d}, seeds=7) for d in (10, 100, 1000)],
    checks=[
        Check(
            "expected error of 20 filters, the worst of 10, 100, 1000 states", upper_extreme("error_20"), Below(1e-5)
        ),
        Check(
            "median of 1000 states over median of 100",
            ratio("error_20", {"task.order": 1000}, {"task.order": 100}, paired=False),
            Below(10.0),
        ),
    ],
    looks=(1, 3),
    convergence=UNTRAINED,
    registered="0.1.0",
)

L07 = Claim(
    paper="agarwal2023",
    kind=EMPIRICAL,
    statement="Spectral filtering degrades as poles leave the real line.",
    needs=[
        Experiment(_POPULATION, {"spectrum": "asym", "beta": b, "filters": (17,)}, seeds=31) for b in (0.01, 0.05, 0.2)
    ],
    checks=[
        Check("expected error, angles up to 0.01", median("error_17", {"task.beta": 0.01}), Below(0.02)),
        Check("expected error, angles up to 0.05", median("error_17", {"task.beta": 0.05}), Above(0.1)),
        Check("expected error, angles up to 0.2", median("error_17", {"task.beta": 0.2}), Above(0.5)),
    ],
    convergence=UNTRAINED,
    registered="0.1.0",
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
            upper_extreme("error_60", {"task.basis": "wedge", "task.beta": 0.2}),
            Below(1e-6),
        ),
        Check("40 real filters, angles up to 0.2", median("error_40", {"task.basis": "spectral"}), Above(0.01)),
        Check(
            "beta T/pi + 20 filters, 0.2",
            upper_extreme("error_53", {"task.basis": "wedge", "task.beta": 0.2}),
            Below(1e-6),
        ),
        Check(
            "beta T/pi + 20 filters, 0.5",
            upper_extreme("error_102", {"task.basis": "wedge", "task.beta": 0.5}),
            Below(1e-6),
        ),
    ],
    looks=(1, 3),
    convergence=UNTRAINED,
    registered="0.1.0",
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
    registered="0.1.0",
)


L18 = Claim(
    paper="gu2023",
    kind=THEOREM,
    statement="The kernels of HiPPO-LegS are Legendre polynomials of the exponential of time.",
    needs=[Experiment("lds/legs_kernel", {"states": n}) for n in (8, 16, 32)],
    checks=[Check("largest difference", largest("difference"), Below(1e-10))],
    registered="0.1.0",
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
                f"state 0 of {b}: {which} factor from 64 to 128 to 256 states",
                _per_doubling("leak_0", "task.states", which, {"task.basis": b}),
                Between(0.4, 0.6),
            )
            for b in ("fout", "legt")
            for which in ("largest", "smallest")
        ),
    ],
    registered="0.1.0",
)

_LEGS = tuple(16 * 2**k for k in range(5))
L22 = Claim(
    paper="gu2022",
    kind=THEOREM,
    statement="The diagonal part of LegS approaches LegS input by input, but not uniformly over inputs.",
    needs=[Experiment("lds/normal_legs", {"states": n}) for n in _LEGS],
    checks=[
        Check(
            "error below frequency 10: largest ratio per doubling",
            _per_doubling("low", "task.states", "largest"),
            Below(0.6),
        ),
        Check(
            "error below frequency 10: smallest ratio per doubling",
            _per_doubling("low", "task.states", "smallest"),
            Above(0.35),
        ),
        Check("worst error over all frequencies, over N", smallest("peak_by_states"), Above(0.5)),
        Check(
            "worst error over all frequencies: smallest ratio per doubling",
            _per_doubling("peak", "task.states", "smallest"),
            Above(1.9),
        ),
    ],
    registered="0.1.0",
)

L23 = Claim(
    paper="yu2024",
    kind=THEOREM,
    statement="Perturbing LegS before diagonalizing it moves the transfer function by (2 ln N + 4) e at most.",
    needs=[
        Experiment("lds/perturbed_legs", {"states": n, "size": e}) for n in (16, 32, 64) for e in (1e-3, 1e-2, 1e-1)
    ],
    checks=[
        Check("change of the transfer function over its bound", largest("transfer"), Below(1.0)),
        Check("condition number of the eigenvectors, without over with", smallest("gain"), Above(1e4)),
    ],
    registered="0.1.0",
)


def _delay(cycles: int, bases: tuple[str, ...]) -> list[Experiment]:
    return [Experiment("lds/delay_memory", {"basis": b, "cycles": cycles}, seeds=3) for b in bases]


def _memory(basis: str, cycles: int) -> Quantity:
    return median("nmse", {"task.basis": basis, "task.cycles": cycles})


L20 = Claim(
    paper="gu2023",
    kind=EMPIRICAL,
    statement="Bases of a sliding window remember a delayed input beyond the resolution at which scaled Legendre gives out.",
    needs=[*_delay(15, ("legt", "fout", "legs", "real", "lin")), *_delay(5, ("legt", "legs"))],
    checks=[
        Check("nmse of LegT, 15 cycles a window", _memory("legt", 15), Below(1e-6)),
        Check("nmse of FouT", _memory("fout", 15), Below(0.05)),
        Check("nmse of LegS", _memory("legs", 15), Above(0.1)),
        Check("nmse of S4D-Real", _memory("real", 15), Above(0.5)),
        Check("nmse of LegS, 5 cycles a window", _memory("legs", 5), Below(1e-9)),
        Check("nmse of LegT, 5 cycles a window", _memory("legt", 5), Below(1e-9)),
    ],
    controls=[Check("nmse of S4D-Lin, 15 cycles a window", _memory("lin", 15), None)],
    looks=(1, 3),
    convergence=UNTRAINED,
    note="64 states, fixed, read by least squares: what the bases can do, not what training makes of them.",
    registered="0.1.0",
)

_SPANS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def _best_span() -> Quantity:
    """The span with the least median error."""
    return of_table("nmse", "task.span", lambda spans, errors: spans[np.median(errors, axis=1).argmin(axis=1)])


def _at_end(end: int) -> Quantity:
    """The median error at the first or last span over the least."""

    def quotient(spans: np.ndarray, errors: np.ndarray) -> np.ndarray:
        medians = np.median(errors, axis=1)
        return np.asarray(medians[:, end] / medians.min(axis=1))

    return of_table("nmse", "task.span", quotient)


L21 = Claim(
    paper="gu2023",
    kind=EMPIRICAL,
    statement="The timescale of scaled Legendre must fit the memory that a task needs, within a factor of a few.",
    needs=[Experiment("lds/delay_memory", {"basis": "legs", "cycles": 10, "span": s}, seeds=3) for s in _SPANS],
    checks=[
        Check("best span, in lags", _best_span(), Between(0.25, 4.0)),
        Check("nmse at a span of 1/8 over the best", _at_end(0), Above(100.0)),
        Check("nmse at a span of 8 over the best", _at_end(-1), Above(100.0)),
    ],
    looks=(1, 3),
    convergence=UNTRAINED,
    registered="0.1.0",
)

L27 = Claim(
    paper="smekal2024",
    kind=THEOREM,
    statement="A balanced mode of a linear state space is learned along a logistic curve.",
    needs=[Experiment("lds/mode_flow")],
    checks=[Check("largest difference to the closed form, Euler steps of 1e-4", largest("difference"), Below(1e-3))],
    registered="0.1.0",
)

_STEP = "lds/stochastic_approximation"
L41 = Claim(
    paper="durmus2021",
    kind=THEOREM,
    statement="Linear stochastic approximation at a fixed step has a stationary law with power tails, whose index the step sets.",
    needs=[Experiment(_STEP, {"step": a}) for a in (0.4, 0.6, 0.8)],
    checks=[
        *(
            Check(f"variance over its formula, step {a}", largest("variance", {"task.step": a}), Between(0.95, 1.05))
            for a in (0.4, 0.6)
        ),
        *(
            Check(f"tail index over its formula, step {a}", largest("tail", {"task.step": a}), Between(0.8, 1.2))
            for a in (0.6, 0.8)
        ),
        Check(
            "largest factor of the index from one step to the next",
            _per_doubling("hill", "task.step", "largest"),
            Below(1.0),
        ),
    ],
    registered="0.1.0",
)

L43 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="The evidence bound of a linear-Gaussian system meets the Kalman likelihood at the exact smoother, and only there.",
    needs=[Experiment("lds/variational_bound", seeds=5)],
    checks=[
        Check("gap a step at the exact smoother", largest("gap_smoother"), Between(-1e-8, 1e-8)),
        Check("gap a step of the best q independent over time", smallest("gap_mean_field"), Above(1e-4)),
        Check("gap a step of a wrong mean", smallest("gap_moved"), Above(1e-4)),
    ],
    registered="0.1.0",
)
