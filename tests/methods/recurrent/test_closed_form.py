"""Methods fitted by least squares: against dense solves, exact data and autograd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.recurrent.ngrc import NextGenerationReservoir
from dynamark.methods.recurrent.parroting import ContextParroting
from dynamark.methods.recurrent.reservoir import EchoStateNetwork, _readout
from dynamark.tasks.problems import Forecasting, Run, Trajectories


def henon(steps: int, count: int = 1) -> Tensor:
    x = 0.1 * torch.rand(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    path = []
    for _ in range(steps + 100):
        x = torch.stack([1 - 1.4 * x[:, 0] ** 2 + x[:, 1], 0.3 * x[:, 0]], dim=1)
        path.append(x)
    return torch.stack(path[100:], dim=1)


def posed(x: Tensor) -> Forecasting:
    return Forecasting(Trajectories(x), Trajectories(x[:, : len(x[0]) // 2]))


def test_a_polynomial_map_is_learned_exactly() -> None:
    """Henon is a polynomial of degree 2: with one tap NGRC finds it, and its forecast holds until chaos takes over."""
    x = henon(400)
    model = NextGenerationReservoir(taps=1, degree=2, penalty=1e-12).fit_forecaster(posed(x[:, :300]), Run())
    # 1, x, y, x^2, xy, y^2 of the change of (x, y)
    wanted = torch.tensor([[1, -1, 1, -1.4, 0, 0], [0, 0.3, -1, 0, 0, 0]], dtype=torch.float64).T
    torch.testing.assert_close(model.weights, wanted, atol=1e-7, rtol=0)
    ahead = model.forecast(Trajectories(x[:, :300]), 20)
    torch.testing.assert_close(ahead, x[:, 300:320], atol=1e-3, rtol=0)


@pytest.mark.parametrize(("taps", "skip"), [(1, 1), (2, 1), (3, 2)])
def test_ngrc_is_the_dense_ridge_of_its_definition(taps: int, skip: int) -> None:
    x = henon(120, count=2)
    model = NextGenerationReservoir(taps, skip, 2, 1e-3).fit_forecaster(posed(x), Run())
    rows, change = [], []
    for path in x.numpy():
        for t in range((taps - 1) * skip, len(path) - 1):
            v = np.concatenate([path[t - i * skip] for i in range(taps)])
            rows.append([1, *v, *(v[i] * v[j] for i in range(len(v)) for j in range(i, len(v)))])
            change.append(path[t + 1] - path[t])
    f, y = np.array(rows), np.array(change)
    wanted = np.linalg.solve(f.T @ f + 1e-3 * np.eye(f.shape[1]), f.T @ y)
    np.testing.assert_allclose(model.weights.numpy(), wanted, rtol=1e-6, atol=1e-9)
    assert model.parameter_count() == wanted.size


@pytest.mark.parametrize(
    "method",
    [NextGenerationReservoir(taps=3, skip=2, degree=3), EchoStateNetwork(units=30, leak=0.7, washout=10)],
    ids=["ngrc", "esn"],
)
def test_jacobians_are_those_of_differences(method: NextGenerationReservoir | EchoStateNetwork) -> None:
    x = henon(200, count=3)
    model = method.fit_forecaster(posed(x), Run((3,)))
    state = model.initial_state(Trajectories(x[:, :50]))
    jacobian = model.jacobian(state)
    h = 1e-6
    for i in range(state.shape[-1]):
        e = h * torch.eye(state.shape[-1], dtype=state.dtype)[i]
        wanted = (model.step(state + e) - model.step(state - e)) / (2 * h)
        torch.testing.assert_close(jacobian[..., i], wanted, atol=1e-6, rtol=1e-5)


def test_the_reservoir_follows_its_equations() -> None:
    """Driven by hand, and the readout is the dense ridge of [r, r^2]."""
    x = henon(300)
    method = EchoStateNetwork(units=20, leak=0.5, washout=30, penalty=1e-4)
    model = method.fit_forecaster(posed(x), Run((1,)))
    a = model.recurrent.toarray()
    assert np.abs(np.linalg.eigvals(a)).max() == pytest.approx(method.radius)
    r, states = np.zeros(20), []
    for value in x[0].numpy():
        r = 0.5 * r + 0.5 * np.tanh(a @ r + model.drive @ value + model.offset)
        states.append(r)
    f = np.array([np.concatenate([s, s**2]) for s in states[30:-1]])
    wanted = np.linalg.solve(f.T @ f + 1e-4 * np.eye(40), f.T @ x[0, 31:].numpy())
    np.testing.assert_allclose(model.readout, wanted, rtol=1e-5, atol=1e-7)
    assert model.initial_state(Trajectories(x))[0].numpy() == pytest.approx(states[-1])


def test_the_free_run_of_a_reservoir_is_its_steps() -> None:
    x = henon(300)
    model = EchoStateNetwork(units=40, washout=30).fit_forecaster(posed(x), Run())
    context = Trajectories(x[:, :60])
    state, wanted = model.initial_state(context), []
    for _ in range(6):
        wanted.append(model.observe(state))
        state = model.step(state)
    torch.testing.assert_close(model.forecast(context, 6), torch.stack(wanted, dim=1))
    assert (model.forecast(context, 3)[0] - x[0, 60:63]).abs().max() < 0.1


def test_a_reservoir_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = henon(100, count=2)
    whole = EchoStateNetwork(units=10, washout=5).fit_forecaster(posed(x), Run())
    monkeypatch.setattr("dynamark.methods.recurrent.reservoir._PIECE", 7)
    parts = EchoStateNetwork(units=10, washout=5).fit_forecaster(posed(x), Run())
    np.testing.assert_allclose(parts.readout, whole.readout, rtol=1e-4, atol=1e-6)


def test_a_reservoir_of_few_samples_does_not_diverge() -> None:
    """Noisy oscillations: with the default penalty the readout follows the noise and diverges; validation finds another."""
    draw = torch.Generator().manual_seed(1)
    time = torch.arange(240, dtype=torch.float64)
    noise = torch.randn(240, generator=draw, dtype=torch.float64)
    x = (torch.sin(0.6 * time) + 0.5 * torch.sin(0.173 * time) + 0.4 * noise)[None, :, None]
    x /= x.std()
    problem, run = Forecasting(Trajectories(x[:, :140]), Trajectories(x[:, 140:190])), Run()
    model = EchoStateNetwork().fit_forecaster(problem, run)
    assert run.facts["penalty"] > 1e-8
    context = Trajectories(x[:, :190])
    assert model.forecast(context, 2000).abs().max() < 3 * x.abs().max()
    assert (model.forecast(context, 50) - x[:, 190:]).square().mean().sqrt() < 1.3
    readout, penalty = _readout(*model.moments(x[:, :140].numpy(), 35), 1e-8)
    plain = replace(model, readout=readout)
    assert penalty == 1e-8
    assert not plain.forecast(context, 2000).abs().max() < 3 * x.abs().max()


def test_a_reservoir_whose_runs_all_diverge_takes_the_largest_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynamark.methods.recurrent.reservoir._rollout_error", lambda model, problem: np.inf)
    run = Run()
    EchoStateNetwork(units=80, washout=30, penalty=1e-6).fit_forecaster(posed(henon(90)), run)
    assert run.facts["penalty"] >= 1e4


def test_a_reservoir_of_many_samples_keeps_its_penalty() -> None:
    x, run = henon(900), Run()
    model = EchoStateNetwork(units=80, washout=30).fit_forecaster(posed(x), run)
    assert run.facts["penalty"] == 1e-8
    readout, _ = _readout(*model.moments(x.numpy(), 30), 1e-8)
    np.testing.assert_array_equal(model.readout, readout)


def test_a_short_trajectory_shortens_the_washout() -> None:
    x = henon(12)
    model = EchoStateNetwork(units=5).fit_forecaster(posed(x), Run())
    assert model.forecast(Trajectories(x), 100).isfinite().all()
    with pytest.raises(UserError, match="single sample"):
        EchoStateNetwork().fit_forecaster(posed(x[:, :1]), Run())


def test_a_penalty_below_rounding_is_raised_and_told() -> None:
    run = Run()
    EchoStateNetwork(units=60, penalty=0.0, washout=5).fit_forecaster(posed(henon(40)), run)
    assert 0 < run.facts["penalty"] < 1e-9


def test_parroting_copies_a_periodic_orbit_for_ever() -> None:
    time = torch.arange(400, dtype=torch.float64)
    x = torch.stack([torch.sin(0.1 * torch.pi * time), torch.cos(0.1 * torch.pi * time)], dim=-1)[None]
    model = ContextParroting(motif=4).fit_forecaster(posed(x[:, :97]), Run())
    torch.testing.assert_close(model.forecast(Trajectories(x[:, :30]), 300), x[:, 30:330], atol=1e-9, rtol=0)


def test_parroting_copies_what_followed_the_nearest_stretch() -> None:
    x = henon(300, count=2)
    model = ContextParroting(motif=3).fit_forecaster(posed(x), Run())
    forecast = model.forecast(Trajectories(x[1:, 100:140] + 1e-9), 50)
    torch.testing.assert_close(forecast[0], x[1, 140:190], atol=1e-12, rtol=0)


@pytest.mark.parametrize("method", [NextGenerationReservoir(taps=9), ContextParroting()])
def test_what_is_too_short_is_refused(method: NextGenerationReservoir | ContextParroting) -> None:
    with pytest.raises(UserError):
        method.fit_forecaster(posed(torch.zeros(1, 8, 2)), Run())


def test_a_short_context_is_continued_into_the_past() -> None:
    x = henon(60)
    one = Trajectories(x[:, :1])
    for method in (NextGenerationReservoir(taps=3), ContextParroting(motif=5)):
        assert method.fit_forecaster(posed(x), Run()).forecast(one, 4).shape == (1, 4, 2)


@pytest.mark.parametrize("method", [NextGenerationReservoir(), EchoStateNetwork(units=9), ContextParroting()])
def test_driven_systems_and_starts_from_rest_are_refused(
    method: NextGenerationReservoir | EchoStateNetwork | ContextParroting,
) -> None:
    x = Trajectories(henon(200))
    driven = Trajectories(x.observations, inputs=torch.zeros(1, 200, 1, dtype=torch.float64))
    for problem in (Forecasting(driven, driven), Forecasting(x, x, context=0)):
        with pytest.raises(UserError):
            method.fit_forecaster(problem, Run())
