"""Signatures against their definition, the two regressions against their conditions, and a broken twin of L38."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dynamark.runners.claims.lds import experiments_lasso
from dynamark.runners.claims.lds.experiments_lasso import SignatureRegression, lasso, outputs, path, ridge, signatures
from dynamark.tasks.problems import Run

SMALL = SignatureRegression(samples=10, train=60, test=40, orders=(1, 2))


def test_a_straight_line_has_the_signature_of_its_powers() -> None:
    d = np.random.default_rng(0).standard_normal(3)
    levels = signatures(np.repeat(d[None, None] / 7, 7, axis=1), 4)
    assert [level.shape[1] for level in levels] == [3, 9, 27, 81]
    power = np.ones(1)
    for k, level in enumerate(levels, 1):
        power = np.outer(power, d).ravel()
        np.testing.assert_allclose(level[0], power / math.factorial(k), rtol=1e-12)


def test_level_two_is_the_iterated_integral_and_level_three_satisfies_shuffle_products() -> None:
    d = np.random.default_rng(1).standard_normal((6, 2))
    one, two, three = (level[0] for level in signatures(d[None], 3))
    x = np.concatenate([np.zeros((1, 2)), np.cumsum(d, axis=0)])
    middle = (x[:-1] + x[1:]) / 2
    np.testing.assert_allclose(two.reshape(2, 2), middle.T @ d, rtol=1e-12)
    cube = three.reshape(2, 2, 2)
    product = np.einsum("i,jk->ijk", one, two.reshape(2, 2))
    shuffled = cube + cube.transpose(1, 0, 2) + cube.transpose(2, 0, 1)  # ijk + jik + jki
    np.testing.assert_allclose(product, shuffled, rtol=1e-10, atol=1e-12)


def test_ridge_and_lasso_satisfy_their_conditions() -> None:
    rng = np.random.default_rng(2)
    z = rng.standard_normal((80, 12))
    y = z[:, :3] @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(80)
    penalties = 10.0 ** np.arange(-6, 2)
    for weights, sparse in zip(ridge(z, y), lasso(z, y), strict=True):
        assert weights.shape == sparse.shape == (12,)
    for penalty, weights, sparse in zip(penalties, ridge(z, y), lasso(z, y), strict=True):
        np.testing.assert_allclose(z.T @ (y - z @ weights) / 80, penalty * weights, atol=1e-12)
        correlation = z.T @ (y - z @ sparse) / 80
        assert np.abs(correlation).max() <= penalty + 1e-10
        np.testing.assert_allclose(correlation[sparse != 0], penalty * np.sign(sparse[sparse != 0]), atol=1e-10)


def test_the_output_of_commuting_fields_is_a_function_of_the_end_point() -> None:
    """With equal slopes w and levels v, dy = tanh(w y + v) d(x_1 + x_2 + x_3), whose solution is known."""
    rng = np.random.default_rng(3)
    waves, t = rng.standard_normal((4, 4, 3)), rng.uniform(0.2, 1.0, (4, 5))
    y = outputs(waves, t, (np.stack([np.full(3, 0.8), np.full(3, 0.3)]), 0.5))
    total = path(waves, t)[..., 1:].sum(axis=-1)
    expected = (np.arcsinh(np.sinh(0.8 * 0.5 + 0.3) * np.exp(0.8 * total)) - 0.3) / 0.8
    np.testing.assert_allclose(y, expected, atol=1e-4)


def test_l38_fails_when_the_features_of_higher_order_are_of_other_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: the levels above the first belong to another path."""
    right = SMALL.measure(Run((0,))).values
    assert right["error_2"] < right["error_1"]
    monkeypatch.setattr(
        experiments_lasso, "signatures", lambda d, k: [signatures(d, k)[0], *signatures(d[::-1], k)[1:]]
    )
    broken = SMALL.measure(Run((0,))).values
    assert broken["error_2"] > broken["error_1"]
