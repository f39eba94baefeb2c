"""Claims of the edge of stability, of acceleration and of square roots: at small size, and broken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from measured_claims import verdict

from dynamark.runners.claims.sensing import experiments_acceleration as acceleration
from dynamark.runners.claims.sensing import experiments_edge as edge
from dynamark.runners.claims.sensing import experiments_square_root as square_root
from dynamark.tasks.problems import Run

QUICK: dict[str, dict[str, Any]] = {
    "D15": {"epsilons": (0.01, 0.005), "steps": 10_000},
    "D16": {"steps": 10_000},
    "D11": {},
    "D12": {},
    "D18": {"matrices": 4, "n": 16},
    "D19": {"matrices": 2},
}


@pytest.mark.parametrize("name", list(QUICK))
def test_the_claim_holds_on_the_measurement(name: str) -> None:
    assert verdict(name, **QUICK[name]) == "reproduced"


def test_starts_have_the_output_and_the_sharpness_asked_for() -> None:
    epsilon = np.array([0.01, 0.1])
    theta = edge.start_of(np.array([0.1, -0.2]), np.array([2.2, 1.5]), epsilon)
    assert 0.5 * (theta[:, 0] ** 2 - epsilon * theta[:, 1] ** 2) == pytest.approx([0.1, -0.2])
    assert theta[:, 0] ** 2 + epsilon**2 * theta[:, 1] ** 2 == pytest.approx([2.2, 1.5])


def test_the_edge_solves_its_equation() -> None:
    for radius in (1e-6, 0.1, 0.3):
        sharpness = edge.edge_of(radius)
        assert sharpness * (1 + radius * sharpness) == pytest.approx(2)
    assert edge.edge_of(0.0) == 2


def test_broken_descent_of_another_loss_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of the loss f^2 instead of f^2/2 has its edge at 1."""
    descend = edge._descend
    monkeypatch.setattr(edge, "_descend", lambda theta, q, rate, steps: descend(theta, q, 2 * rate, steps))
    assert verdict("D15", **QUICK["D15"]) != "reproduced"
    assert verdict("D16", **QUICK["D16"]) != "reproduced"


SAM = {"epsilons": (0.05,), "starts": 100, "steps": 2500}


@pytest.mark.parametrize("radius", [0.0, 0.1])
def test_runs_end_at_or_below_their_edge(radius: float) -> None:
    values = edge.SharpnessAwareEdge(radius=radius, **SAM).measure(Run([0])).values
    assert values["over"] < 1e-6
    assert values["reached"] > 0.97
    assert values["runs"] > 20


def test_broken_perturbation_exceeds_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain descent under the name of the perturbed one fails the claim."""
    gradient = edge.SharpnessAwareEdge._gradient

    def plain(self: Any, theta: Any, offset: Any, q: Any, output: Any) -> Any:
        return gradient(edge.SharpnessAwareEdge(radius=0.0), theta, offset, q, output)

    monkeypatch.setattr(edge.SharpnessAwareEdge, "_gradient", plain)
    assert edge.SharpnessAwareEdge(radius=0.1, **SAM).measure(Run([0])).values["over"] > 1e-2


def test_broken_slope_has_no_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quadratic in place of the function with three pieces."""
    monkeypatch.setattr(acceleration, "piecewise_slope", lambda x: 25 * x)
    assert verdict("D11") == "not reproduced"


def test_broken_equation_of_the_heavy_ball_is_not_nesterovs(monkeypatch: pytest.MonkeyPatch) -> None:
    solution = acceleration.NesterovODE._solution
    monkeypatch.setattr(acceleration.NesterovODE, "_solution", lambda self, q, term: solution(self, q, 0.0))
    assert verdict("D12") == "not reproduced"


@pytest.mark.parametrize("order", [1, 3, 5])
def test_the_fractions_are_those_of_pade(order: int) -> None:
    """The approximant of a root agrees with it to order 2 M at 0; [1/1] is (1 - 3 z/4)/(1 - z/4)."""
    p, q = square_root._fractions(order)
    z = 1e-2
    error = abs(np.polyval(p[::-1], z) / np.polyval(q[::-1], z) - np.sqrt(1 - z))
    assert error < 10 * z ** (2 * order + 1)
    if order == 1:
        assert p == pytest.approx([1, -0.75])
        assert q == pytest.approx([1, -0.25])


def test_broken_roots_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The approximants of another order, and a gradient without the middle term."""
    monkeypatch.setattr(square_root, "pade", lambda a, order: square_root.taylor(a, order))
    assert verdict("D18", **QUICK["D18"]) == "not reproduced"

    def transposed(root: torch.Tensor, right: torch.Tensor, steps: int) -> torch.Tensor:
        values, vectors = torch.linalg.eigh(root)
        return vectors @ (vectors.mT @ right @ vectors / (2 * values[..., :, None])) @ vectors.mT

    monkeypatch.setattr(square_root, "sylvester", transposed)
    assert verdict("D19", **QUICK["D19"]) == "not reproduced"


def test_the_gradient_solves_its_equation() -> None:
    run = Run([3])
    root = square_root._exact_root(square_root._positive(run, 2, 6, 10.0))
    right = torch.randn(2, 6, 6, generator=run.generator, dtype=torch.float64)
    x = square_root.sylvester(root, right, 12)
    assert (root @ x + x @ root - right).abs().max() < 1e-12
