"""Claims on chaotic reconstruction read the rows that they mean: made-up scores give the verdicts that they must."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from claims_support import Scores, index_of, rows_for

from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.verdicts import Evaluation, evaluate


def evaluated(name: str, scores: Scores) -> Evaluation:
    """A claim on the rows of its last look and of its convergence check."""
    listed = shipped_claims()[name]
    claim = listed.claim
    needs = [*claim.needs, *([] if isinstance(claim.convergence, str) else claim.convergence)]
    # Fields of the defaults are no field of a label.
    rows = rows_for(needs, scores, claim.looks[-1])
    return evaluate(listed, index_of(*rows))


def verdict(name: str, scores: Scores) -> str:
    return evaluated(name, scores).verdict


def by_forcing(values: Mapping[float | None, float]) -> Scores:
    return lambda config, seed: {"d_stsp": values[config["alpha"]] * (1 + 0.01 * (seed % 5)), "lyapunov_error": 0.05}


def test_adaptive_forcing_is_compared_with_the_best_constant() -> None:
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
    def scores(config: Mapping[str, Any], seed: int) -> dict[str, float]:
        first = seed < settled
        return {
            "lyapunov": exponent if first else 0.9,
            "log_largest_norm_less_exponent": margin if first else 0.2,
        }

    assert verdict("X02", scores) == expected


@pytest.mark.parametrize(("growth", "expected"), [(1.02, "reproduced"), (1.35, "confounded")])
def test_a_neutral_forcing_within_a_factor_of_two_must_meet_the_prediction_from_growth(
    growth: float, expected: str
) -> None:
    def scores(config: Mapping[str, Any], seed: int) -> dict[str, float]:
        return {
            "lyapunov": 0.9,
            "log_free_product": 9.0,
            "log_forced_product": -40.0,
            "neutral_over_predicted": 1.35 + 0.01 * (seed % 3),
            "neutral_growth_over_predicted": growth + 0.001 * (seed % 3),
        }

    assert verdict("X03", scores) == expected


@pytest.mark.parametrize(("every_16", "expected"), [(2.3, "reproduced"), (0.5, "confounded")])
def test_generalized_forcing_must_beat_sparse_forcing_at_its_best_interval(every_16: float, expected: str) -> None:
    def scores(config: Mapping[str, Any], seed: int) -> dict[str, float]:
        sparse = {77: 15.8, 30: 3.7, 16: every_16}
        return {"d_stsp": (0.78 if config["alpha"] else sparse[config["window"]]) * (1 + 0.01 * (seed % 5))}

    assert verdict("X08", scores) == expected


def test_the_reconstruction_with_adaptive_forcing_is_found() -> None:
    assert verdict("X05", by_forcing({None: 0.4})) == "reproduced"
    assert verdict("X05", by_forcing({None: 3.0})) == "not reproduced"


@pytest.mark.parametrize(("three", "expected"), [(5.0, "reproduced"), (0.5, "not reproduced")])
def test_networks_of_three_units_are_compared(three: float, expected: str) -> None:
    values = {3: three, 22: 0.7, None: 1.0}
    assert verdict("X10", lambda config, _: {"d_stsp": values[config.get("units")]}) == expected


@pytest.mark.parametrize(("regions", "divergence", "expected"), [(3, 4.0, "reproduced"), (4, 4.0, "not reproduced")])
def test_the_fewest_units_need_three_regions(regions: int, divergence: float, expected: str) -> None:
    def scores(config: Mapping[str, Any], seed: int) -> dict[str, float]:
        return {"d_stsp": divergence if config["rectified"] == 2 else 13.0, "fact.regions_90": float(regions)}

    assert verdict("X11", scores) == expected


def test_the_code_of_the_lorenz_attractor_is_read_from_its_own_rows() -> None:
    good = {
        "members_of_three": 3.0, "graphs_with_wings": 3.0, "low_wing": -1.2, "high_wing": 1.2, "center": 0.1,
        "real_points": 3.0, "least_radius": 1.002, "regions": 4.0,
    }  # fmt: skip
    other = {"members_of_three": 0.0, "graphs_with_wings": 0.0, "regions": 2.0}

    def scores(config: Mapping[str, Any], seed: int, **changed: float) -> dict[str, float]:
        return {**good, **changed} if config["system"] == "lorenz63" else other

    assert verdict("X13", scores) == "reproduced"
    assert verdict("X13", lambda config, seed: scores(config, seed, least_radius=0.99)) == "not reproduced"
    assert verdict("X13", lambda config, seed: scores(config, seed, graphs_with_wings=0.0)) == "not reproduced"
    assert verdict("X13", lambda config, seed: scores(config, seed, high_wing=0.3)) == "not reproduced"


def test_seeds_without_a_code_of_three_regions_are_left_out_of_its_places() -> None:
    good = {"low_wing": -1.2, "high_wing": 1.2, "center": 0.1, "real_points": 3.0, "least_radius": 1.002}

    def scores(config: Mapping[str, Any], seed: int) -> dict[str, float]:
        some = config["system"] == "lorenz63" and seed
        return {"members_of_three": 3.0, "graphs_with_wings": 3.0, **good} if some else {
            "members_of_three": 0.0, "graphs_with_wings": 0.0, "regions": 2.0,
        }  # fmt: skip

    assert verdict("X13", scores) == "reproduced"
