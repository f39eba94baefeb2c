"""Ridge against the normal equations and SciPy."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import torch

from dynamark.tasks.numerics.least_squares import ridge, ridge_path, validated_ridge


def problem(samples: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(samples, 6, generator=draw, dtype=torch.float64) * torch.tensor([1, 10, 0.1, 1, 1, 5.0])
    weights = torch.randn(6, 2, generator=draw, dtype=torch.float64)
    return features, features @ weights + 0.3 * torch.randn(samples, 2, generator=draw, dtype=torch.float64)


def test_ridge_is_least_squares_with_extra_rows() -> None:
    features, targets = problem()
    extended = np.vstack([features.numpy(), np.sqrt(0.7) * np.eye(6)])
    expected = scipy.linalg.lstsq(extended, np.vstack([targets.numpy(), np.zeros((6, 2))]))[0]
    np.testing.assert_allclose(ridge(features, targets, 0.7), expected, rtol=1e-10)


def test_ridge_solves_seeds_together() -> None:
    features, targets = problem()
    both = ridge(torch.stack([features, 2 * features]), torch.stack([targets, targets]), 1e-3)
    np.testing.assert_allclose(both[1], ridge(2 * features, targets, 1e-3), rtol=1e-12)


def test_the_path_agrees_with_single_solves_in_scaled_columns() -> None:
    features, targets = problem()
    scale = features.square().mean(0).sqrt()
    for penalty, weights in zip([1e-9, 1e-2, 1.0], ridge_path(features, targets, [1e-9, 1e-2, 1.0]), strict=True):
        expected = ridge(features / scale, targets, penalty * len(features)) / scale[:, None]
        np.testing.assert_allclose(weights, expected, rtol=1e-7)


def test_validation_prefers_little_shrinkage_without_noise_and_more_with_few_noisy_samples() -> None:
    features, _ = problem(400)
    clean = features @ torch.ones(6, 1, dtype=torch.float64)
    remaining = validated_ridge(features[:200], clean[:200], features[200:], clean[200:])
    np.testing.assert_allclose(remaining, 1.0, rtol=1e-6)
    noise = 30 * torch.randn(400, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shrunk = validated_ridge(features[:8], noise[:8], features[200:], noise[200:])
    assert shrunk.norm() < 0.5 * ridge(features[:8], noise[:8], 1e-10).norm()


def test_a_column_of_zeros_gets_no_weight() -> None:
    features, targets = problem()
    features[:, 2] = 0
    assert ridge_path(features, targets, [1e-6])[0, 2].abs().max() < 1e-7


def test_dependent_columns_share_their_weight() -> None:
    """Equal columns, and fewer samples than columns: the shortest of many minimizers, where a Gram matrix is singular."""
    features, targets = problem()
    doubled = torch.cat([features, features], dim=1)
    np.testing.assert_allclose(ridge(doubled, targets, 0.0)[:6], ridge(features, targets, 0.0) / 2, rtol=1e-9)
    wide = ridge(features[:3], targets[:3], 0.0)
    np.testing.assert_allclose(wide, np.linalg.pinv(features[:3].numpy()) @ targets[:3].numpy(), rtol=1e-9)
    path = ridge_path(doubled, features @ torch.ones(6, 2, dtype=torch.float64), [0.0])[0]
    np.testing.assert_allclose(path, 0.5, rtol=1e-9)


def test_small_directions_keep_their_digits() -> None:
    """Two columns that differ by 1e-9: the normal equations know nothing of their difference, whose weight is 1 here."""
    draw = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 50, generator=draw, dtype=torch.float64)
    features = torch.stack([first, first + 1e-9 * second], dim=1)
    targets = (features[:, 1:] - features[:, :1]) * 1e9
    fitted = features @ ridge_path(features, targets, [0.0])[0]
    # What backward stable arithmetic leaves, whatever the order of its sums; the normal equations miss by 1.
    rounding = 20 * np.finfo(float).eps * np.linalg.cond(features)
    assert rounding < 1e-4
    np.testing.assert_allclose(fitted, targets, rtol=0, atol=rounding)
