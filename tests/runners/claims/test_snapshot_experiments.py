"""Densities between snapshots (X34, X35), small; broken twins must not pass for the claims."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm, wasserstein_distance

from dynamark.runners.claims.chaos import experiments_snapshots
from dynamark.runners.claims.chaos.experiments_snapshots import WellSnapshots, distance, transported, well_particles
from dynamark.runners.claims.chaos.snapshots import X34, X35
from dynamark.runners.claims.chaos.weight_paths import COMPONENTS, WeightFlow, anchors, log_density, sampled, straight
from dynamark.tasks.problems import Run


def weights(seed: int = 0) -> torch.Tensor:
    return torch.randn(3 * COMPONENTS, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_density_is_that_of_the_mixture_and_of_its_draws() -> None:
    theta = weights()
    x = torch.linspace(-30, 30, 20001, dtype=torch.float64)
    density = log_density(theta, x).exp().numpy()
    logits, means, log_sd = theta.numpy().reshape(3, COMPONENTS)
    shares = np.exp(logits) / np.exp(logits).sum()
    expected = (shares * norm.pdf(x.numpy()[:, None], means, np.exp(log_sd))).sum(axis=1)
    np.testing.assert_allclose(density, expected, atol=1e-12)
    drawn = sampled(theta, 100_000, np.random.default_rng(0))
    assert drawn.mean() == pytest.approx((shares * means).sum(), abs=0.03)
    assert drawn.var() == pytest.approx(np.trapezoid(density * x.numpy() ** 2, x.numpy()) - drawn.mean() ** 2, rel=0.05)


def test_distances_and_transport_in_one_dimension() -> None:
    x, y = np.random.default_rng(1).standard_normal((2, 200))
    y = 2 * y + 1
    assert distance(x, y) == pytest.approx(wasserstein_distance(x, y))
    middle = transported(x, y)
    assert distance(x, middle) == pytest.approx(distance(middle, y))
    assert distance(x, middle) + distance(middle, y) == pytest.approx(distance(x, y))


def test_particles_end_in_the_stationary_density_of_the_well() -> None:
    x = well_particles(4000, np.random.default_rng(2))
    assert x.shape == (13, 4000)
    assert x[0].std() == pytest.approx(0.3, rel=0.05)
    # The density exp(-2 V / s^2) of V = x^4/2 - x^2, s = .5.
    grid = np.linspace(-2.5, 2.5, 2001)
    density = np.exp(8 * (grid**2 - grid**4 / 2))
    expected = (density * grid**2).sum() / density.sum()
    assert np.square(x[-1]).mean() == pytest.approx(expected, rel=0.03)
    assert abs(np.corrcoef(x[-1], x[-2])[0, 1]) < 0.06


def test_anchors_fit_their_snapshots_and_lines_pass_through_them() -> None:
    rng = np.random.default_rng(3)
    data = torch.from_numpy(np.stack([rng.standard_normal(500), 3 + 0.5 * rng.standard_normal(500)]))
    for in_sequence in (True, False):
        fitted = anchors(data, in_sequence, 300, torch.Generator().manual_seed(0))
        true = [norm.logpdf(data[0]).mean(), norm.logpdf(data[1], 3, 0.5).mean()]
        assert (log_density(fitted, data).mean(1).numpy() > np.array(true) - 0.03).all()
    torch.testing.assert_close(straight(fitted, np.array([0.0, 2.0]), 2.0), fitted[1])
    torch.testing.assert_close(straight(fitted, np.array([0.0, 2.0]), 1.0), fitted.mean(0))


def test_a_flow_starts_at_its_first_anchor_and_follows_a_shift() -> None:
    rng = np.random.default_rng(4)
    data = torch.from_numpy(np.stack([k + 0.3 * rng.standard_normal(300) for k in range(3)]))
    times, generator = np.array([0.0, 2.0, 4.0]), torch.Generator().manual_seed(0)
    fitted = anchors(data, True, 200, generator)
    flow = WeightFlow.fitted(fitted, data, times, 300, generator)
    torch.testing.assert_close(flow.at(0.0), fitted[0])
    mean = sampled(flow.at(3.0), 4000, rng).mean()
    assert mean == pytest.approx(1.5, abs=0.25)


SMALL = {"particles": 300, "anchor_steps": 200, "flow_steps": 150}


def test_x34_and_x35_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    values = WellSnapshots(**SMALL).measure(Run([0])).values
    assert values["sequential_ratio"] < 0.5
    assert values["anchors_ratio"] > 0.5
    assert values["shuffled_ratio"] > 1.5
    assert values["floor"] < values["transport"] < values["earlier"]
    assert len(X34.checks) + len(X35.checks) == 3


def test_x34_weights_without_alignment_and_x35_a_flow_that_stands_still_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Broken twins: anchors of the sequence start at random too; the flow keeps its first weights."""
    right = experiments_snapshots.anchors
    monkeypatch.setattr(experiments_snapshots, "anchors", lambda x, _, *rest: right(x, False, *rest))
    values = WellSnapshots(**SMALL, frozen=True).measure(Run([0])).values
    assert values["sequential_ratio"] > 0.5
    assert values["transport_ratio"] > 2
    assert values["mixture_ratio"] > 2
