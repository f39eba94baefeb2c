"""Nystroem's regression: with all states as centers it is the exact one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from koopman_problems import linear_paths, posed, slow_manifold, spectral_gap

from dynamark.methods.koopman.kernel_regression import KernelKoopman
from dynamark.methods.koopman.nystroem import Nystroem
from dynamark.tasks.problems import Run, Trajectories

PATHS = linear_paths(torch.tensor([[0.8, 0.2], [-0.2, 0.7]], dtype=torch.float64), 15, 4)


@pytest.mark.parametrize("estimator", ["rrr", "pcr"])
@pytest.mark.parametrize("kernel", ["gaussian", "matern52"])
def test_all_states_as_centers_give_the_exact_regression(estimator: str, kernel: str) -> None:
    settings = {"estimator": estimator, "kernel": kernel, "rank": 4, "ridge": 1e-3, "scale": 1.5}
    exact = KernelKoopman(**settings).fit_forecaster(posed(PATHS), Run())  # type: ignore[arg-type]
    few = Nystroem(centers=60, **settings).fit_forecaster(posed(PATHS), Run())  # type: ignore[arg-type]
    # The exact rrr chooses its rank by the images of all of the space, not of the span of the centers: nearly the same.
    assert spectral_gap(exact.eigenvalues(), few.eigenvalues()) < 1e-4
    start = Trajectories(PATHS[:5, :1])
    np.testing.assert_allclose(exact.forecast(start, 3), few.forecast(start, 3), atol=1e-3)


def test_a_tenth_of_the_states_finds_the_slow_rates() -> None:
    model = Nystroem(centers=60, scale=2.0, ridge=1e-12).fit_forecaster(posed(slow_manifold(60, 10), dt=0.1), Run((1,)))
    gap = np.abs(model.eigenvalues().numpy()[:, None] - np.exp([-0.005, -0.01, -0.1])).min(axis=0)
    assert gap.max() < 1e-4
    held_out = slow_manifold(20, 10, seed=5)
    error = model.forecast(Trajectories(held_out[:, :1]), 10) - held_out[:, 1:]
    assert error.abs().max() < 1e-3


def test_centers_are_drawn_from_the_run_and_counted() -> None:
    first, again, other = (
        Nystroem(centers=10, rank=3).fit_forecaster(posed(PATHS), Run(words)) for words in ((0,), (0,), (1,))
    )
    assert torch.equal(first.centers, again.centers)
    assert not torch.equal(first.centers, other.centers)
    assert first.parameter_count() == 10 * 2 + 10 * 3 + 9 + 6
