"""Predictions without training, on signals whose next value is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.errors import UserError
from dynamark.methods.linear.prophecy import Extrapolation, Prophecy
from dynamark.tasks.lds.icl import SIGNALS, NextState
from dynamark.tasks.problems import Trajectories


def sine(step: float, time: int) -> Trajectories:
    return Trajectories(torch.sin(step * torch.arange(time, dtype=torch.float64) + 0.3)[None, :, None])


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_extrapolation_continues_polynomials_of_its_degree(degree: int) -> None:
    t = torch.arange(12, dtype=torch.float64)
    p = Trajectories((0.3 * t**degree - t ** max(0, degree - 1))[None, :, None])
    answer = Extrapolation(degree).predict(p)[0]
    np.testing.assert_allclose(answer[0, degree + 1 :], p.observations[0, degree + 1 :], atol=1e-9)


def test_the_memory_predicts_by_the_midpoint_rule() -> None:
    """Error dt^3/4 y'''. At frequency w, x = w dt/2, the slope is 2 tan(x) / cos(x) (bilinear warping, and the staircase seen by
    the trapezoidal rule) where the midpoint rule wants 2 sin(x): the difference is 2 x^3 = (w dt)^3 / 4.
    """
    errors = []
    for step, window in ((0.1, 64), (0.05, 128)):
        p = sine(step, 6 * window)
        late = slice(5 * window, None)
        answer = Prophecy(24, window).predict(p)[0]
        errors.append(float((answer - p.observations)[0, late].abs().max()))
    assert errors[0] == pytest.approx(0.1**3 / 4, rel=0.1)
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.1)


@pytest.mark.parametrize("method", [Prophecy(8, 16), Extrapolation(2)], ids=str)
@pytest.mark.parametrize("cut", [0, 1, 7, 39])
def test_the_future_does_not_change_a_prediction(method: Prophecy | Extrapolation, cut: int) -> None:
    p = sine(0.2, 40)
    other = torch.cat([p.observations[:, :cut], 5 - 3 * p.observations[:, cut:]], dim=1)
    assert torch.equal(method.predict(p)[0, :, : cut + 1], method.predict(Trajectories(other))[0, :, : cut + 1])
    with pytest.raises(UserError, match="one step ahead"):
        method.predict(p, (1, 2))


@pytest.mark.parametrize("signal", SIGNALS)
def test_systems_of_the_test_are_new_and_the_scale_has_two_ends(signal: str) -> None:
    task = NextState.at("tiny", signal=signal, length=120)
    data = task.data(0)
    assert np.mean(data["train.clean"] ** 2) == pytest.approx(1)
    assert not np.isin(data["test.y"][:, 0], data["train.y"][:, 0]).any()
    assert task.score({"prediction": data["test.clean"][None]}, 0).values["nmse"] == 0 == task.oracle(0)
    assert 0 < task.baseline(0) <= 1
    assert NextState.at("tiny", signal=signal, noise=0.1).oracle(0) is None
    with pytest.raises(UserError, match="signal"):
        NextState.at("tiny", signal="nonsense")
