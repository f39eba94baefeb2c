"""Scores of features against singular values that are known, and trained features on a process with a known spectrum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.methods.koopman.dpnets import LearnedFeatures, PairNetwork, feature_loss, metric_distortion
from dynamark.tasks.problems import Forecasting, Run, Trajectories

SINGULAR = torch.tensor([1.0, 0.6, 0.3], dtype=torch.float64)


def correlated(n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Orthonormal f and g [n, 3] with cross covariance diag(SINGULAR), exactly."""
    q = torch.linalg.qr(torch.randn(n, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q * n**0.5
    f, other = q[:, :3], q[:, 3:]
    return f, f * SINGULAR + other * (1 - SINGULAR**2).sqrt()


def test_scores_of_orthonormal_features_are_sums_of_squared_singular_values() -> None:
    f, g = correlated()
    total = float(SINGULAR.square().sum())
    assert float(feature_loss(f, g, "relaxed")) == pytest.approx(-total)
    assert float(feature_loss(f, g, "projection")) == pytest.approx(-total, rel=1e-5)
    assert float(feature_loss(f, g, "contrastive")) == pytest.approx(3 - 2 * float(SINGULAR.sum()))


def test_vamp_does_not_depend_on_the_basis_and_the_relaxed_score_bounds_it() -> None:
    f, g = correlated()
    mix = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert float(feature_loss(f @ mix, g, "vamp")) == pytest.approx(float(feature_loss(f, g, "vamp")), rel=1e-4)
    relaxed, exact = (float(feature_loss(f @ mix, g, s, gamma=0.0)) for s in ("relaxed", "projection"))  # type: ignore[arg-type]
    assert relaxed > exact  # losses: the relaxed score is the smaller


def test_the_contrastive_loss_is_least_at_scaled_singular_functions() -> None:
    f, g = correlated()
    best = float(feature_loss(f * SINGULAR.sqrt(), g * SINGULAR.sqrt(), "contrastive"))
    assert best == pytest.approx(-float(SINGULAR.square().sum()))
    assert best < float(feature_loss(f * 0.9, g * 0.9, "contrastive"))


def test_the_metric_distortion_is_zero_at_the_identity_alone() -> None:
    assert float(metric_distortion(torch.eye(4), 4)) == pytest.approx(0)
    assert float(metric_distortion(2 * torch.eye(4), 4)) == pytest.approx(2 - np.log(2))
    assert float(metric_distortion(torch.zeros(4, 4), 4)) > 20
    padded = torch.nn.functional.pad(2 * torch.eye(3), (0, 5, 0, 5))
    assert float(metric_distortion(padded, 3)) == pytest.approx(2 - np.log(2))


@pytest.mark.parametrize("score", ["relaxed", "projection", "vamp", "contrastive"])
def test_the_bits_of_seven_features_depend_on_no_neighbor(score: str) -> None:
    method = LearnedFeatures(score, features=7, hidden=(16,), steps=10, batch=256)  # type: ignore[arg-type]
    problem = ou(0, 1000)
    two, five = (
        method.fit_forecasters([problem] * n, [Run((i + 3 - p,)) for i in range(n)]) for n, p in ((2, 0), (5, 3))
    )
    assert torch.equal(two[0].matrix, five[3].matrix)


def ou(seed: int, count: int = 4000) -> Forecasting:
    """Pairs of the Ornstein-Uhlenbeck process at lag 1/2: eigenvalues e^{-k/2}."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(count)
    y = np.exp(-0.5) * x + np.sqrt(1 - np.exp(-1.0)) * rng.standard_normal(count)
    given = Trajectories(torch.from_numpy(np.stack([x, y], axis=1)[..., None]))
    return Forecasting(given, given)


@pytest.mark.parametrize("score", ["relaxed", "projection", "vamp", "contrastive"])
def test_trained_features_find_the_leading_spectrum(score: str) -> None:
    method = LearnedFeatures(score, features=3, hidden=(16, 16), steps=200, batch=1000, rate=1e-2)  # type: ignore[arg-type]
    first, second = method.fit_forecasters([ou(0), ou(1)], [Run((0,)), Run((1,))])
    truth = np.exp([0, -0.5, -1.0])
    for model in (first, second):
        eigenvalues = model.eigenvalues().numpy()
        assert np.abs(eigenvalues[:, None] - truth).min(axis=0).max() < 0.08
    start = Trajectories(torch.tensor([[[1.0]], [[-0.5]]], dtype=torch.float64))
    expected = np.exp(-0.5 * np.arange(1, 3)) * np.array([[1.0], [-0.5]])
    np.testing.assert_allclose(first.forecast(start, 2)[..., 0], expected, atol=0.12)


def test_networks_start_within_the_bounds_of_their_authors_code() -> None:
    first, _, second, _, last = PairNetwork((2, 16, 48, 5), biases=False).now
    for layer, bound in ((first, 1.0), (second, (3 / 16) ** 0.5), (last, (3 / 48) ** 0.5)):
        assert 0.8 * bound < float(layer.weight.detach().abs().max()) <= bound  # type: ignore[operator, union-attr]
    assert (first.bias, second.bias) == (None, None)
    assert torch.equal(last.bias, torch.zeros(5))  # type: ignore[arg-type]


def test_features_of_one_coordinate_are_no_homogeneous_functions() -> None:
    """Without hidden biases every f spans {1, max(x, 0), min(x, 0)} alone, so that all losses have one score."""
    x = torch.linspace(-2, 2, 41)[:, None]
    ranks = []
    for biases in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            features = PairNetwork((1, 16, 16, 7), biases).now(x)
        centered = features - features[20]
        ranks.append(int(torch.linalg.matrix_rank(centered.detach().double(), rtol=1e-5)))
    assert ranks == [2, 7]


def test_losses_differ_in_what_they_find() -> None:
    """On a process of one coordinate, after equal short training."""
    runs = [Run((0,)), Run((1,))]
    spectra = [
        LearnedFeatures(score, features=4, hidden=(16,), steps=30, batch=512, rate=3e-3)  # type: ignore[arg-type]
        .fit_forecasters([ou(0), ou(1)], runs)[0]
        .eigenvalues()
        for score in ("relaxed", "vamp")
    ]
    second, third = (sorted(values.abs().tolist())[-3:-1] for values in spectra)
    assert np.abs(np.array(second) - np.array(third)).max() > 1e-3


def test_angles_are_shown_on_the_circle() -> None:
    model = LearnedFeatures(circle=True, features=2, hidden=(8,), steps=2, batch=64).fit_forecasters(
        [ou(0, 200)] * 2, [Run((i,)) for i in range(2)]
    )[0]
    x = torch.tensor([[[0.1]], [[1.1]]], dtype=torch.float64)
    values = model.eigenfunctions(x)
    torch.testing.assert_close(values[0], values[1])
