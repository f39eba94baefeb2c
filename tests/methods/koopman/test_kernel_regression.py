"""Kernel regressions against explicit features and their defining optimality."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from koopman_problems import linear_paths, posed

from dynamark.errors import UserError
from dynamark.methods.koopman.kernel_regression import KERNELS, KernelKoopman, kernel_matrix
from dynamark.tasks.problems import Run, Trajectories

PATHS = linear_paths(torch.tensor([[0.8, 0.2], [-0.2, 0.7]], dtype=torch.float64), 15, 4)
X, Y = PATHS[:, :-1].flatten(0, 1), PATHS[:, 1:].flatten(0, 1)
SCALE, RIDGE, N = 1.3, 1e-3, 60


def gaussian(x: torch.Tensor, y: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.exp(-(x[:, None] - y).square().sum(-1) / (2 * scale**2))


def whitened() -> tuple[np.ndarray, np.ndarray]:
    """Features [point, feature] of the RKHS on the span of all points: k(p, q) = phi(p).phi(q) exactly."""
    both = torch.cat([X, Y])
    values, vectors = np.linalg.eigh(gaussian(both, both, SCALE).numpy())
    features = vectors * np.sqrt(np.maximum(values, 0))
    return features[:N], features[N:]


@pytest.mark.parametrize("rank", [2, 5])
def test_reduced_rank_regression_is_the_best_operator_of_its_rank(rank: int) -> None:
    """C^{-1/2} [[C^{-1/2} T]]_r in explicit features, C = phi'phi/n + ridge, T = phi' psi/n."""
    phi, psi = whitened()
    covariance = phi.T @ phi / N + RIDGE * np.eye(phi.shape[1])
    values, vectors = np.linalg.eigh(covariance)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    u, s, vh = np.linalg.svd(root @ phi.T @ psi / N)
    operator = root @ u[:, :rank] @ np.diag(s[:rank]) @ vh[:rank]
    expected = np.linalg.eigvals(operator)
    expected = expected[np.argsort(-np.abs(expected))][:rank]
    model = KernelKoopman("rrr", rank, RIDGE, scale=SCALE).fit_forecaster(posed(PATHS), Run())
    eigenvalues = model.eigenvalues().numpy()
    assert np.abs(eigenvalues[:, None] - expected).min(axis=0).max() < 1e-7


def test_ridge_regression_predicts_as_kernel_ridge_regression() -> None:
    model = KernelKoopman("krr", ridge=RIDGE, scale=SCALE).fit_forecaster(posed(PATHS), Run())
    k = gaussian(X, X, SCALE).numpy()
    unseen = torch.randn(6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = gaussian(unseen, X, SCALE).numpy() @ np.linalg.solve(k + N * RIDGE * np.eye(N), Y.numpy())
    np.testing.assert_allclose(model.forecast(Trajectories(unseen[:, None]), 1)[:, 0], expected, atol=1e-9)


def test_principal_components_of_full_rank_are_ridge_regression() -> None:
    full, components = (
        KernelKoopman(name, 60, RIDGE, scale=SCALE).fit_forecaster(posed(PATHS), Run()) for name in ("krr", "pcr")
    )
    start = Trajectories(X[:5, None])
    np.testing.assert_allclose(full.forecast(start, 4), components.forecast(start, 4), atol=1e-8)


def test_eigenfunctions_move_by_their_eigenvalue_where_the_system_is_learnt() -> None:
    model = KernelKoopman("krr", ridge=1e-10, scale=10**0.5).fit_forecaster(posed(PATHS), Run())
    held_out = linear_paths(torch.tensor([[0.8, 0.2], [-0.2, 0.7]], dtype=torch.float64), 30, 1, seed=4) * 0.5
    values = model.eigenvalues()
    linear = (
        (values - torch.linalg.eigvals(torch.tensor([[0.8, 0.2], [-0.2, 0.7]], dtype=torch.float64))[0]).abs().argmin()
    )
    before, after = (model.eigenfunctions(held_out[:, i : i + 1])[:, linear] for i in (0, 1))
    assert (after - values[linear] * before).norm() < 0.02 * before.norm()


def test_points_are_thinned_evenly() -> None:
    model = KernelKoopman(points=20, rank=3).fit_forecaster(posed(PATHS), Run())
    assert len(model.centers) == 20
    assert torch.equal(model.centers[[0, -1]], X[[0, -1]])
    assert model.parameter_count() == 20 * 2 + 20 * 3 + 9 + 6


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_kernels_are_one_at_distance_zero_and_positive_definite(name: str) -> None:
    result = kernel_matrix(name, X, X, SCALE)
    assert torch.equal(result.diagonal(), torch.ones(N, dtype=torch.float64))
    assert torch.linalg.eigvalsh(result)[0] > -1e-12
    assert kernel_matrix(name, X[:1], X[:1] + 3.0, SCALE)[0, 0] < 0.2


def test_matern_kernels_tend_to_the_gaussian_at_short_distance() -> None:
    """k = 1 - c r^2 + ..., c = 3/2 and 5/6 (and 1/2 of the Gaussian)."""
    near = torch.tensor([[0.0], [1e-4]], dtype=torch.float64)
    for name, curvature in (("matern32", 1.5), ("matern52", 5 / 6), ("gaussian", 0.5)):
        drop = 1 - float(kernel_matrix(name, near[:1], near[1:], 1.0))
        assert drop == pytest.approx(curvature * 1e-8, rel=1e-3)


def test_an_unknown_kernel_is_named() -> None:
    with pytest.raises(UserError, match="matern32"):
        kernel_matrix("matern23", X, X, SCALE)
