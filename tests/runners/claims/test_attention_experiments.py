"""Filter attention: closed forms against a simulation, broken twins of L34, L35 and L46."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.methods.sequence import attention
from dynamark.runners.claims.lds import experiments_attention
from dynamark.runners.claims.lds.experiments_attention import AttentionLimit, FilterWeights, error_of, kalman_weights
from dynamark.tasks.problems import Run


def test_the_weights_and_errors_are_those_of_least_squares() -> None:
    """The Kalman weights minimize the error, which is computed from the covariance of all samples at once."""
    pole, process, measured, count = 0.9 * np.exp(0.4j), 0.3, 0.5, 6
    weights = kalman_weights(pole, process, measured, 1e9, count)[-1]
    # Errors of the propagated samples: noise of the measurement, and of the process after each.
    paths = np.zeros((count, 2 * count), dtype=complex)
    for j in range(count):
        paths[j, j] = pole ** (count - 1 - j) * measured**0.5
        for s in range(j + 1, count):
            paths[j, count + s] = -(pole ** (count - 1 - s)) * process**0.5
    covariance = paths @ paths.conj().T
    a = np.linalg.solve(covariance.conj(), np.ones(count))
    a /= a.sum()
    np.testing.assert_allclose(weights, a * pole ** np.arange(count)[::-1], atol=1e-7)
    assert error_of(weights, pole, process, measured) == pytest.approx((a @ covariance @ a.conj()).real, rel=1e-6)
    other = np.full(count, 1 / count) * pole ** np.arange(count)[::-1]
    assert error_of(other, pole, process, measured) == pytest.approx(covariance.sum().real / count**2)


def test_l34_fails_if_the_variance_grows_with_the_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: the inverse of the decay, the wrong sign of its exponent."""
    assert FilterWeights().measure(Run((0,))).values["difference"] < 1e-6
    right = attention.path_variance
    monkeypatch.setattr(experiments_attention, "path_variance", lambda decayed, *more: right(1 / decayed, *more))
    assert FilterWeights().measure(Run((0,))).values["difference"] > 1e-3


def test_l35_fails_without_the_number_of_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: |r|^2 / (nu V) instead of |r|^2 / (nu m V)."""
    assert AttentionLimit().measure(Run((0,))).values["scaled_difference"] < 1.5
    right = attention.filter_logits
    monkeypatch.setattr(
        experiments_attention, "filter_logits", lambda r, v, power, robust, scale: right(r, v, power, robust, scale / 8)
    )
    assert AttentionLimit().measure(Run((0,))).values["scaled_difference"] > 1.5


def test_l46_the_forecast_uses_the_gap_to_the_next_sample() -> None:
    """A layer whose last rotation ignores the gap, the broken twin, gives the same output for every last gap."""
    layer = attention.AdaptiveFilterAttention().layer(2, 1, 8, Run((0,)).generator)
    x = torch.from_numpy(np.random.default_rng(0).uniform(size=(1, 8, 2))).float()
    later = x.clone()
    later[0, -1, -1] += 1.0
    moved = (layer(later) - layer(x)).detach().abs()[0, :, 0]
    assert float(moved[:-1].max()) == 0.0
    assert float(moved[-1]) > 1e-3
