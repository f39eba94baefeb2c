"""Optimized perturbations: a case with a known answer, and the broken twin of L45."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.runners.claims.lds.experiments_perturbation import PerturbedCondition
from dynamark.tasks.numerics import perturbation
from dynamark.tasks.numerics.hippo import legs
from dynamark.tasks.numerics.perturbation import condition_of, drawn_perturbations, optimized_perturbation
from dynamark.tasks.problems import Run


def test_a_jordan_block_has_a_known_optimum() -> None:
    """[[-1, 1], [e, -1]] has eigenvectors (1, +-sqrt e): condition 1/sqrt e, the least for |E|_2 <= e to first order."""
    a, size = np.array([[-1.0, 1.0], [0.0, -1.0]]), 1e-2
    start = drawn_perturbations(a, size, np.random.default_rng(0))[0]
    e = optimized_perturbation(a, start, size, steps=150)
    length = size * np.linalg.norm(a, 2)
    assert np.linalg.norm(e, 2) <= length * (1 + 1e-9)
    assert condition_of(a + e) == pytest.approx(1 / np.sqrt(length), rel=0.05)
    assert np.linalg.eigvals(a + e).real.max() < 0


def test_draws_have_their_size() -> None:
    a, _ = legs(6)
    norms = np.linalg.norm(drawn_perturbations(a, 0.1, np.random.default_rng(0)), 2, axis=(1, 2))
    np.testing.assert_allclose(norms, 0.1 * np.linalg.norm(a, 2))


def test_l45_fails_with_the_gradient_of_the_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: ascent. The start remains the best iterate."""
    small = PerturbedCondition(states=8, steps=60)
    assert small.measure(Run((0,))).values["gain"] < 0.5
    right = perturbation._loss

    def ascent(matrix: perturbation.Tensor, norm: float) -> perturbation.Tensor:
        loss = right(matrix, norm)
        return 2 * loss.detach() - loss

    monkeypatch.setattr(perturbation, "_loss", ascent)
    assert small.measure(Run((0,))).values["gain"] > 0.5
