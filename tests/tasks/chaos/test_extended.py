"""Systems of many coordinates against their plain formulas and other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from tests.benchmarks.exponents import by_differences, ring

from dynamark.tasks.chaos.extended import CHIALVO4, KS22, LORENZ96_40, chialvo
from dynamark.tasks.chaos.systems import orbits
from dynamark.tasks.koopman.fields import KuramotoSivashinsky
from dynamark.tasks.koopman.waves import LARGEST_EXPONENTS
from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.formula_maps import slopes_and_tangents
from dynamark.tasks.numerics.formulas import parse


def test_the_equation_is_that_of_the_koopman_tasks() -> None:
    state = KS22.starts(5, np.random.default_rng(0))
    state -= state.mean(axis=0)
    other = KuramotoSivashinsky()(state.T.copy(), 1.0, 20)[:, -1]
    sample = KS22.bind(state)
    for _ in range(20):
        sample()
    np.testing.assert_allclose(state.T, other, atol=1e-11)
    assert np.abs(state.mean(axis=0)).max() < 1e-14
    assert KS22.lyapunov[0] == pytest.approx(LARGEST_EXPONENTS[22.0], rel=0.03)


def network(x: np.ndarray, y: np.ndarray, mu: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """The network by its definition, node by node."""
    coupling = np.zeros_like(x)
    coupling[0] = mu * sum(x[j] - x[0] for j in range(1, 4))
    for i in range(1, 4):
        coupling[i] = mu * (x[0] - x[i]) + sigma * sum(x[j] - x[i] for j in range(1, 4) if j != i)
    return x**2 * np.exp(y - x) + 0.04 + coupling, 0.89 * y - 0.6 * x + 0.28


def test_the_network_is_its_definition() -> None:
    state = np.random.default_rng(0).uniform(0, 1, (8, 6))
    expected = np.concatenate(network(state[:4], state[4:], -0.1, 0.05))
    chialvo(-0.1, 0.05)(state)()
    np.testing.assert_allclose(state, expected, atol=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_the_spectrum_at_the_synchronous_fixed_point_splits_into_blocks(seed: int) -> None:
    """Blocks [[(2x - x^2) e - nu, x^2 e], [-0.6, 0.89]], e = exp(y - x), nu = 0, 4 mu, mu + 3 sigma twice."""
    mu, sigma = np.random.default_rng(seed).uniform(-0.2, 0.2, 2)
    x = 0.14559
    for _ in range(50):  # Newton, y = (0.28 - 0.6 x)/0.11
        y = (0.28 - 0.6 * x) / 0.11
        e = np.exp(y - x)
        x -= (x * x * e + 0.04 - x) / ((2 * x - x * x * (1 + 0.6 / 0.11)) * e - 1)
    fixed, size = np.array([x] * 4 + [y] * 4)[:, None], 1e-6
    bundle = np.concatenate([fixed + size * np.eye(8), fixed - size * np.eye(8)], axis=1)
    chialvo(mu, sigma)(bundle)()
    jacobian = (bundle[:, :8] - bundle[:, 8:]) / (2 * size)
    blocks = [
        np.array([[(2 * x - x * x) * e - nu, x * x * e], [-0.6, 0.89]])
        for nu in (0.0, 4 * mu, mu + 3 * sigma, mu + 3 * sigma)
    ]
    eigenvalues = np.linalg.eigvals(jacobian)
    for expected in np.concatenate([np.linalg.eigvals(block) for block in blocks]):
        nearest = int(np.abs(eigenvalues - expected).argmin())
        assert abs(eigenvalues[nearest] - expected) < 1e-4
        eigenvalues = np.delete(eigenvalues, nearest)
    assert x == pytest.approx(0.14559, abs=1e-5)


def test_the_largest_exponent_of_the_network_is_measured_again() -> None:
    spectrum = by_differences(CHIALVO4, 1, 300, 600, 200)
    assert spectrum.errors[0] < 0.015 * CHIALVO4.lyapunov[0]
    assert spectrum.exponents[0] == pytest.approx(CHIALVO4.lyapunov[0], abs=3 * float(spectrum.errors[0]) + 0.001)


def test_exponents_of_the_ring_sum_to_minus_the_number_of_sites(monkeypatch: pytest.MonkeyPatch) -> None:
    """The divergence is -1 per site at every state, and the formulas are the field that generates the data."""
    monkeypatch.setattr(compiling, "available", lambda: False)
    field = parse(ring(40))
    state = orbits(LORENZ96_40, {"a": (1, 2)}, np.random.default_rng(0))["a"][0]
    slope, tangent = slopes_and_tangents(field, state[0], np.eye(40))
    assert np.trace(tangent) == pytest.approx(-40, abs=1e-12)
    assert (slope * 0.04) @ (state[1] - state[0]) > 0
    assert sum(LORENZ96_40.lyapunov) == pytest.approx(-40, abs=0.05)
    assert sum(x > 0 for x in LORENZ96_40.lyapunov) == 13
