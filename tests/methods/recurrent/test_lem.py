"""Long Expressive Memory: its equation number by number, the compiled window against autograd, Jacobians, bounds, training."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.recurrent import feedback, lem
from dynamark.methods.recurrent.lem import LEM, LEMModel, _Network, advanced, states_of
from dynamark.tasks.numerics import compiling
from dynamark.tasks.problems import Forecasting, Run, Trajectories


def drawn(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(units: int = 4, batch: int = 3) -> _Network:
    return _Network(LEM(units, batch=batch), 2, torch.Generator().manual_seed(1)).double()


def test_a_step_is_the_equation_of_the_paper() -> None:
    """Two units and one input, in Python's floats."""
    gates, recur, inner = drawn(1, 8).tolist(), drawn(2, 2, 6).tolist(), drawn(3, 2, 2).tolist()
    z, y = [0.3, -0.2], [0.1, 0.7]

    def from_y(gate: int, unit: int) -> float:
        return gates[2 * gate + unit] + sum(y[j] * recur[j][2 * gate + unit] for j in range(2))

    def sigmoid(v: float) -> float:
        return 1 / (1 + math.exp(-v))

    step_z, step_y = ([sigmoid(from_y(gate, i)) for i in range(2)] for gate in (0, 1))
    new_z = [(1 - step_z[i]) * z[i] + step_z[i] * math.tanh(from_y(2, i)) for i in range(2)]
    content = [math.tanh(gates[6 + i] + sum(new_z[j] * inner[j][i] for j in range(2))) for i in range(2)]
    new_y = [(1 - step_y[i]) * y[i] + step_y[i] * content[i] for i in range(2)]
    actual = advanced(*(torch.tensor(v, dtype=torch.float64) for v in (gates, [*z, *y], recur, inner)))
    torch.testing.assert_close(actual, torch.tensor([*new_z, *new_y], dtype=torch.float64))


def test_the_kernels_of_a_window_and_its_gradient_are_those_of_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    """As plain Python: the test of training compiles them."""
    parts = [drawn(1, 2, 7, 3, 16), drawn(2, 2, 4, 12, scale=0.7), drawn(3, 2, 4, 4, scale=0.7)]
    state, weights = drawn(4, 2, 3, 8, scale=0.3), drawn(5, 2, 7, 3, 8)
    monkeypatch.setattr(compiling, "available", lambda: False)
    results = {}
    for kernels in (False, True):
        monkeypatch.setattr(lem, "available", lambda kernels=kernels: kernels)
        leaves = [part.clone().requires_grad_() for part in parts]
        states = states_of(*leaves, state)
        (states * weights).sum().backward()
        results[kernels] = [states.detach(), *(leaf.grad for leaf in leaves)]
    assert results[True][0].abs().max() > 0.1
    torch.testing.assert_close(results[True], results[False], rtol=1e-10, atol=1e-12)


def test_the_kernel_of_a_step_is_the_step_and_its_tangent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "available", lambda: False)
    model, states, vectors = LEMModel.of(network()), drawn(4, 3, 8), drawn(6, 3, 8, 5)
    form = model.as_map()
    for one, some in zip(states, vectors, strict=True):
        x, q, out = one.numpy().copy(), some.numpy().copy(), drawn(1, 2).numpy()
        form.observe(x, out, form.weights)
        torch.testing.assert_close(torch.from_numpy(out), model.observe(one[None])[0])
        form.push(x, q, form.weights)
        torch.testing.assert_close(torch.from_numpy(x), model.step(one[None])[0])
        torch.testing.assert_close(torch.from_numpy(q), model.tangent(one[None], some[None])[0])


def test_the_jacobian_is_that_of_autograd() -> None:
    model, states = LEMModel.of(network()), drawn(4, 3, 8)
    with torch.no_grad():
        jacobian = model.jacobian(states)
    for one, row in zip(states, jacobian, strict=True):
        torch.testing.assert_close(row, torch.autograd.functional.jacobian(lambda v: model.step(v[None])[0], one))


def test_states_are_bounded_by_one_whatever_the_input() -> None:
    """Both updates are convex combinations with a tanh."""
    model = LEMModel.of(network(units=16))
    state = model.initial_state(Trajectories(drawn(3, 4, 200, 2, scale=50.0)))
    assert 0.9 < state.abs().max() <= 1.0


@pytest.mark.parametrize("kernels", [False, True])
def test_the_free_run_feeds_on_itself(kernels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "available", lambda: False)
    monkeypatch.setattr(feedback, "compiled_map", lambda model: model.as_map() if kernels else None)
    model, context = LEMModel.of(network()), drawn(5, 2, 6, 2)
    forecast = model.forecast(Trajectories(context), 9)
    longer = torch.cat([context, forecast[:, :4]], dim=1)
    torch.testing.assert_close(model.forecast(Trajectories(longer), 5), forecast[:, 4:])


def test_training_learns_a_rotation_and_seeds_are_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    time = 0.2 * torch.arange(800, dtype=torch.float64)
    circle = torch.stack([time.sin(), time.cos()], dim=-1)[None]
    problem = Forecasting(Trajectories(circle), Trajectories(circle), 20)
    method = LEM(12, window=10, updates=300, rate=2e-2, final_rate=2e-3)
    first, second = method.fit_forecasters([problem] * 2, [Run([1]), Run([2])])
    other, _ = method.fit_forecasters([problem] * 2, [Run([1]), Run([3])])
    assert torch.equal(first.read, other.read)
    assert not torch.equal(first.read, second.read)
    monkeypatch.setattr(feedback, "compiled_map", lambda _: None)
    for model in (first, second):
        assert (model.forecast(Trajectories(circle[:, :20]), 15) - circle[:, 20:35]).abs().max() < 0.3


def test_short_trajectories_are_refused_and_parameters_counted() -> None:
    paths = Trajectories(drawn(1, 1, 30, 2))
    with pytest.raises(UserError, match="windows of 40 samples"):
        LEM().fit_forecasters([Forecasting(paths, paths)], [Run()])
    assert LEMModel.of(network()).parameter_count() == 2 * 16 + 4 * 12 + 4 * 4 + 16 + 4 * 2 + 2
