"""The systems against independent integrations, conserved quantities and linearizations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import ellipj, ellipk, ellipkinc

from dynamark.tasks.koopman import systems
from dynamark.tasks.numerics.integrators import dop853


def test_the_closed_form_of_the_slow_manifold() -> None:
    start = np.random.default_rng(0).uniform(-1, 1, (6, 2))
    integrated = dop853(systems.slow_manifold(-0.05, -1.0), start, 0.1, 500)
    np.testing.assert_allclose(systems.slow_manifold_flow(-0.05, -1.0)(start, 0.1, 500), integrated, atol=1e-13)


def elliptic_flow(start: np.ndarray, dt: float, steps: int, frequency: float) -> np.ndarray:
    """The flow of theta'' = -w^2 sin theta, in Jacobi's functions, for orbits that swing (k < 1).

    theta = 2 arcsin(k sn(u0 + w t)), theta' = 2 k w cn(u0 + w t), parameter m = k^2 = sin^2(theta0/2) + (nu0/2w)^2,
    u0 = F(atan2(sin(theta0/2)/k, nu0/(2 k w)) | m); a start at rest at theta0 = 0 stays there.
    """
    s, c = np.sin(start[:, 0] / 2), start[:, 1] / (2 * frequency)
    m = s**2 + c**2
    k = np.sqrt(m)[:, None]
    u = ellipkinc(np.arctan2(s, c), m)[:, None] + frequency * dt * np.arange(steps + 1)
    # Folded into one period, 4K, in which sn and cn keep their accuracy.
    u = np.remainder(u, 4 * ellipk(m)[:, None])
    sn, cn, _, _ = ellipj(u, m[:, None])
    return np.stack([2 * np.arcsin(k * sn), 2 * k * frequency * cn], axis=-1)


@pytest.mark.parametrize("frequency", [1.0, 9.81**0.5])
def test_the_pendulum_in_elliptic_functions(frequency: float) -> None:
    start = np.vstack([systems.pendulum_starts(np.random.default_rng(0), 20), [[0, 0], [2.4, 0], [-0.8, 0], [0, 1.5]]])
    integrated = systems.ODE(systems.pendulum(frequency), round(2 * frequency))(start, 0.1, 500)
    accuracy = {1.0: 1e-12}.get(frequency, 1e-10)
    np.testing.assert_allclose(integrated, elliptic_flow(start, 0.1, 500, frequency), atol=accuracy)


def test_pendulum_starts_stay_below_the_separatrix() -> None:
    theta, nu = systems.pendulum_starts(np.random.default_rng(0), 4000).T
    energy = nu**2 / 2 + 1 - np.cos(theta)
    assert energy.max() <= 1.9
    assert energy.max() > 1.85
    assert np.abs(theta).max() <= 2.5


def test_lotka_volterra_conserves_its_quantity() -> None:
    start = np.random.default_rng(0).uniform(0.5, 2, (8, 2))
    x, y = np.moveaxis(dop853(systems.lotka_volterra(0.5, 0.4, 0.3, 0.2), start, 0.2, 200), 2, 0)
    invariant = 0.2 * x - 0.3 * np.log(x) + 0.4 * y - 0.5 * np.log(y)
    assert np.ptp(invariant, axis=1).max() < 1e-12
    assert np.ptp(x, axis=1).min() > 0.1


@pytest.mark.parametrize("mu", sorted(systems.VDP_CYCLES))
def test_period_and_floquet_exponent_of_van_der_pol(mu: float) -> None:
    """From the section v = 0 back to itself; the exponent is the mean divergence along the cycle."""

    def rates(_: float, x: np.ndarray) -> np.ndarray:
        return np.append(systems.vdp(mu)(x[:2]), mu * (1 - x[0] ** 2))

    def crossing(_: float, x: np.ndarray) -> float:
        return float(x[1])

    crossing.direction = -1  # type: ignore[attr-defined]
    actual = solve_ivp(rates, (0, 100), [2.0, 0.1, 0.0], "DOP853", rtol=1e-12, atol=1e-12, events=crossing)
    (before, after), states = actual.t_events[0][-2:], actual.y_events[0][-2:]
    period, floquet = systems.VDP_CYCLES[mu]
    assert after - before == pytest.approx(period, abs=1e-8)
    assert (states[1][2] - states[0][2]) / (after - before) == pytest.approx(floquet, abs=1e-7)


def test_halving_the_steps_of_duffing_changes_nothing_that_counts() -> None:
    start = np.random.default_rng(0).uniform(-2, 2, (100, 2))
    coarse, fine = (systems.ODE(systems.duffing(0.5), substeps)(start, 0.25, 200) for substeps in (4, 8))
    assert np.abs(coarse - fine).max() < 1e-11
