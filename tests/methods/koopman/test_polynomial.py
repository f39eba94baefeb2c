"""Polynomial increments on maps that are polynomials."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from koopman_problems import linear_paths, posed

from dynamark.methods.koopman.polynomial import PolynomialIncrement
from dynamark.tasks.problems import Run, Trajectories


def henon(count: int, steps: int, seed: int) -> torch.Tensor:
    x = [0.2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)]
    for _ in range(steps):
        a, b = x[-1].unbind(1)
        x.append(torch.stack([1 - 1.4 * a * a + b, 0.3 * a], dim=1))
    return torch.stack(x, dim=1)


@pytest.mark.parametrize("degree", [2, 5])
def test_a_quadratic_map_is_learnt_to_rounding(degree: int) -> None:
    model = PolynomialIncrement(degree).fit_forecaster(posed(henon(50, 20, 0), henon(10, 20, 1)), Run())
    unseen = henon(5, 5, 2)
    np.testing.assert_allclose(model.forecast(Trajectories(unseen[:, :1]), 5), unseen[:, 1:], atol=1e-7)


def test_delays_make_up_for_a_hidden_state() -> None:
    turn = torch.tensor([[0.9, 0.4], [-0.4, 0.9]], dtype=torch.float64)
    seen = linear_paths(turn, 40, 12)[..., :1]
    errors = []
    for delays in (1, 2):
        model = PolynomialIncrement(1, delays).fit_forecaster(posed(seen), Run())
        forecast = model.forecast(Trajectories(seen[:, :4]), 9)
        assert forecast.shape == (40, 9, 1)
        errors.append(float((forecast - seen[:, 4:]).abs().max()))
    assert errors[1] < 1e-9
    assert errors[0] > 0.1


def test_a_short_context_repeats_its_first_state() -> None:
    seen = henon(20, 10, 0)
    model = PolynomialIncrement(2, 3).fit_forecaster(posed(seen), Run())
    short, long = seen[:, :1], seen[:, :1].expand(-1, 3, -1)
    assert torch.equal(model.forecast(Trajectories(short), 4), model.forecast(Trajectories(long), 4))


def test_parameters_are_weights_and_scaling() -> None:
    assert PolynomialIncrement(2).fit_forecaster(posed(henon(20, 10, 0)), Run()).parameter_count() == 6 * 2 + 4
