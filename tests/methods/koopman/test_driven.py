"""Methods for systems with inputs: exact models are recovered, inputs are aligned, convolution and steps agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.koopman.driven import ControlledEDMD, DMDc, inputs_between
from dynamark.methods.koopman.interactive import DrivenMLP, InteractiveDynamics, fastest_angle
from dynamark.methods.koopman.latent_dynamics import Bilinear, Dense, Diagonal, Gated, Latent, Residual
from dynamark.tasks.problems import Forecasting, Run, Trajectories

GENERATOR = torch.Generator().manual_seed(0)


def paths(kind: str, count: int = 12, time: int = 15) -> Trajectories:
    """x_t = A x_{t-1} + B u_t, or x_t = A x_{t-1} + (B + C x_{t-1}) u_t for one input."""
    a = torch.tensor([[0.9, 0.3], [-0.2, 0.8]], dtype=torch.float64)
    b, c = (
        torch.tensor([[0.5, -1.0]], dtype=torch.float64),
        torch.tensor([[0.2, 0.0], [0.1, -0.3]], dtype=torch.float64),
    )
    u = 2 * torch.rand(count, time, 1, generator=GENERATOR, dtype=torch.float64) - 1
    x = [torch.randn(count, 2, generator=GENERATOR, dtype=torch.float64)]
    for t in range(1, time):
        effect = b if kind == "linear" else b + x[-1] @ c
        x.append(x[-1] @ a + u[:, t] * effect)
    return Trajectories(torch.stack(x, 1), u, dt=0.1)


def forecast_error(method: DMDc | ControlledEDMD, kind: str) -> float:
    train, validation, test = (paths(kind) for _ in range(3))
    model = method.fit_forecaster(Forecasting(train, validation), Run())
    assert test.inputs is not None
    answer = model.forecast(Trajectories(test.observations[:, :1], test.inputs[:, :1]), 14, test.inputs[:, 1:])
    return float((answer - test.observations[:, 1:]).abs().max())


def test_an_input_belongs_to_the_step_that_it_acts_on() -> None:
    given = paths("linear", 2, 4)
    assert given.inputs is not None
    assert torch.equal(inputs_between(given)[:, 0], given.inputs[:, 1:, 0].flatten())
    assert inputs_between(replace(given, inputs=None)).shape == (6, 0)


def test_linear_systems_are_recovered_by_all_and_bilinear_ones_by_bilinear_features_alone() -> None:
    assert forecast_error(DMDc(), "linear") < 1e-12
    assert forecast_error(DMDc(rank=2), "linear") > 1e-2
    assert forecast_error(DMDc(), "bilinear") > 1e-2
    for relift in (0, 1):
        linear, bilinear = (ControlledEDMD(inputs=kind, size=1, relift=relift) for kind in ("linear", "bilinear"))  # type: ignore[arg-type]
        assert forecast_error(linear, "linear") < 1e-8
        assert forecast_error(linear, "bilinear") > 1e-2
        assert forecast_error(bilinear, "bilinear") < 1e-8


def test_the_degree_falls_until_the_regressors_fit() -> None:
    wide = Trajectories(torch.randn(2, 300, 30, dtype=torch.float64), torch.randn(2, 300, 8, dtype=torch.float64))
    assert ControlledEDMD()._size(wide) == 1
    assert ControlledEDMD(inputs="linear")._size(wide) == 2
    assert ControlledEDMD()._size(replace(wide, inputs=None)) == 2
    short = Trajectories(wide.observations[:, :9])
    assert ControlledEDMD()._size(short) == 1
    with pytest.raises(UserError, match="regressors, more than 3000; use a smaller size"):
        ControlledEDMD(size=2).fit_forecaster(Forecasting(wide, wide), Run())


def steps(module: Latent, start: Tensor, drive: Tensor) -> Tensor:
    """The path by the steps of `Bilinear` with weight 0, or of the module itself."""
    return Latent.forward(module, start, drive)


def test_the_convolution_of_diagonal_dynamics_is_their_recursion() -> None:
    diagonal = Diagonal(0.05, torch.linspace(0, 2.5, 5, dtype=torch.float64)).double()
    bilinear = Bilinear(0.05, torch.linspace(0, 2.5, 5, dtype=torch.float64)).double()
    start, drive = (torch.randn(*shape, dtype=torch.float64, generator=GENERATOR) for shape in ((3, 10), (3, 20, 10)))
    assert float((diagonal(start, drive) - steps(bilinear, start, drive)).abs().max().detach()) < 1e-12
    assert float((diagonal(start, 0 * drive)[:, -1]).norm().detach() / start.norm()) == pytest.approx(
        np.exp(-0.05 * 20)
    )


@pytest.mark.parametrize(
    "module", [Diagonal(0.1, torch.ones(3)), Bilinear(0.1, torch.ones(3)), Dense(6), Residual(6), Gated(6)]
)
def test_a_path_does_not_depend_on_later_inputs(module: Latent) -> None:
    start, drive = torch.randn(2, 6, generator=GENERATOR), torch.randn(2, 8, 6, generator=GENERATOR)
    later = torch.cat([drive[:, :5], drive[:, 5:] + 1], dim=1)
    path, changed = module(start, drive), module(start, later)
    assert path.shape == (2, 9, 6)
    assert float((path[:, :6] - changed[:, :6]).abs().max().detach()) < 1e-5
    assert float((path[:, 6:] - changed[:, 6:]).abs().min(dim=0).values.max().detach()) > 1e-3


def test_the_fastest_angle_is_that_of_a_tone() -> None:
    tone = torch.sin(2 * torch.pi * 5 / 50 * torch.arange(50, dtype=torch.float64))
    assert fastest_angle(tone[None, :, None]) == pytest.approx(2 * torch.pi / 10)
    assert fastest_angle(torch.zeros(1, 3, 1)) == pytest.approx(torch.pi / 2)


@pytest.mark.parametrize(
    "method",
    [
        InteractiveDynamics(steps=80, window=6, hidden=(16,), modes=4, rate=1e-2, batch=32),
        DrivenMLP(steps=80, window=4, hidden=(16,), rate=1e-2, batch=32),
    ],
)
def test_networks_use_the_inputs(method: InteractiveDynamics | DrivenMLP) -> None:
    train, test = paths("linear", 30), paths("linear")
    (model,) = method.fit_forecasters([Forecasting(train, test)], [Run()])
    assert test.inputs is not None
    context, truth = Trajectories(test.observations[:, :1], test.inputs[:, :1]), test.observations[:, 1:]
    errors = [
        float((model.forecast(context, 14, inputs) - truth).square().mean().sqrt())
        for inputs in (test.inputs[:, 1:], 0 * test.inputs[:, 1:])
    ]
    assert errors[0] < 0.5 * errors[1]
