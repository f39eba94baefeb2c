"""Multi-kernel reconstruction: exact cases, an independent computation, and a fit without kernels, which the claim rejects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from claims_support import index_of, listed, rows_for

from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.koopman import experiments_multikernel
from dynamark.runners.claims.koopman.experiments_multikernel import (
    KernelReconstruction,
    MultiKernel,
    centers_of,
)
from dynamark.runners.claims.verdicts import evaluate
from dynamark.tasks.problems import Run

_SMALL = KernelReconstruction(steps=150, trajectories=10, length=60, states=400, centers=40)


def test_affine_targets_are_exact() -> None:
    rng = np.random.default_rng(0)
    z, matrix = rng.standard_normal((300, 2)), rng.standard_normal((2, 4))
    fit = MultiKernel.fit(z, 3 + z @ matrix, 30, (0.25, 1.0, 4.0), rng)
    fresh = rng.standard_normal((50, 2))
    np.testing.assert_allclose(fit(fresh), 3 + fresh @ matrix, atol=1e-9)


def test_a_smooth_function_is_learned_and_noise_is_not() -> None:
    rng = np.random.default_rng(1)
    z, fresh = rng.uniform(-1, 1, (2, 600, 2))
    smooth = MultiKernel.fit(z, np.sin(3 * z).prod(axis=1, keepdims=True), 80, (0.25, 1.0, 4.0), rng)
    assert np.abs(smooth(fresh) - np.sin(3 * fresh).prod(axis=1, keepdims=True)).mean() < 0.01
    noise = MultiKernel.fit(z, rng.standard_normal((600, 1)), 80, (0.25, 1.0, 4.0), rng)
    assert noise(fresh).std() < 0.3
    assert noise.place > smooth.place


def test_the_fit_is_the_penalized_least_squares_of_all_coefficients() -> None:
    rng = np.random.default_rng(2)
    z = rng.standard_normal((100, 2))
    x = np.sin(2 * z[:, :1]) + 0.3 * rng.standard_normal((100, 1))
    fit = MultiKernel.fit(z, x, 10, (1.0,), rng)
    features = np.exp(-np.square(z[:, None] - fit.centers).sum(axis=2) / (2 * fit.widths[0] ** 2))
    design = np.column_stack([np.ones(100), z, features])
    residual = x - design @ np.concatenate([fit.linear, fit.weights])
    # The gradient vanishes: it is 0 for what is not penalized, and penalty times weight elsewhere.
    gradient = design.T @ residual
    np.testing.assert_allclose(gradient[:3], 0, atol=1e-9)
    penalty = (gradient[3:] / fit.weights).ravel()
    np.testing.assert_allclose(penalty, penalty[0], rtol=1e-5)
    assert penalty[0] > 0


def test_centers_are_means_of_their_clusters() -> None:
    rng = np.random.default_rng(3)
    clusters = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], 40, axis=0) + 0.1 * rng.standard_normal((120, 2))
    centers = centers_of(clusters, 3, np.random.default_rng(5))
    expected = clusters.reshape(3, 40, 2).mean(axis=1)
    assert {tuple(row) for row in np.round(centers, 9).tolist()} == {
        tuple(row) for row in np.round(expected, 9).tolist()
    }


def _verdict(scores: Mapping[int, Mapping[str, float]]) -> str:
    claim = shipped_claims()["K59"].claim
    needs = [*claim.needs, *claim.convergence]
    return evaluate(listed(claim), index_of(*rows_for(needs, lambda _, seed: scores[seed % 2]))).verdict


def test_a_small_network_reproduces_the_claim_and_a_fit_without_kernels_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _verdict({seed: dict(_SMALL.measure(Run((seed,))).values) for seed in (0, 1)}) == "reproduced"
    monkeypatch.setattr(
        experiments_multikernel, "_features", lambda z, centers, widths: np.outer(z[:, 0], np.ones(len(centers)))
    )
    broken = {seed: dict(_SMALL.measure(Run((seed,))).values) for seed in (0, 1)}
    assert _verdict(broken) == "not reproduced"
