"""Scores of generators (K44 to K46) and bounds of latent models (L47), small; broken twins must not pass for them."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.runners.claims.koopman import experiments_generation as generation
from dynamark.runners.claims.koopman.generation import K44
from dynamark.runners.claims.lds.experiments_latents import evidence
from dynamark.tasks.lds.irregular import Irregular
from dynamark.tasks.numerics import generators
from dynamark.tasks.numerics.generators import discriminative, memorized
from dynamark.tasks.problems import Run

RNG = np.random.default_rng


def test_true_series_are_not_told_apart_and_shifted_ones_always_are() -> None:
    rng = RNG(0)
    one, two = rng.standard_normal((2, 400, 5, 2))
    assert discriminative(one, two) < 0.12
    assert discriminative(one, two + 4) > 0.45
    assert discriminative(1e6 * one, 1e6 * two) == discriminative(one, two)


def test_copies_are_found() -> None:
    rng = RNG(1)
    train, real, other = rng.standard_normal((3, 300, 4, 1))
    assert memorized(train, real, train) == 1.0
    assert memorized(train, real, other) < 0.05
    assert memorized(train, real, np.concatenate([other[:150], train[:150]])) == pytest.approx(0.5, abs=0.03)


def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    monkeypatch.setattr(generators, "_DRAWS", 1)
    return dict(generation.KnownGenerators(count=400).measure(Run([0])).values)


def test_k44_orders_generators(monkeypatch: pytest.MonkeyPatch) -> None:
    values = measured(monkeypatch)
    assert values["distance_mean"] > 3 * values["distance_independent"] > 9 * values["distance_gaussian"]
    assert values["discriminative_mean"] > 0.45
    assert values["discriminative_gaussian"] > 0.2
    assert values["memorized_copy"] == 1.0
    assert len(K44.checks) == 6


def test_k44_a_classifier_without_labels_and_a_distance_of_means_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twins: a judge that answers at random cannot reject the constant mean; a distance of means sees no spread."""
    right = generators._told_apart
    monkeypatch.setattr(generators, "_told_apart", lambda x, y, rng: right(x, rng.permutation(y), rng))
    monkeypatch.setattr(
        generation, "energy_distance", lambda a, b: float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))
    )
    values = measured(monkeypatch)
    assert values["discriminative_mean"] < 0.45
    assert values["distance_mean"] < 3 * values["distance_independent"]


def test_gaussian_fits_have_the_covariance_of_the_series() -> None:
    train = generation.sines(500, RNG(2))
    assert (train >= 0.5 - 0.01).all()
    assert (train <= 1).all()
    drawn = generation.gaussian_fit(train, 20_000, RNG(3)).reshape(20_000, -1)
    assert np.abs(np.cov(drawn.T) - np.cov(train.reshape(500, -1).T)).max() < 0.005


def test_k46_a_network_without_training_has_no_eigenvalue_on_the_circle() -> None:
    """Broken twin of K46: the penalty is not applied."""
    values = generation.SineVAE(spectrum=100.0, steps=1, count=40).measure(Run([0])).values
    assert values["largest_gap"] > 0.05
    assert values["distance"] > values["gaussian"]


def test_l47_the_evidence_is_that_of_the_joint_gaussian() -> None:
    task = Irregular(oscillators=2, length=6, train=1, validation=1, test=4)
    data, system = task.data(3), task.system(3)
    for y, gaps, computed in zip(data["test.y"], data["test.gaps"], evidence(task, 3), strict=True):
        times = np.cumsum(gaps)
        lags = np.abs(times[:, None] - times)[..., None]
        covariance = (np.exp(-system.damping * lags) * np.cos(system.frequency * lags)).mean(-1)
        covariance += task.level**2 * np.eye(6)
        expected = -(y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2
        assert computed == pytest.approx(expected)
