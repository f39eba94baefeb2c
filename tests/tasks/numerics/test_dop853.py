"""The fixed-step integrator of order 8 against SciPy's adaptive one and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dynamark.tasks.koopman import systems
from dynamark.tasks.numerics.integrators import Rates, dop853

DUFFING, VDP = systems.duffing(0.5), systems.vdp(1.0)
LOTKA = systems.lotka_volterra(0.5, 0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("rates", "dt", "substeps"), [(DUFFING, 0.25, 4), (VDP, 0.1, 2), (LOTKA, 0.2, 1)], ids=["duffing", "vdp", "lotka"]
)
def test_five_trajectories_agree_with_an_adaptive_integration(rates: Rates, dt: float, substeps: int) -> None:
    start = np.random.default_rng(0).uniform(0.5, 2.0, (5, 2))
    result = dop853(rates, start, dt, 40, substeps)
    for x0, path in zip(start, result, strict=True):
        times = dt * np.arange(41)
        exact = solve_ivp(lambda _, x: rates(x), (0, times[-1]), x0, "DOP853", times, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(path, exact.y.T, rtol=0, atol=1e-10)


def test_halving_the_step_shrinks_the_error_as_order_eight() -> None:
    def swing(x: np.ndarray) -> np.ndarray:
        return np.stack([x[1], -x[0]])

    errors = []
    for steps in (8, 16):
        end = dop853(swing, np.array([[1.0, 0.0]]), 8.0 / steps, steps)[0, -1]
        errors.append(np.abs(end - [np.cos(8.0), -np.sin(8.0)]).max())
    assert 7.5 < np.log2(errors[0] / errors[1]) < 9.5


def test_a_trajectory_does_not_feel_its_neighbors() -> None:
    start = np.random.default_rng(1).uniform(-2, 2, (17, 2))
    together = dop853(DUFFING, start, 0.25, 5, 2)
    assert np.array_equal(together[3:5], dop853(DUFFING, start[3:5], 0.25, 5, 2))


def test_substeps_are_steps() -> None:
    start = np.random.default_rng(2).uniform(-2, 2, (3, 2))
    np.testing.assert_array_equal(dop853(DUFFING, start, 0.25, 4, 2), dop853(DUFFING, start, 0.125, 8)[:, ::2])
