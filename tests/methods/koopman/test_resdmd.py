"""What is verified is kept: the exact pairs of the slow manifold, and no others."""

from __future__ import annotations

import numpy as np
import torch
from koopman_problems import linear_paths, posed, slow_manifold

from dynamark.methods.koopman.edmd import EDMD
from dynamark.methods.koopman.resdmd import ResDMD
from dynamark.tasks.problems import Run, Trajectories

PATHS, HELD = slow_manifold(400, 10), slow_manifold(60, 10, seed=1)
PROBLEM = posed(PATHS, HELD, dt=0.1)


def test_only_the_exact_pairs_of_a_cubic_dictionary_are_kept() -> None:
    run = Run()
    model = ResDMD(size=3, ridge=0.0, threshold=1e-6).fit_forecaster(PROBLEM, run)
    truth = [np.exp(0.1 * (-0.05 * i - j)) for i in range(4) for j in range(2) if i + 2 * j <= 3]
    eigenvalues = model.eigenvalues().numpy()
    assert len(eigenvalues) == len(truth) == run.facts["verified"] == 6
    assert np.abs(np.sort(eigenvalues.real) - np.sort(truth)).max() < 1e-9


def test_verified_pairs_suffice_to_forecast_the_slow_manifold() -> None:
    model = ResDMD(size=3, ridge=0.0, threshold=1e-6).fit_forecaster(PROBLEM, Run())
    forecast = model.forecast(Trajectories(HELD[:, :1]), 10)
    torch.testing.assert_close(forecast, HELD[:, 1:], atol=1e-9, rtol=0)


def test_with_every_pair_verified_it_is_edmd() -> None:
    every = ResDMD(size=3, threshold=torch.inf).fit_forecaster(PROBLEM, Run())
    edmd = EDMD(size=3).fit_forecaster(PROBLEM, Run())
    start = Trajectories(HELD[:5, :1])
    torch.testing.assert_close(every.forecast(start, 5), edmd.forecast(start, 5), atol=1e-6, rtol=0)


def test_if_nothing_qualifies_the_best_pair_is_kept() -> None:
    noise = posed(torch.randn(30, 8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    run = Run()
    model = ResDMD("x0 x1", 1, append=False, ridge=0.0).fit_forecaster(noise, run)
    assert run.facts["verified"] == 0
    assert len(model.eigenvalues()) in (1, 2)
    still = linear_paths(torch.eye(2, dtype=torch.float64), 3, 1)
    assert model.forecast(Trajectories(still[:, :1]), 4).shape == (3, 4, 2)
