"""Sparse identification finds the equations that made the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.errors import UserError
from dynamark.methods.recurrent.sindy import SparseIdentification, SparseModel, thresholded
from dynamark.tasks.chaos.systems import LORENZ63, orbits
from dynamark.tasks.problems import Forecasting, Run, Trajectories


@pytest.fixture(scope="module")
def lorenz() -> Trajectories:
    path = orbits(LORENZ63, {"a": (1, 2500)}, np.random.default_rng(0))["a"]
    return Trajectories(torch.from_numpy(path), dt=0.01)


def test_the_lorenz_equations_are_found(lorenz: Trajectories) -> None:
    run = Run()
    model = SparseIdentification().fit_forecaster(Forecasting(lorenz, lorenz), run)
    # 1, x, y, z, xx, xy, xz, yy, yz, zz
    wanted = torch.zeros(10, 3, dtype=torch.float64)
    wanted[1, 0], wanted[2, 0] = -10, 10
    wanted[1, 1], wanted[2, 1], wanted[6, 1] = 28, -1, -1
    wanted[3, 2], wanted[5, 2] = -8 / 3, 1
    torch.testing.assert_close(model.weights, wanted, atol=0.01, rtol=0)
    assert run.facts["terms"] == model.parameter_count() == 7


def test_the_forecast_integrates_the_field(lorenz: Trajectories) -> None:
    model = SparseIdentification().fit_forecaster(Forecasting(lorenz, lorenz), Run())
    context = Trajectories(lorenz.observations[:, :500], dt=0.01)
    forecast = model.forecast(context, 100)
    assert (forecast - lorenz.observations[:, 500:600]).abs().max() < 0.05
    state = lorenz.observations[0, :5]
    slope = torch.stack([torch.autograd.functional.jacobian(lambda v: model.step(v[None])[0], s) for s in state])
    torch.testing.assert_close(model.jacobian(state), slope)


def test_thresholding_keeps_what_is_large_and_fits_it_anew() -> None:
    g = torch.Generator().manual_seed(0)
    features = torch.randn(200, 4, generator=g, dtype=torch.float64)
    targets = features @ torch.tensor([[2.0, 0], [0.03, -1], [0, 0], [0, 0.02]], dtype=torch.float64)
    actual = thresholded(features, targets, 0.1, 10)
    assert (actual != 0).tolist() == [[True, False], [False, True], [False, False], [False, False]]
    alone = torch.linalg.lstsq(features[:, :1], targets[:, :1], driver="gelsd").solution
    torch.testing.assert_close(actual[:1, :1], alone)
    assert (thresholded(features, targets, 9.0, 10) == 0).all()


def test_a_model_without_terms_stays_where_it_is() -> None:
    model = SparseModel(torch.zeros(10, 3, dtype=torch.float64), 2, 0.01, 2)
    x = Trajectories(torch.rand(2, 4, 3, dtype=torch.float64))
    torch.testing.assert_close(model.forecast(x, 2)[:, 1], x.observations[:, -1])


def test_what_is_too_short_is_refused() -> None:
    x = Trajectories(torch.zeros(1, 4, 3))
    with pytest.raises(UserError):
        SparseIdentification().fit_forecaster(Forecasting(x, x), Run())
