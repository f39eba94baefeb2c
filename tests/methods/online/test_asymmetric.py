"""Wedge filters of a polynomial, and the online learner on them; broken twins of L44."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.methods.online import asymmetric
from dynamark.methods.online.asymmetric import AsymmetricFiltering, polynomial_filters, polynomial_gram
from dynamark.methods.online.learners import VAW
from dynamark.tasks.numerics.polynomials import monic_chebyshev
from dynamark.tasks.numerics.spectral_filters import wedge_gram
from dynamark.tasks.problems import Learner, Online, Run

TIME = 300


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_gram_matrix_is_the_integral_over_the_wedge(mirrored: bool) -> None:
    angle, c = 0.3, monic_chebyshev(3)
    r, r_weight = np.polynomial.legendre.leggauss(40)
    radius, angles = (r + 1) / 2, angle * r
    a = (radius[:, None] * np.exp(1j * angles)).ravel()
    weight = np.outer(r_weight / 2 * radius, angle * r_weight).ravel()
    both = [(a, weight), (-a, weight)] if mirrored else [(a, weight)]
    expected = np.zeros((6, 6))
    for points, w in both:
        rows = np.polyval(c, points) * points ** np.arange(6)[:, None]
        expected += ((rows * w) @ rows.conj().T).real
    np.testing.assert_allclose(polynomial_gram(6, angle, c, mirrored), expected, atol=1e-13)
    np.testing.assert_allclose(polynomial_gram(6, angle, np.ones(1)), wedge_gram(6, angle), atol=1e-15)


def test_filters_are_orthonormal_and_hold_a_response_of_the_wedge() -> None:
    phi = polynomial_filters(200, 12, 0.05, 5, False).numpy()
    np.testing.assert_allclose(phi.T @ phi, np.eye(12), atol=1e-10)
    response = (0.98 * np.exp(0.02j)) ** np.arange(200)
    assert np.linalg.norm(response - phi @ (phi.T @ response)) < 1e-3 * np.linalg.norm(response)


def sequence() -> tuple[torch.Tensor, torch.Tensor]:
    """Four pairs of slow poles of small angle."""
    rng = np.random.default_rng(0)
    u, y = rng.standard_normal((1, TIME, 1)), np.zeros((1, TIME, 1))
    for pole in (1 - 10.0 ** -rng.uniform(0.5, 3, 4)) * np.exp(1j * rng.uniform(-0.01, 0.01, 4)):
        x, scale = 0j, rng.standard_normal()
        for t in range(TIME):
            x = pole * x + u[0, t, 0]
            y[0, t, 0] += 2 * (scale * x).real
    return torch.from_numpy(u), torch.from_numpy(y / y.std())


def total_loss(learner: Learner) -> float:
    u, y = sequence()
    loss = 0.0
    for t in range(TIME):
        loss += float((learner.predict(u[:, t]) - y[:, t]).square().sum())
        learner.update(y[:, t])
    return loss


def test_l44_fails_with_a_polynomial_of_the_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """(b), a fifth of the loss of real filters, is what the twin fails."""
    problem, own = Online(1, 1, TIME), AsymmetricFiltering(angle=0.01)
    real = total_loss(VAW("spectral").fit_learner(problem, Run()))
    assert total_loss(own.fit_learner(problem, Run())) < real / 5
    right = monic_chebyshev

    def wrong(degree: int) -> np.ndarray:
        c = -right(degree)
        c[0] = 1.0
        return c

    asymmetric.polynomial_filters.cache_clear()
    monkeypatch.setattr(asymmetric, "monic_chebyshev", wrong)
    assert total_loss(own.fit_learner(problem, Run())) > real / 5
    asymmetric.polynomial_filters.cache_clear()


def test_the_constants_of_the_theorem() -> None:
    """n = ceil(7/6 log2 64) = 7 taps and ceil(ln 64) = 5 filters; the learner holds a triangle and the weights, q (q + 1)."""
    learner = AsymmetricFiltering(constants="paper").fit_learner(Online(1, 1, 64), Run())
    assert learner.parameter_count() == 12 * 13
    two_inputs = AsymmetricFiltering(degree=2, filters=4).fit_learner(Online(2, 1, 64), Run())
    assert two_inputs.parameter_count() == 14 * 15
