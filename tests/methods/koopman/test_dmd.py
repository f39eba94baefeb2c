"""DMD against dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from koopman_problems import linear_paths, posed, spectral_gap

from dynamark.methods.koopman.dmd import DMD, DMDModel, dmd
from dynamark.methods.trivial import Mean
from dynamark.tasks.problems import Run, Trajectories

STABLE = torch.tensor([[0.9, 0.3, 0.0], [-0.3, 0.9, 0.1], [0.0, 0.0, 0.5]], dtype=torch.float64)


@pytest.mark.parametrize("exact", [True, False])
def test_a_linear_system_is_recovered(exact: bool) -> None:
    model = DMD(exact=exact).fit_forecaster(posed(linear_paths(STABLE, 20, 5)), Run())
    unseen = linear_paths(STABLE, 4, 60, seed=1)
    np.testing.assert_allclose(model.forecast(Trajectories(unseen[:, :1]), 60), unseen[:, 1:], atol=1e-12)
    assert spectral_gap(model.eigenvalues(), np.linalg.eigvals(STABLE.numpy())) < 1e-11


@pytest.mark.parametrize(("pairs", "dim", "rank"), [(200, 8, 3), (10, 40, 4), (30, 6, 0)])
def test_the_rank_r_map_is_the_dense_one(pairs: int, dim: int, rank: int) -> None:
    """A = Y pinv(X_r), from NumPy's singular values; its eigenvalues are those of U* A U."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, pairs, dim)) @ np.diag(np.linspace(2, 0.5, dim))
    u, s, vh = np.linalg.svd(x.T, full_matrices=False)
    r = rank or len(s)
    dense = y.T @ vh[:r].T @ np.diag(1 / s[:r]) @ u[:, :r].T
    model = DMDModel(*dmd(torch.from_numpy(x), torch.from_numpy(y), rank), dim)
    np.testing.assert_allclose((model.basis @ model.step).T, dense, atol=1e-11)
    expected = np.linalg.eigvals(u[:, :r].T @ dense @ u[:, :r])
    assert spectral_gap(model.eigenvalues(), expected) < 1e-9
    state = torch.from_numpy(rng.standard_normal((3, 1, dim)))
    expected_states = [np.linalg.matrix_power(dense, n) @ state[0, 0].numpy() for n in (1, 2, 3)]
    np.testing.assert_allclose(model.forecast(Trajectories(state), 3)[0], expected_states, atol=1e-9)


def test_projected_steps_stay_in_the_span_of_the_leading_directions() -> None:
    rng = np.random.default_rng(1)
    x, y = (torch.from_numpy(part) for part in rng.standard_normal((2, 30, 5)))
    exact, projected = (DMDModel(*dmd(x, y, 2, exact=exact), 5) for exact in (True, False))
    assert spectral_gap(exact.eigenvalues(), projected.eigenvalues()) < 1e-12
    forecast = projected.forecast(Trajectories(x[:4, None]), 6)
    np.testing.assert_allclose(forecast @ projected.basis @ projected.basis.T, forecast, atol=1e-12)


def test_eigenfunctions_are_linear_and_move_by_their_eigenvalue() -> None:
    model = DMD().fit_forecaster(posed(linear_paths(STABLE, 20, 5)), Run())
    x = linear_paths(STABLE, 7, 1, seed=2)
    before, after = model.eigenfunctions(x[:, :1]), model.eigenfunctions(x[:, 1:])
    np.testing.assert_allclose(after, model.eigenvalues() * before, atol=1e-12)


def test_the_mean_forecasts_the_mean() -> None:
    paths = linear_paths(STABLE, 20, 5)
    model = Mean().fit_forecaster(posed(paths), Run())
    expected = paths.mean(dim=(0, 1)).expand(2, 7, 3)
    np.testing.assert_allclose(model.forecast(Trajectories(paths[:2, :1]), 7), expected, rtol=1e-14)
    assert model.eigenvalues().tolist() == [1, 0, 0, 0]
    shown = model.eigenfunctions(paths[:, :1])
    np.testing.assert_allclose(shown[:, 1:].real, paths[:, 0] - expected[0, 0], rtol=1e-12)
