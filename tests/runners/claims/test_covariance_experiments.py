"""Smoothed minimizers and critical points of the Bures-Wasserstein loss (D24), and broken versions of them."""

from __future__ import annotations

import pytest
import torch
from measured_claims import verdict
from sensing_support import normals

from dynamark.runners.claims.sensing import experiments_critical_points as critical_points
from dynamark.runners.claims.sensing import experiments_smoothing as smoothing
from dynamark.runners.claims.sensing.experiments_covariance import bures_wasserstein
from dynamark.tasks.problems import Run

VALUES = torch.linspace(2, 0.25, 5, dtype=torch.float64)


def test_d24_three_factors() -> None:
    """At small size, what the claim asks for."""
    values = smoothing.SmoothedLoss(depth=3, n=5).measure(Run([0])).values
    assert values["gap_slope"] == pytest.approx(1, abs=0.01)
    assert values["curvature_slope"] == pytest.approx(-1, abs=0.01)
    assert max(values["frobenius_distance"], abs(values["frobenius_slope"])) < 1e-3
    values = critical_points.CriticalPoints(depth=3, n=5, starts=8).measure(Run([0])).values
    assert max(values["spectrum"], values["subset"]) < 1e-6
    assert values["subsets"] >= 2
    assert values["left"] == values["returned"] == 1


def test_the_smoothed_loss_is_the_distance_to_the_sum_of_covariances() -> None:
    """Against the loss at a square root of W W^T + eps I."""
    root, w = VALUES.sqrt().diag(), normals(5, 2)
    covariance = w @ w.T + 0.1 * torch.eye(5, dtype=torch.float64)
    expected = bures_wasserstein(root, torch.linalg.cholesky(covariance))
    assert float(smoothing.smoothed_loss(root, w, 0.1)) == pytest.approx(float(expected))


def test_the_smallest_curvature_has_its_closed_form() -> None:
    """At W = E diag(1, delta) in eigenvectors of S: 2 - 2 lambda/(sqrt(lambda_k) delta), lambda the largest one outside."""
    delta, root = 1e-2, VALUES.sqrt().diag()
    w = torch.zeros(5, 2, dtype=torch.float64)
    w[2, 0], w[3, 1] = 1, delta
    low, high = smoothing.extreme_curvatures(lambda x: bures_wasserstein(root, x), w)
    assert low == pytest.approx(2 - 2 * float(VALUES[0] / VALUES[3].sqrt()) / delta)
    assert high == pytest.approx(2)


def test_the_gradient_is_that_of_the_loss_and_of_its_factors() -> None:
    factors = [normals(3, 5, 4, seed=1), normals(3, 4, 4, seed=2), normals(3, 4, 2, seed=3)]
    for factor in factors:
        factor.requires_grad_(True)
    total = sum(bures_wasserstein(VALUES.sqrt().diag(), a @ b @ c) for a, b, c in zip(*factors, strict=True))
    expected = torch.autograd.grad(total, factors)  # type: ignore[arg-type]  # three terms
    fields = critical_points._field(VALUES, [factor.detach() for factor in factors])
    for field, gradient in zip(fields, expected, strict=True):
        assert torch.allclose(field, -gradient, atol=1e-10)


def test_flow_is_of_order_four() -> None:
    """One direction of W of rank 1 in an eigenvector: w' = 2 (sqrt(lambda) - w)."""
    exact = 1 + (0.3 - 1) * torch.exp(torch.tensor(-2.0, dtype=torch.float64))
    errors = []
    for step in (0.1, 0.05):
        start = [torch.tensor([[[0.3], [0.0]]], dtype=torch.float64)]
        (end,) = critical_points.flowed(torch.tensor([1.0, 0.5], dtype=torch.float64), start, step, 1.0, 0.0)
        errors.append(abs(float(end[0, 0, 0] - exact)))
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.2)


def test_broken_smoothing_moves_the_minimizer_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """W W^T + sqrt(eps) I in place of W W^T + eps I."""
    true = smoothing.smoothed_loss
    monkeypatch.setattr(smoothing, "smoothed_loss", lambda root, w, epsilon: true(root, w, epsilon**0.5))
    assert smoothing.SmoothedLoss(n=5).measure(Run([0])).values["gap_slope"] < 0.6
    assert verdict("D24", n=5, starts=1, steps=40, time=2.0) == "not reproduced"


def test_another_loss_with_the_minimizers_has_another_curvature(monkeypatch: pytest.MonkeyPatch) -> None:
    """|S - W W^T|^2 passes what C30 checks."""
    monkeypatch.setattr(smoothing, "bures_wasserstein", smoothing._frobenius)
    assert smoothing.SmoothedLoss(n=5).measure(Run([0])).values["curvature_slope"] > -0.1
    assert verdict("D24", n=5, starts=1, steps=40, time=2.0) == "not reproduced"


def test_broken_flow_reaches_other_spectra(monkeypatch: pytest.MonkeyPatch) -> None:
    """With half of the nuclear norm the eigenvalues are a quarter of those of S."""
    true = critical_points.loss_gradient
    monkeypatch.setattr(critical_points, "loss_gradient", lambda values, w: w + true(values, w) / 2)
    values = critical_points.CriticalPoints(n=5, starts=4, time=20.0).measure(Run([0])).values
    assert values["spectrum"] > 0.1
    assert verdict("D24", n=5, starts=1, steps=40, time=2.0) == "not reproduced"
