"""Lifted systems: their data lie on the lift of the orbits, and their scale runs from the mean to the known orbit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dynamark.tasks.koopman.lifted import GRAVITY, LiftedPendulum, WakePixels, swing, wave_modes


def pendulum(**fields: object) -> LiftedPendulum:
    task = LiftedPendulum.at("tiny", name="koopman/pendulum64", **fields)
    assert isinstance(task, LiftedPendulum)
    return task


def test_the_polynomial_pendulum_against_an_adaptive_integrator() -> None:
    times = 0.1 * np.arange(301)
    actual = swing(np.array([[2.4, 0.0], [0.8, -0.5]]), 0.1, 300)
    for start, path in zip(([2.4, 0.0], [0.8, -0.5]), actual, strict=True):
        known = solve_ivp(
            lambda _, x: [x[1], -GRAVITY * np.sin(x[0])], (0, 30), start, "DOP853", times, rtol=1e-13, atol=1e-13
        )
        np.testing.assert_allclose(path, known.y.T, rtol=0, atol=1e-9)


def test_pieces_are_one_trajectory_in_a_plane_mapped_to_the_unit_interval() -> None:
    task = pendulum()
    data = task.data(0)
    seen = data["train"] + data["train_noise"]
    assert (seen.min(), seen.max()) == pytest.approx((-1, 1))
    assert np.linalg.matrix_rank(seen[0] - seen[0].mean(axis=0), tol=1e-9) == 2
    joined = np.concatenate([data["train"][0], data["validation"][0], data["test"][0]])
    low, high = data["range"]
    angles = ((joined * (high - low) + low + high) / 2) @ data["frame"]
    energy = angles[:, 1] ** 2 / 2 - GRAVITY * np.cos(angles[:, 0])
    np.testing.assert_allclose(energy, -GRAVITY * np.cos(2.4), atol=1e-7)
    np.testing.assert_allclose(swing(angles[:1], 0.1, len(angles) - 1)[0], angles, atol=1e-7)


def test_the_oracle_of_the_pendulum_knows_its_one_orbit() -> None:
    assert pendulum(noise=0.0).oracle(0) == 0
    assert (pendulum().oracle(0) or 1.0) < 0.1 * pendulum().baseline(0)


def test_modes_of_the_wake_are_orthonormal_and_carry_its_amplitudes() -> None:
    modes = wave_modes(64)
    np.testing.assert_allclose(modes.T @ modes, np.eye(3), atol=1e-15)
    task = WakePixels.at("tiny", name="koopman/wake_pixels")
    assert isinstance(task, WakePixels)
    amplitudes = task.data(0)["test"] @ modes
    turned = np.angle(amplitudes[..., 0] + 1j * amplitudes[..., 1])
    step = np.angle(np.exp(1j * np.diff(turned, axis=1)))
    np.testing.assert_allclose(step, task.dt, atol=1e-9)
    radius = np.hypot(amplitudes[:, -1, 0], amplitudes[:, -1, 1])
    np.testing.assert_allclose(amplitudes[:, -1, 2], radius**2, atol=0.05)


def test_the_phase_of_the_wake_is_an_eigenfunction() -> None:
    task = WakePixels.at("tiny", name="koopman/wake_pixels")
    assert isinstance(task, WakePixels)
    query = task.problem(0).query
    assert query is not None
    assert query.points is not None
    _, values = task.spectrum
    functions = task.eigenfunctions(query.points[:, 0].numpy())
    answers = {"forecast.test": task.data(0)["test"][:, 1:], "eigenvalues": values, "eigenfunctions": functions}
    scores = task.score(answers, 0)
    assert scores.values["residual_max"] < 1e-8
    assert scores.values["eigfun_err"] < 1e-12
    assert scores.values["spec_miss"] < 1e-12
