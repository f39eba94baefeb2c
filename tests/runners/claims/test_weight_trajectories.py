"""Models of weight trajectories: exact where the weights have their form, and broken ones that the claims reject."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from claims_support import index_of, listed, rows_for

from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.koopman import experiments_weights
from dynamark.runners.claims.koopman.experiments_weights import (
    CorrelatedModes,
    WeightTrajectory,
    correlated_modes,
    dmd_path,
    principal_path,
)
from dynamark.runners.claims.verdicts import evaluate
from dynamark.tasks.problems import Run

_SMALL = {"epochs": 12, "fitted": 24, "sampled": 100}


def test_affine_functions_of_three_curves_are_three_modes() -> None:
    rng, t = np.random.default_rng(0), np.linspace(0, 1, 40)
    curves = np.stack([np.exp(-3 * t), np.sin(5 * t), np.cos(9 * t)], axis=1)
    group, slope, offset = rng.integers(0, 3, 300), rng.standard_normal(300), rng.standard_normal(300)
    weights = curves[:, group] * slope + offset
    weights[:, 7] = 2.0  # does not move
    cmd = correlated_modes(weights, 3, 100, rng)
    np.testing.assert_allclose(cmd.path(cmd.references), weights, atol=1e-12)
    moving = np.delete(np.arange(300), 7)
    assert len({*zip(group[moving].tolist(), cmd.mode[moving].tolist(), strict=True)}) == 3
    assert cmd.numbers == 2 * 300 + 3 * 40


def test_slope_and_offset_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((20, 60)).cumsum(axis=0)
    cmd = correlated_modes(weights, 4, 30, rng)
    for n in (0, 31, 59):
        expected = np.polyfit(cmd.references[:, cmd.mode[n]], weights[:, n], 1)
        assert (cmd.slope[n], cmd.offset[n]) == pytest.approx(tuple(expected))


def test_dmd_is_exact_for_linear_dynamics_and_components_are_the_best_of_their_rank() -> None:
    rng, t = np.random.default_rng(2), np.arange(30)
    curves = np.stack([0.9**t, 0.97**t * np.cos(0.3 * t), 0.97**t * np.sin(0.3 * t)], axis=1)
    weights = curves @ rng.standard_normal((3, 50))
    np.testing.assert_allclose(dmd_path(weights, 3), weights, atol=1e-9)
    noisy = weights + 0.1 * rng.standard_normal(weights.shape)
    values = np.linalg.svd(noisy - noisy.mean(axis=0), compute_uv=False)
    assert np.linalg.norm(principal_path(noisy, 2) - noisy) == pytest.approx(np.linalg.norm(values[2:]))


@functools.cache
def _measured(seed: int, **fields: Any) -> Mapping[str, float]:
    return dict(WeightTrajectory(**_SMALL, **fields).measure(Run((seed,))).values)


def _verdict(name: str, measured: Callable[[int], Mapping[str, float]]) -> str:
    claim = shipped_claims()[name].claim
    needs = [*claim.needs, *claim.convergence]
    return evaluate(listed(claim), index_of(*rows_for(needs, lambda _, seed: measured(seed % 2)))).verdict


def test_the_network_learns_and_reports_every_model() -> None:
    scores = _measured(0)
    assert scores["accuracy"] > 90
    assert scores["mean"] == pytest.approx(1)
    assert scores["pod_10"] < scores["pod_5"] < scores["pod_2"] < scores["pod_1"] < 1
    assert scores["stored_10"] == pytest.approx((2 * 2410 + 10 * 24) / (24 * 2410))


def test_the_claims_follow_from_their_numbers() -> None:
    # A tenth of the numbers needs more samples than the small run has.
    good = {"against_dmd_2": 0.5, "against_dmd_5": 2.0, "against_dmd_10": 4.0, "against_curve_2": 0.9}
    close = {"loss_cmd_10": 0.1, "stored_10": 0.04, "loss_shuffled_10": 30.0}
    assert _verdict("K32", lambda seed: {**_measured(seed), **good}) == "reproduced"
    assert _verdict("K32", lambda seed: {**_measured(seed), **good, "against_curve_2": 1.2}) == "confounded"
    assert _verdict("K51", lambda seed: {**_measured(seed), **close}) == "reproduced"
    assert _verdict("K51", lambda seed: {**_measured(seed), **close, "loss_shuffled_10": 0.2}) == "confounded"


def test_a_model_without_offsets_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    class Scaled(CorrelatedModes):
        def path(self, references: np.ndarray) -> np.ndarray:
            return references[:, self.mode] * self.slope

    monkeypatch.setattr(experiments_weights, "CorrelatedModes", Scaled)
    broken = {seed: dict(WeightTrajectory(**_SMALL).measure(Run((seed,))).values) for seed in (0, 1)}
    assert _verdict("K32", broken.__getitem__) not in ("reproduced", "confounded", "not run")
    assert _verdict("K51", lambda seed: {**broken[seed], "stored_10": 0.04}) not in (
        "reproduced",
        "confounded",
        "not run",
    )
