"""Standardization around methods: what goes in, and what comes back in the data's own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.methods.fields import Units as Wanted
from dynamark.runners.execute.units import Channels, bare, restored, standardized, units_of
from dynamark.runners.execute.worker import parameter_count, solve
from dynamark.tasks.numerics.lyapunov import lyapunov_spectrum
from dynamark.tasks.problems import (
    Forecasting,
    ForecastingQuery,
    HasJacobian,
    HasSpectrum,
    Prediction,
    Rollout,
    Run,
    Trajectories,
)

MEAN, SD = torch.tensor([1e4, -3.0, 0.0], dtype=torch.float64), torch.tensor([2.0, 1e-5, 7.0], dtype=torch.float64)
NOISE = torch.randn(4, 50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
MATRIX = torch.tensor([[0.9, 0.2, 0.0], [-0.2, 0.8, 0.1], [0.0, 0.3, 0.5]], dtype=torch.float64)


def problem(x: Tensor, inputs: Tensor | None = None, **rest: Any) -> Forecasting:
    paths = Trajectories(x, inputs, **rest)
    return Forecasting(paths, paths)


@dataclass(frozen=True)
class Seen:
    """Remembers what it was shown; its model is the linear map x -> x A."""

    data_units: ClassVar[Wanted] = "standardized"
    shown: ClassVar[list[Forecasting]] = []

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Linear:
        self.shown.append(problem)
        return Linear()


class Linear:
    def forecast(self, context: Trajectories, horizon: int, inputs: Tensor | None = None) -> Tensor:
        states = [context.observations[:, -1]]
        for _ in range(horizon):
            states.append(self.step(states[-1]))
        return torch.stack(states[1:], 1)

    def initial_state(self, context: Trajectories) -> Tensor:
        return context.observations[:, -1]

    def step(self, state: Tensor) -> Tensor:
        return state @ MATRIX + 0.1 * torch.tanh(state)

    def jacobian(self, state: Tensor) -> Tensor:
        return MATRIX.T + torch.diag_embed(0.1 * (1 - torch.tanh(state) ** 2))

    def eigenvalues(self) -> Tensor:
        return torch.linalg.eig(MATRIX)[0]

    def eigenfunctions(self, points: Tensor) -> Tensor:
        return points[:, -1].to(torch.complex128) @ torch.linalg.eig(MATRIX)[1]

    def parameter_count(self) -> int:
        return 9


class Only:
    """A forecaster without further abilities."""

    def forecast(self, context: Trajectories, horizon: int, inputs: Tensor | None = None) -> Tensor:
        return context.observations[:, -1:].expand(-1, horizon, -1)


DATA = problem(NOISE * SD + MEAN, 5.0 * NOISE[..., :1] + 100.0)
UNITS = units_of(Seen(), DATA)
MODEL: Any = restored(Linear(), UNITS, Forecasting)


def test_a_method_sees_mean_zero_and_deviation_one() -> None:
    given = standardized(DATA, UNITS)
    for part in (given.train.observations, given.train.inputs, given.validation.observations):
        torch.testing.assert_close(
            part.mean((0, 1)), torch.zeros(part.shape[-1], dtype=torch.float64), atol=1e-8, rtol=0
        )
        torch.testing.assert_close(
            part.std((0, 1), correction=0), torch.ones(part.shape[-1], dtype=torch.float64), atol=1e-8, rtol=0
        )


def test_only_training_data_tells_the_units() -> None:
    far = Forecasting(DATA.train, Trajectories(1e6 * DATA.validation.observations), 1)
    assert torch.equal(units_of(Seen(), far).observations.scale, UNITS.observations.scale)
    masked = problem(torch.cat([NOISE, 1e6 * NOISE], 1), seen=(torch.arange(100) < 50).expand(4, 100))
    torch.testing.assert_close(
        units_of(Seen(), masked).observations.scale, NOISE.flatten(0, 1).std(0, correction=0), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize(
    ("x", "mean", "scale"),
    [
        ([[5.0], [5.0]], 5.0, 5.0),  # constant: its own size
        ([[0.0], [0.0]], 0.0, 1.0),  # zero
        ([[0.1 + 0.2], [0.3]], 0.3, 0.3),  # constant but for rounding
        ([[1.0], [3.0]], 2.0, 1.0),
    ],
)
def test_a_constant_channel_has_a_scale(x: list[list[float]], mean: float, scale: float) -> None:
    channels = Channels.of(torch.tensor(x, dtype=torch.float64), linear=False)
    assert float(channels.mean) == pytest.approx(mean)
    assert float(channels.scale) == pytest.approx(scale)


def test_a_channel_of_zeros_takes_the_scale_of_the_others() -> None:
    x = torch.tensor([[0.0, -200.0], [0.0, 200.0]], dtype=torch.float64)
    assert Channels.of(x, linear=False).scale.tolist() == [200.0, 200.0]


def test_linear_models_keep_zero_unless_the_data_is_far_from_it() -> None:
    near, far = (Channels.of(NOISE.flatten(0, 1) + shift, linear=True) for shift in (3.0, 1e4))
    assert torch.equal(near.mean, torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(near.scale, (NOISE + 3.0).square().mean((0, 1)).sqrt())
    torch.testing.assert_close(far.mean, NOISE.mean((0, 1)) + 1e4)
    torch.testing.assert_close(far.scale, NOISE.std((0, 1), correction=0))


def test_what_wants_raw_units_gets_them() -> None:
    @dataclass(frozen=True)
    class Raw(Seen):
        data_units: ClassVar[Wanted] = "raw"

    assert units_of(Raw(), DATA) is None
    assert standardized(DATA, None) is DATA
    model = Linear()
    assert restored(model, None, Forecasting) is model


def test_answers_come_back_in_the_units_of_the_data() -> None:
    context = Trajectories(DATA.train.observations[:, :3])
    inner = Linear().forecast(Trajectories((context.observations - MEAN_OF) / SCALE_OF), 4)
    torch.testing.assert_close(MODEL.forecast(context, 4), inner * SCALE_OF + MEAN_OF)


MEAN_OF, SCALE_OF = UNITS.observations.mean, UNITS.observations.scale


def test_abilities_are_those_of_the_model() -> None:
    assert isinstance(MODEL, HasJacobian)
    assert isinstance(MODEL, HasSpectrum)
    plain = restored(Only(), UNITS, Forecasting)
    assert not isinstance(plain, HasJacobian)
    assert not isinstance(plain, HasSpectrum)
    assert isinstance(bare(MODEL), Linear)
    assert parameter_count(bare(MODEL)) == 9


def test_the_jacobian_is_the_derivative_of_the_step() -> None:
    state = MODEL.initial_state(Trajectories(DATA.train.observations[:, :3]))
    torch.testing.assert_close(state, DATA.train.observations[:, 2])
    exact = MODEL.jacobian(state)
    for j in range(3):
        move = torch.zeros(3, dtype=torch.float64)
        move[j] = 1e-3 * SCALE_OF[j]
        slope = (MODEL.step(state + move) - MODEL.step(state - move)) / (2 * move[j])
        np.testing.assert_allclose(
            slope / SCALE_OF, exact[..., j] / SCALE_OF, rtol=1e-5, atol=1e-7 / float(SCALE_OF[j])
        )
    torch.testing.assert_close(MODEL.tangent(state, torch.eye(3, dtype=torch.float64).expand(4, 3, 3)), exact)


def test_lyapunov_exponents_do_not_depend_on_units() -> None:
    contexts = Trajectories(DATA.train.observations[:, :1])
    own = lyapunov_spectrum(Linear(), Trajectories(UNITS.observations.enter(contexts.observations)), 2000)
    torch.testing.assert_close(lyapunov_spectrum(MODEL, contexts, 2000), own, atol=1e-3, rtol=0)


def test_eigenfunctions_are_asked_in_the_units_of_the_data() -> None:
    """phi(F(x)) = lambda phi(x) holds in either units where it holds in one."""
    points = DATA.train.observations[0, :, None]
    torch.testing.assert_close(
        MODEL.eigenfunctions(points), Linear().eigenfunctions(UNITS.observations.enter(points)), rtol=1e-12, atol=0
    )
    assert torch.equal(MODEL.eigenvalues(), Linear().eigenvalues())


def test_uneven_time_is_counted_in_its_mean() -> None:
    gaps = torch.full((4, 50), 1e-6, dtype=torch.float64)
    posed = problem(NOISE, gaps=gaps)
    assert torch.allclose(
        standardized(posed, units_of(Seen(), posed)).train.gaps, torch.ones(4, 50, dtype=torch.float64)
    )


def test_the_worker_stands_between_a_method_and_its_data() -> None:
    Seen.shown.clear()
    rollout = Rollout(Trajectories(DATA.train.observations[:, :1].float()), 2)
    posed = Forecasting(DATA.train, DATA.validation, 1, ForecastingQuery({"a": rollout}))
    (answer,) = solve([Seen()], [posed], [[0]])
    assert float(Seen.shown[0].train.observations.abs().max()) < 5
    assert Seen.shown[0].query is None
    assert np.abs((answer.arrays["forecast.a"] - MEAN_OF.numpy()) / SCALE_OF.numpy()).max() < 10


def test_predictors_are_restored_too() -> None:
    class Same:
        def predict(self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)) -> Tensor:
            return torch.stack([sequences.observations for _ in horizons])

    model = restored(Same(), UNITS, Prediction)
    torch.testing.assert_close(model.predict(DATA.train, (1, 2))[1], DATA.train.observations)
