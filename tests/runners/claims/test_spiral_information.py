"""Mutual information of a spiral's fields: closed forms, an independent solver, and a solver that stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from claims_support import index_of, listed, rows_for
from scipy.integrate import solve_ivp

from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.koopman.experiments_spiral_information import (
    SpiralInformation,
    mutual_information,
    reacted,
    solution,
)
from dynamark.runners.claims.verdicts import evaluate
from dynamark.tasks.koopman.fields import ReactionDiffusion, smooth_field
from dynamark.tasks.problems import Run


def test_information_of_equal_fields_is_their_entropy_and_of_independent_ones_zero() -> None:
    levels = np.repeat(np.arange(4.0), 4).reshape(4, 4)
    assert mutual_information(levels * (1 + 1j), 10) == pytest.approx(2)
    assert mutual_information(levels + 1j * levels.T, 10) == pytest.approx(0, abs=1e-12)


def test_information_of_a_gaussian_pair_is_its_closed_form() -> None:
    rng, correlation, side = np.random.default_rng(0), 0.8, 1000
    u, noise = rng.standard_normal((2, side, side))
    v = correlation * u + np.sqrt(1 - correlation**2) * noise
    assert mutual_information(u + 1j * v, 100) == pytest.approx(-np.log2(1 - correlation**2) / 2, abs=0.01)


def test_the_reaction_is_exact() -> None:
    def rates(_: float, x: np.ndarray) -> np.ndarray:
        z = x[0] + 1j * x[1]
        change = (1 - abs(z) ** 2) * z - 0.65j * abs(z) ** 2 * z
        return np.array([change.real, change.imag])

    reference = solve_ivp(rates, (0, 0.7), [0.3, -1.2], rtol=1e-11, atol=1e-12).y[:, -1]
    assert reacted(np.array([[0.3 - 1.2j]]), 0.7, 0.65)[0, 0] == pytest.approx(complex(*reference), abs=1e-9)


def test_the_splitting_converges_to_the_other_solver_with_order_two() -> None:
    errors = []
    for h in (0.1, 0.05):
        equation = ReactionDiffusion(0.1, 0.3, 0.65, 20.0, n=64, h=h)
        start = smooth_field(*equation.grid(), equation.length)
        u, v = ReactionDiffusion(0.1, 0.3, 0.65, 20.0, n=64, h=0.025)(start[None], 1.0, 1)[0, -1]
        *_, end = solution(equation, start[0] + 1j * start[1], round(1 / h))
        errors.append(np.abs(end - (u + 1j * v)).max())
    assert errors[0] < 0.01
    assert errors[0] / errors[1] == pytest.approx(4, abs=1)


def _verdict(falls: Mapping[str, Mapping[str, float]]) -> str:
    """The verdict on falls by regime, which seeds move a little."""
    claim = shipped_claims()["K61"].claim
    others = dict.fromkeys(("late_fall", "early", "end"), 1.0)

    def scores(config: Mapping[str, Any], seed: int) -> Mapping[str, float]:
        return {name: fall + 1e-4 * (seed % 3) for name, fall in falls[config["regime"]].items()} | others

    return evaluate(listed(claim), index_of(*rows_for(claim.needs, scores))).verdict


def test_the_claim_asks_for_the_sign_with_fine_and_with_coarse_bins() -> None:
    stable = {"fall": 0.065, "coarse_fall": 0.05}
    assert _verdict({"turbulent": {"fall": 0.107, "coarse_fall": 0.1}, "stable": stable}) == "reproduced"
    assert _verdict({"turbulent": {"fall": 0.107, "coarse_fall": 0.0}, "stable": stable}) == "confounded"
    assert _verdict({"turbulent": {"fall": 0.01, "coarse_fall": 0.1}, "stable": stable}) == "not reproduced"


def test_a_solver_that_stops_at_the_first_time_does_not_pass() -> None:
    falls = {}
    for regime in ("turbulent", "stable"):
        stopped = SpiralInformation(regime, points=16, first=2.0, transient=2.0, time=2.0)  # type: ignore[arg-type]
        measured = stopped.measure(Run((0,))).values
        falls[regime] = {name: measured[name] for name in ("fall", "coarse_fall")}
    assert _verdict(falls) == "not reproduced"
