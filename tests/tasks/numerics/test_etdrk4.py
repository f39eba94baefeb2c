"""Exponential time differencing against exact solutions and its order."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.koopman.fields import KuramotoSivashinsky, ReactionDiffusion, smooth_field, spiral
from dynamark.tasks.numerics.etdrk4 import ETDRK4, kept_modes, wavenumbers


def test_without_a_nonlinear_term_the_step_is_exact() -> None:
    linear = np.array([-50.0, -1.0, 0.0, 0.3])
    stepper = ETDRK4(linear, lambda u: np.zeros_like(u), 0.5)
    np.testing.assert_allclose(stepper.run(np.ones(4), 4), np.exp(2 * linear), rtol=1e-12)


def test_the_order_is_four_on_a_stiff_logistic_equation() -> None:
    """u' = -5 u + u^2: u = 5/(1 + c e^{5t})."""

    def error(steps: int) -> float:
        stepper = ETDRK4(np.array([-5.0]), lambda u: u * u, 1.0 / steps)
        exact = 5 / (1 + (5 / 2.0 - 1) * np.exp(5.0))
        return abs(float(stepper.run(np.array([2.0]), steps)[0]) - exact)

    assert 3.7 < np.log2(error(20) / error(40)) < 4.3


def test_wavenumbers_differentiate() -> None:
    n, length = 32, 3.0
    x = length * np.arange(n) / n
    k = wavenumbers(n, length)
    result = np.fft.ifft(1j * k * np.fft.fft(np.sin(2 * np.pi * 4 * x / length))).real
    np.testing.assert_allclose(result, 2 * np.pi * 4 / length * np.cos(2 * np.pi * 4 * x / length), atol=1e-12)
    assert kept_modes(n).sum() == 21


def test_kuramoto_sivashinsky_keeps_its_mean_and_its_traveling_frame() -> None:
    """u -> u(x - ct) + c is a symmetry: a mean of c shifts the solution by ct."""
    equation = KuramotoSivashinsky(h=0.05)
    x = 2 * np.pi * np.arange(64) / 64
    start = (np.cos(x) + 0.3 * np.sin(2 * x))[None]
    shift = 22.0 / 64 / 2.0  # one grid point in t = 2
    still = equation(start, 2.0, 1)[:, -1]
    moved = equation(start + shift, 2.0, 1)[:, -1]
    np.testing.assert_allclose(moved, np.roll(still, 1) + shift, atol=1e-6)
    assert abs(still.mean()) < 1e-13


def test_starts_of_kuramoto_sivashinsky_are_on_the_attractor() -> None:
    starts = KuramotoSivashinsky().starts(np.random.default_rng(0), 8)
    assert 0.9 < starts.std() < 1.6
    assert np.abs(starts.mean(axis=1)).max() < 1e-12


@pytest.mark.parametrize("angle", [0.3, 2.0])
def test_equal_diffusion_has_a_gauge_symmetry(angle: float) -> None:
    equation = ReactionDiffusion(n=24, length=10.0)
    start = smooth_field(*equation.grid(), 10.0)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    plain = equation(start[None], 1.0, 1)[0, -1]
    turned = equation(np.einsum("ij,jxy->ixy", turn, start)[None], 1.0, 1)[0, -1]
    np.testing.assert_allclose(turned, np.einsum("ij,jxy->ixy", turn, plain), atol=1e-12)


def test_a_homogeneous_state_follows_its_ordinary_equation() -> None:
    """a = u^2 + v^2 tends to 1, where the phase turns with speed -beta."""
    equation = ReactionDiffusion(n=8, beta=0.7, h=0.02)
    start = np.stack([np.full((8, 8), 0.6), np.full((8, 8), 0.8)])  # a = 1 already
    u, v = equation(start[None], 1.0, 1)[0, -1]
    np.testing.assert_allclose(u, np.cos(np.arctan2(0.8, 0.6) - 0.7), atol=1e-8)
    np.testing.assert_allclose(v, np.sin(np.arctan2(0.8, 0.6) - 0.7), atol=1e-8)


def test_the_spiral_jumps_across_the_edge_and_the_smooth_field_does_not() -> None:
    equation = ReactionDiffusion(n=64)
    for field, jumps in ((spiral(*equation.grid()), True), (smooth_field(*equation.grid(), 20.0), False)):
        across = np.abs(field[:, 0] - field[:, -1]).max()
        inside = np.abs(np.diff(field, axis=1)).max()
        assert (across > 1.5 * inside) == jumps
