"""Paths of continuous-time cells against closed forms, and the online recursion against batch least squares."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import torch

from dynamark.methods.online.contact import LML
from dynamark.runners.claims.lds.experiments_online import OnlineRidge
from dynamark.runners.claims.lds.experiments_paths import TrajectoryLength, exponential_euler, principal_length
from dynamark.tasks.problems import Online, Run


def test_exponential_euler_is_exact_for_constant_terms() -> None:
    decay, drive, start = np.array([0.0, 1.0, 1e6]), np.array([2.0, 3.0, 5e6]), np.array([1.0, -1.0, 0.0])
    path = exponential_euler(lambda t, y: (decay, drive), start, 0.1, 10)
    expected = [1 + 2 * 1.0, 3 + (-1 - 3) * np.exp(-1.0), 5.0]
    np.testing.assert_allclose(path[-1], expected, rtol=1e-12)


def test_the_length_of_a_plane_path_is_its_arc_length() -> None:
    angle, rng = np.linspace(0, 2 * np.pi, 2001), np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((5, 2)))[0]
    circle = 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1) @ axes.T
    assert principal_length(circle + 7.0) == pytest.approx(6 * np.pi, rel=1e-5)
    # A third component does not count.
    other = np.linalg.svd(axes, full_matrices=True)[0][:, 2]
    assert principal_length(circle + 0.1 * np.sin(9 * angle)[:, None] * other) == pytest.approx(6 * np.pi, rel=1e-3)


def test_the_liquid_cell_follows_its_differential_equation() -> None:
    """The shipped experiment with fine steps against an adaptive solver of the equation, written out."""
    k, steps = 3, 4000
    rng = Run((5,)).numpy
    w, w_r, e, e_r = (rng.standard_normal((rows, k)) for rows in (2, k, k, k))
    b, b_r, tau = rng.standard_normal((3, k))

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        n = np.tanh(np.array([np.sin(t), np.cos(t)]) @ w + b)
        m = np.tanh(y @ w_r + b_r)
        out = np.empty(k)
        for j in range(k):
            gain, gain_r = sum(e[i, j] for i in range(k)), sum(e_r[i, j] for i in range(k))
            out[j] = -y[j] * (1 / abs(tau[j]) + abs(n[j]) + abs(m[j])) + gain * n[j] + gain_r * m[j]
        return out

    time = np.linspace(0, 2 * np.pi, steps + 1)
    path = scipy.integrate.solve_ivp(slope, (0, 2 * np.pi), np.zeros(k), "LSODA", time, rtol=1e-9, atol=1e-9).y.T
    values = TrajectoryLength(k, "tanh", 1.0, steps).measure(Run((5,))).values
    assert values["length_ltc"] == pytest.approx(principal_length(path), rel=5e-3)


def test_l50_needs_the_sums_of_reversal_potentials() -> None:
    """Broken twin: without them, ltc has the shorter path."""
    values = TrajectoryLength(50).measure(Run((0,))).values
    assert values["longest"] > 1
    assert values["length_ltc_plain"] < values["length_ctrnn_r"] < values["length_ltc"] < values["length_ctrnn_gain"]


def test_l53_fails_with_another_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    small = OnlineRidge(features=8, length=60)
    assert small.measure(Run((0,))).values["error_lml"] < 1e-12
    fit = LML.fit_learner
    monkeypatch.setattr(
        LML, "fit_learner", lambda self, *args: fit(LML(self.features, 0, 20, 10 * self.penalty), *args)
    )
    assert small.measure(Run((0,))).values["error_lml"] > 1e-6


def test_the_online_model_is_the_ridge_solution_of_every_sequence() -> None:
    draw = np.random.default_rng(1)
    u, y = torch.from_numpy(draw.standard_normal((2, 80, 3))), torch.from_numpy(draw.standard_normal((2, 80, 2)))
    learner = LML(features="fir", order=0, penalty=0.5).fit_learner(Online(3, 2, 81), Run())
    for t in range(80):
        for n in range(2):
            gram = u[n, :t].T @ u[n, :t] + 0.5 * torch.eye(3).double()
            expected = u[n, t] @ torch.linalg.solve(gram, u[n, :t].T @ y[n, :t])
            torch.testing.assert_close(learner.predict(u[:, t])[n], expected, rtol=1e-10, atol=1e-12)
        learner.update(y[:, t])
