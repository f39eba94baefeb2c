"""State-space models from data, against the systems that made it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from koopman_problems import spectral_gap

from dynamark.errors import UserError
from dynamark.methods.linear.realization import ERA, N4SID, StateSpace, realize, subspace
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories


def system(order: int = 4) -> StateSpace:
    draw = np.random.default_rng(3)
    angle = 0.6
    a = np.zeros((order, order))
    a[:2, :2] = 0.95 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    a[2:, 2:] = np.diag(np.linspace(0.5, -0.7, order - 2))
    shape = (order, 2), (3, order), (3, 2), (order, 3)
    b, c, d, k = (draw.standard_normal(s) for s in shape)
    # A small gain keeps A - KC stable, so that this is an innovation form.
    return StateSpace(a, b, c, d, 0.03 * k)


def markov(s: StateSpace, lags: int) -> np.ndarray:
    powers = [np.linalg.matrix_power(s.a, i) for i in range(lags - 1)]
    return np.array([s.d, *(s.c @ p @ s.b for p in powers)])


def paths(s: StateSpace, count: int, time: int, seed: int, noise: float) -> Trajectories:
    draw = np.random.default_rng(seed)
    u, e = draw.standard_normal((count, time, 2)), noise * draw.standard_normal((count, time, 3))
    x, y = np.zeros((count, len(s.a))), np.zeros((count, time, 3))
    for t in range(time):
        y[:, t] = x @ s.c.T + u[:, t] @ s.d.T + e[:, t]
        x = x @ s.a.T + u[:, t] @ s.b.T + e[:, t] @ s.k.T
    return Trajectories(torch.from_numpy(y), torch.from_numpy(u))


def test_the_right_order_realizes_the_impulse_response_exactly() -> None:
    s = system()
    g = markov(s, 60)
    realized = realize(g[:21], 4)
    np.testing.assert_allclose(markov(realized, 60), g, atol=1e-10)
    assert spectral_gap(np.linalg.eigvals(realized.a), np.linalg.eigvals(s.a)) < 1e-10
    with pytest.raises(UserError, match="realize at most"):
        realize(g[:5], 5)


def test_a_lower_order_keeps_the_largest_part() -> None:
    g = markov(system(), 60)
    errors = [np.linalg.norm(markov(realize(g[:41], n), 60) - g) / np.linalg.norm(g) for n in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2] > 1e-6


def test_no_realization_grows() -> None:
    noisy = markov(system(), 41) + 0.3 * np.random.default_rng(0).standard_normal((41, 3, 2))
    assert np.abs(np.linalg.eigvals(realize(noisy, 12).a)).max() < 1


def test_the_predictor_is_the_innovation_form() -> None:
    s = system()
    p = paths(s, 2, 30, 0, noise=0.5)
    assert p.inputs is not None
    predicted = s.predictor(30).predict(p)[0].numpy()
    x = np.zeros((2, 4))
    for t in range(30):
        y, u = p.observations[:, t].numpy(), p.inputs[:, t].numpy()
        now = x @ s.c.T + u @ s.d.T
        np.testing.assert_allclose(predicted[:, t], now, atol=1e-10)
        x = x @ s.a.T + u @ s.b.T + (y - now) @ s.k.T


def test_subspace_identification_is_exact_without_noise() -> None:
    s = system()
    realized = subspace(paths(s, 4, 80, 0, noise=0.0), 4, rows=8)
    assert np.linalg.norm(markov(realized, 60) - markov(s, 60)) < 1e-10 * np.linalg.norm(markov(s, 60))


def test_subspace_identification_finds_the_noise_model_with_a_long_past() -> None:
    """The bias vanishes as the past outlasts A - KC, whose radius is 0.98 here."""
    s = system()
    p = paths(s, 64, 200, 1, noise=0.3)
    want = np.array([s.c @ np.linalg.matrix_power(s.a, i) @ s.k for i in range(20)])
    errors = []
    for rows in (8, 32):
        realized = subspace(p, 4, rows)
        got = np.array([realized.c @ np.linalg.matrix_power(realized.a, i) @ realized.k for i in range(20)])
        errors.append(np.linalg.norm(got - want) / np.linalg.norm(want))
    assert errors[1] < 0.25
    assert errors[1] < 0.5 * errors[0]


def test_subspace_identification_without_inputs_finds_the_poles() -> None:
    angle, draw = 0.6, np.random.default_rng(0)
    turn = 0.98 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    x, y = np.zeros((8, 2)), np.zeros((8, 800, 1))
    for t in range(800):
        x = x @ turn.T + draw.standard_normal((8, 2))
        y[:, t, 0] = x[:, 0] + draw.standard_normal(8)
    eigenvalues = np.linalg.eigvals(subspace(Trajectories(torch.from_numpy(y)), 2, 10).a)
    np.testing.assert_allclose(np.abs(eigenvalues), 0.98, atol=0.01)
    np.testing.assert_allclose(np.abs(np.angle(eigenvalues)), angle, atol=0.01)


def test_methods_choose_and_predict() -> None:
    s = system()
    train, held_out, test = (paths(s, n, 100, k, 0.2) for n, k in ((32, 0), (4, 1), (4, 2)))
    best = s.predictor(100).predict(test)[0]
    model = N4SID(orders=(2, 4)).fit_predictor(Prediction(train, held_out), Run())
    assert model.parameter_count() == 16 + 8 + 12 + 6 + 12
    # 54 parameters from 9600 outputs: an excess of half a percent of the innovation variance, were it efficient.
    assert (model.predict(test)[0] - best).square().mean() < 0.05 * 0.04
    simulator = ERA(order=4, taps=41).fit_forecaster(Forecasting(train, held_out, context=0), Run())
    assert simulator.from_outputs is None
    assert simulator.from_inputs is not None
    g = torch.from_numpy(markov(s, 40)).permute(0, 2, 1)
    assert (simulator.from_inputs[:40] - g).norm() < 0.1 * g.norm()
    with pytest.raises(UserError, match="none"):
        ERA().fit_predictor(Prediction(Trajectories(train.observations), Trajectories(held_out.observations)), Run())


def test_orders_that_short_sequences_do_not_show_are_left_out() -> None:
    """Of one channel and 40 samples, five block rows show no more than four states."""
    draw = np.random.default_rng(0)
    y = np.zeros((20, 40, 1))
    for t in range(1, 40):
        y[:, t] = 0.8 * y[:, t - 1] + draw.standard_normal((20, 1))
    short = Trajectories(torch.from_numpy(y))
    problem = Prediction(short, short)
    assert torch.equal(
        N4SID().fit_predictor(problem, Run()).predict(short), N4SID((2, 4)).fit_predictor(problem, Run()).predict(short)
    )
    with pytest.raises(UserError, match="40 samples are too short for N4SID of order 8"):
        N4SID((8, 16)).fit_predictor(problem, Run())
