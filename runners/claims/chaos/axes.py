"""Claims about axes: the number of training samples, the number of coordinates, and what lies beyond the training data."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, UNTRAINED, Check, Claim, Runs
from dynamark.runners.claims.quantities import median, ratio
from dynamark.runners.claims.relations import Above, Below, Between

_SAMPLES = (50, 100, 200, 500, 2000, 10_000)
_LONG = {"test": 2000}
_SEEDS = 5


def _samples(method: str, count: int) -> Runs:
    return Runs("chaos/lorenz63", method, {}, {**_LONG, "train": count}, seeds=_SEEDS)


def _at(method: str, **task: Any) -> dict[str, Any]:
    return {"method": method, **{f"task.{name}": value for name, value in task.items()}}


X39 = Claim(
    paper="dynamark",
    kind=EMPIRICAL,
    statement="A polynomial map needs a few hundred samples of the Lorenz system and then gains no more; copying the training "
    "data gains with every further sample.",
    needs=[
        *(_samples("ngrc", count) for count in (50, 500, 2000)),
        *(_samples("context_parroting", count) for count in _SAMPLES),
        _samples("persistence", 500),
    ],
    checks=[
        Check("valid time of ngrc, 50 samples", median("valid_time", _at("ngrc", train=50)), Below(1.0)),
        Check("valid time of ngrc, 500 samples", median("valid_time", _at("ngrc", train=500)), Above(4.0)),
        Check(
            "valid time of ngrc, 2000 samples over 500",
            ratio("valid_time", _at("ngrc", train=2000), _at("ngrc", train=500), paired=False),
            Between(0.8, 1.2),
        ),
        *(
            Check(
                f"prediction error of context_parroting, {more} samples over {fewer}",
                ratio(
                    "prediction_error",
                    _at("context_parroting", train=more),
                    _at("context_parroting", train=fewer),
                    paired=False,
                ),
                Below(1.0),
            )
            for fewer, more in itertools.pairwise(_SAMPLES)
        ),
    ],
    fair_controls=[
        Check("valid time of persistence, 500 samples", median("valid_time", _at("persistence", train=500)), Below(1.0))
    ],
    looks=(1, 4),
    convergence=UNTRAINED,
    note="Degree 3, two delays, noise-free data, sampled every 0.01. Every number of samples has its own orbit.",
    registered="0.1.0",
)

_SITES = (5, 10, 20, 40)


def _ring(method: str, sites: int) -> Runs:
    fields: Mapping[str, Any] = {**_LONG, "train": 10_000, "sites": sites}
    return Runs("chaos/lorenz96_sites", method, {}, fields, seeds=_SEEDS)


X40 = Claim(
    paper="pathak2018",
    kind=EMPIRICAL,
    statement="The error of one reservoir for a whole ring grows with the number of sites; that of a model of a neighborhood, "
    "shared by all sites, does not.",
    needs=[
        *(_ring("esn", sites) for sites in _SITES),
        *(_ring("ngrc_local", sites) for sites in (10, 40)),
        *(_ring("persistence", sites) for sites in (10, 40)),
    ],
    checks=[
        *(
            Check(
                f"error of esn after one Lyapunov time, {more} sites over {fewer}",
                ratio("error_lyapunov", _at("esn", sites=more), _at("esn", sites=fewer), paired=False),
                Above(1.0),
            )
            for fewer, more in itertools.pairwise(_SITES)
        ),
        Check(
            "error of ngrc_local after one Lyapunov time, 40 sites over 10",
            ratio("error_lyapunov", _at("ngrc_local", sites=40), _at("ngrc_local", sites=10), paired=False),
            Below(1.5),
        ),
    ],
    fair_controls=[
        Check(
            "error of ngrc_local over persistence, 40 sites",
            ratio("error_lyapunov", _at("ngrc_local", sites=40), _at("persistence", sites=40)),
            Below(0.5),
        )
    ],
    looks=(1, 4),
    convergence=UNTRAINED,
    note="Lorenz 96, 10 000 samples, 500 reservoir units; the polynomial has degree 3, two delays and a radius of two sites. The "
    "error of persistence does not depend on the number of sites, so a constant error alone says nothing.",
    registered="0.1.0",
)


def _start(method: str, box: float) -> Runs:
    return Runs("chaos/lorenz63_starts", method, {}, {"box": box}, seeds=_SEEDS)


def _off_over_on(method: str) -> Any:
    return ratio("error_half", _at(method, box=3.0), _at(method, box=0.0), paired=False)


X41 = Claim(
    paper="dynamark",
    kind=EMPIRICAL,
    statement="Away from the attractor a polynomial map fitted on it fails, and the equations found by SINDy do not.",
    needs=[_start(method, box) for method in ("ngrc", "sindy", "persistence") for box in (0.0, 3.0)],
    checks=[
        Check("error of ngrc after half a unit of time, off over on the attractor", _off_over_on("ngrc"), Above(10.0)),
        Check("error of sindy after half a unit of time, off over on the attractor", _off_over_on("sindy"), Below(2.0)),
    ],
    fair_controls=[Check("error of persistence, off over on the attractor", _off_over_on("persistence"), Below(10.0))],
    looks=(1, 4),
    convergence=UNTRAINED,
    note="Initial states uniform in the box of three standard deviations; contexts of two samples, so that orbits have not "
    "reached the attractor.",
    registered="0.1.0",
)

_RAYLEIGH = (28.0, 30.0, 36.0, 40.0)
_QUARTIC = {"degree": 4, "taps": 1}


def _parameter(
    rayleigh: float, fields: Mapping[str, Any] | None = None, *, observed: bool = True, alone: bool = False
) -> Runs:
    task: dict[str, Any] = {"rayleigh": rayleigh, "observed": observed}
    task |= {"known": (28.0,)} if alone else {"known": (26.0, 28.0, 32.0, 34.0)}
    return Runs("chaos/lorenz63_parameters", "ngrc", fields or {"degree": 3, "taps": 2}, task, seeds=_SEEDS)


def _columns(need: Runs) -> dict[str, Any]:
    task = {f"task.{name}": value for name, value in need.task_fields.items()}
    return {**task, **{f"method.{name}": value for name, value in need.fields.items()}}


_WITH = {r: _parameter(r) for r in _RAYLEIGH}
_WITHOUT = {r: _parameter(r, observed=False) for r in _RAYLEIGH}
_ALONE = _parameter(30.0, observed=False, alone=True)

X42 = Claim(
    paper="dynamark",
    kind=EMPIRICAL,
    statement="A polynomial map that sees the parameter of a system forecasts at parameters between and beyond the trained ones; "
    "without it, it does not.",
    needs=[*_WITH.values(), *_WITHOUT.values(), _ALONE, _parameter(30.0, _QUARTIC)],
    checks=[
        Check(
            "valid time at r = 30 over r = 28",
            ratio("valid_time", _columns(_WITH[30.0]), _columns(_WITH[28.0]), paired=False),
            Above(0.8),
        ),
        Check("valid time at r = 40", median("valid_time", _columns(_WITH[40.0])), Above(2.0)),
        *(
            Check(f"valid time at r = {r:g} without the parameter", median("valid_time", _columns(need)), Below(1.0))
            for r, need in _WITHOUT.items()
        ),
        Check("valid time at r = 30, trained at r = 28 only", median("valid_time", _columns(_ALONE)), Below(1.0)),
    ],
    controls=[
        Check(
            "valid time at r = 30, one delay and degree 4",
            median("valid_time", _columns(_parameter(30.0, _QUARTIC))),
            None,
        )
    ],
    looks=(1, 4),
    convergence=UNTRAINED,
    note="Trained at r = 26, 28, 32 and 34, 2000 samples each; r is a fourth observed channel. Four values of r cannot "
    f"determine the coefficient of r^4, so the map has degree 3 and two delays; degree 4 is reported beside it. {PILOT}",
    registered="0.1.0",
)
