"""Neural differential equations: the integrator, the derivative, members, training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dynamark.methods.cohort import Stacked
from dynamark.methods.recurrent.neural_ode import NeuralODE, NeuralODEModel, _Field, runge_kutta
from dynamark.tasks.numerics.integrators import rk4_step
from dynamark.tasks.problems import Forecasting, Run, Trajectories


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model() -> NeuralODEModel:
    parts = _Field((2, 5, 2), torch.Generator().manual_seed(1)).double().parts()
    return NeuralODEModel(*(tuple(p.detach() for p in part) for part in parts))


def test_the_step_is_the_classical_runge_kutta_step() -> None:
    x = drawn(1, 4, 2)
    wanted = rk4_step(lambda v: np.sin(v) - v**2, x.numpy(), 1.0)
    np.testing.assert_allclose(runge_kutta(lambda v: v.sin() - v**2, x).numpy(), wanted, rtol=1e-13)


def test_the_jacobian_is_that_of_autograd() -> None:
    net, states = model(), drawn(2, 3, 2)
    with torch.no_grad():  # as the runner asks
        jacobian = net.jacobian(states)
    for one, got in zip(states, jacobian, strict=True):
        torch.testing.assert_close(got, torch.autograd.functional.jacobian(lambda v: net.step(v[None])[0], one))


def test_members_keep_their_own_loss() -> None:
    fields = [_Field((2, 5, 5, 2), torch.Generator().manual_seed(i)).double() for i in range(2)]
    x = drawn(3, 2, 4, 6, 2)
    together = Stacked(fields).each(lambda module, batch: module(batch), x)
    for i, net in enumerate(fields):
        weights, shifts = ([p.detach() for p in part] for part in net.parts())
        own = NeuralODEModel(tuple(weights), tuple(shifts))
        forecast = own.forecast(Trajectories(x[i, :, :1]), 5)
        torch.testing.assert_close(together[i], (forecast - x[i, :, 1:]).square().mean())


def test_training_learns_a_rotation() -> None:
    time = 0.2 * torch.arange(400, dtype=torch.float64)
    circle = torch.stack([time.sin(), time.cos()], dim=-1)[None]
    problem = Forecasting(Trajectories(circle), Trajectories(circle))
    method = NeuralODE((16,), segment=4, updates=250, rate=2e-2, final_rate=1e-3)
    first, second = method.fit_forecasters([problem] * 2, [Run([1]), Run([2])])
    assert not torch.equal(first.weights[0], second.weights[0])
    for net in (first, second):
        assert (net.forecast(Trajectories(circle[:, :1]), 15) - circle[:, 1:16]).abs().max() < 0.2
    assert first.parameter_count() == 2 * 16 + 16 + 16 * 2 + 2
