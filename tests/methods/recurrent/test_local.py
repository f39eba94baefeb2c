"""The local map of a ring commutes with rotations, and needs as many weights for a large ring as for a small one."""

from __future__ import annotations

import torch

from dynamark.methods.recurrent.local import LocalModel, LocalReservoir, neighborhoods
from dynamark.tasks.problems import Forecasting, Run, Trajectories


def fitted(x: torch.Tensor) -> LocalModel:
    paths = Trajectories(x)
    return LocalReservoir().fit_forecaster(Forecasting(paths, paths, 2), Run())


def test_rotating_the_ring_rotates_the_forecast() -> None:
    x = torch.randn(1, 60, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    context = 0.1 * x[:, :5]
    plain = fitted(x).forecast(Trajectories(context), 3)
    turned = fitted(x.roll(1, 2)).forecast(Trajectories(context.roll(1, 2)), 3)
    torch.testing.assert_close(turned, plain.roll(1, 2), rtol=1e-9, atol=1e-9)


def test_weights_do_not_grow_with_the_ring_and_neighbors_wrap_around() -> None:
    x = torch.randn(1, 60, 12, dtype=torch.float64)
    assert fitted(x).parameter_count() == fitted(x[..., :6]).parameter_count()
    assert neighborhoods(6, 1)[0].tolist() == [5, 0, 1]
    assert neighborhoods(3, 2)[1].tolist() == [1, 2, 0]
