"""Claims on chaotic reconstruction read the rows that they mean: made-up scores give the verdicts that they must."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas
import pytest

from dynamark.runners.claims.claim import Claim, Runs
from dynamark.runners.claims.select import prepare
from dynamark.runners.claims.verdicts import all_claims, judge

Scores = Callable[[Mapping[str, Any], int], dict[str, float]]


def rows_for(claim: Claim, scores: Scores) -> pandas.DataFrame:
    """The rows that the claim needs; `scores` is told the fields that the claim names, and the seed."""
    rows = []
    for need in claim.needs:
        runs = isinstance(need, Runs)
        told = {**need.task_fields, "method": need.method, **need.fields} if runs else dict(need.fields)
        for seed in range(need.seeds):
            values = scores(told, seed)
            rows.append(
                {
                    "key": f"{told}-{seed}",
                    "task": _label(need.task, need.task_fields) if runs else _label(need.name, need.fields),
                    "tier": need.tier if runs else "experiment",
                    "salt": "",
                    "task_fields": json.dumps(dict(need.task_fields) if runs else dict(need.fields)),
                    "method": _label(need.method, _changed(need.fields)) if runs else "experiment",
                    "method_fields": json.dumps(dict(need.fields) if runs else {}),
                    "seed": seed,
                    "status": "ok",
                    "scores": [{"name": name, "value": value} for name, value in values.items()],
                    "curves": [],
                    "fit_seconds": 0.1,
                    "budget": None,
                    "finished": "2026-01-01",
                }
            )
    return prepare(pandas.DataFrame(rows))


def _changed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that differ from their defaults: those of adaptive forcing are the defaults."""
    return {} if fields.get("alpha", 0) is None else dict(fields)


def _label(name: str, fields: Mapping[str, Any]) -> str:
    inside = ", ".join(f"{k}={v!r}" for k, v in fields.items())
    return f"{name}({inside})" if inside else name


def verdict(name: str, scores: Scores) -> str:
    _, claim = all_claims()[name]
    return judge(name, "chaos", claim, rows_for(claim, scores)).verdict


def by_forcing(values: Mapping[float | None, float]) -> Scores:
    return lambda told, seed: {"d_stsp": values[told["alpha"]] * (1 + 0.01 * seed), "lyapunov_error": 0.05}


def test_adaptive_forcing_is_judged_against_the_best_constant() -> None:
    constants = {0.05: 9.0, 0.1: 1.5, 0.2: 1.0, 0.3: 1.2}
    assert verdict("X07", by_forcing({None: 1.1, **constants})) == "reproduced"
    assert verdict("X07", by_forcing({None: 1.45, **constants})) == "not reproduced"


@pytest.mark.parametrize(
    ("settled", "exponent", "margin", "expected"),
    [
        (1, -0.3, -1.0, "reproduced"),  # what settles is not asked
        (0, -0.3, 0.1, "reproduced"),
        (20, -0.3, 0.1, "not reproduced"),
        (1, 0.9, -1.0, "not reproduced"),
        (1, math.nan, math.nan, "inconclusive"),  # a failed run is not taken for one that settles
    ],
)
def test_what_is_said_of_chaotic_orbits_is_asked_of_chaotic_networks(
    settled: int, exponent: float, margin: float, expected: str
) -> None:
    def scores(told: Mapping[str, Any], seed: int) -> dict[str, float]:
        first = seed < settled
        return {
            "lyapunov": exponent if first else 0.9,
            "log_largest_norm_less_exponent": margin if first else 0.2,
        }

    assert verdict("X02", scores) == expected


def test_the_reconstruction_with_adaptive_forcing_is_found() -> None:
    assert verdict("X05", by_forcing({None: 0.4})) == "reproduced"
    assert verdict("X05", by_forcing({None: 3.0})) == "not reproduced"


@pytest.mark.parametrize(("three", "expected"), [(5.0, "reproduced"), (0.5, "not reproduced")])
def test_networks_of_three_units_are_compared(three: float, expected: str) -> None:
    assert verdict("X10", lambda told, _: {"d_stsp": {3: three, 22: 0.7, None: 1.0}[told.get("units")]}) == expected


@pytest.mark.parametrize(("regions", "divergence", "expected"), [(3, 4.0, "reproduced"), (4, 4.0, "not reproduced")])
def test_the_fewest_units_need_three_regions(regions: int, divergence: float, expected: str) -> None:
    def scores(told: Mapping[str, Any], seed: int) -> dict[str, float]:
        return {"d_stsp": divergence if told["rectified"] == 2 else 13.0, "fact.regions_90": float(regions)}

    assert verdict("X11", scores) == expected


def test_the_code_of_the_lorenz_attractor_is_read_from_its_own_row() -> None:
    good = {
        "members_of_three": 3.0, "graphs_with_wings": 3.0, "low_wing": -1.2, "high_wing": 1.2, "center": 0.1,
        "real_points": 3.0, "least_radius": 1.002, "regions": 4.0,
    }  # fmt: skip
    other = {"members_of_three": 0.0, "graphs_with_wings": 0.0, "regions": 2.0}

    def scores(told: Mapping[str, Any], seed: int, **changed: float) -> dict[str, float]:
        return {**good, **changed} if told["system"] == "lorenz63" else other

    assert verdict("X13", scores) == "reproduced"
    assert verdict("X13", lambda told, seed: scores(told, seed, least_radius=0.99)) == "not reproduced"
    assert verdict("X13", lambda told, seed: scores(told, seed, graphs_with_wings=2.0)) == "not reproduced"
    assert verdict("X13", lambda told, seed: scores(told, seed, high_wing=0.3)) == "not reproduced"
