"""Closed-form methods on data that leave their least-squares problem without a unique solution: they must answer, not fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sequence_problems import paths as driven

from dynamark.methods.recurrent.ngrc import NextGenerationReservoir
from dynamark.runners.registry import resolve_method
from dynamark.runners.spec import parse
from dynamark.tasks.chaos.systems import LORENZ63, orbits
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories

FORECASTERS = [
    *("dmd", "hankel_dmd", "optdmd", "edmd", "mpedmd", "resdmd", "poly_increment", "rrr", "pcr", "nystroem"),
    *("ngrc", "esn(units=60, washout=20)", "sindy", "context_parroting"),
]
# Largest error one step ahead; linear modes, and modes that pass verification, tell less of these orbits on any data.
LIMITS = {"optdmd": 3.0, "resdmd": 1.5}
PREDICTORS = ["fir", "arx", "real_poles", "spectral_filtering", "spectral_arx", "wedge_filtering", "era", "n4sid"]


def lorenz(count: int, steps: int) -> torch.Tensor:
    path = orbits(LORENZ63, {"a": (count, steps)}, np.random.default_rng(0))["a"]
    return torch.from_numpy((path - path.mean((0, 1))) / path.std((0, 1)))


def doubled() -> torch.Tensor:
    """Two channels that are equal."""
    x = lorenz(3, 300)
    return torch.cat([x, x[..., :1]], dim=-1)


def constant() -> torch.Tensor:
    """A channel that stands still."""
    x = lorenz(3, 300)
    return torch.cat([x, torch.full_like(x[..., :1], 0.7)], dim=-1)


def few() -> torch.Tensor:
    """Fewer samples than monomials."""
    return lorenz(1, 40)


@pytest.mark.parametrize("name", FORECASTERS)
@pytest.mark.parametrize("data", [doubled, constant, few])
def test_forecasters_answer_on_degenerate_data(name: str, data: Callable[[], torch.Tensor]) -> None:
    given = Trajectories(data(), dt=LORENZ63.dt)
    method: Any = resolve_method(parse(name)).build()
    model = method.fit_forecaster(Forecasting(given, given, 10), Run((0,)))
    context = Trajectories(given.observations[:, :30], dt=LORENZ63.dt)
    forecast = model.forecast(context, 1)[:, 0]
    assert torch.isfinite(forecast).all()
    # One step ahead on its own training data; a channel that stands still, or repeats another, is met like the rest.
    error = (forecast - given.observations[:, 30]).abs().max()
    assert error < LIMITS.get(name, 0.25)


@pytest.mark.parametrize("name", PREDICTORS)
@pytest.mark.parametrize("case", ["equal inputs", "a constant input", "few samples"])
def test_predictors_answer_on_degenerate_data(name: str, case: str) -> None:
    paths = driven(2, 0, 24 if case == "few samples" else 120)
    u = paths.inputs
    assert u is not None
    second = {
        "equal inputs": u[..., :1],
        "a constant input": torch.ones_like(u[..., :1]),
        "few samples": u[..., :1] * 0,
    }
    given = Trajectories(paths.observations, torch.cat([u[..., :1], second[case]], dim=-1))
    fields = "(order=2, taps=9)" if name == "era" else "(orders=(1, 2))" if name == "n4sid" else ""
    method: Any = resolve_method(parse(name + fields)).build()
    prediction = method.fit_predictor(Prediction(given, given), Run((0,))).predict(given)
    assert torch.isfinite(prediction).all()
    assert (prediction[0] - given.observations).square().mean() < 1.1 * given.observations.square().mean()


def test_ngrc_with_its_defaults_learns_noise_free_orbits() -> None:
    """Four orbits of 400 samples: 84 monomials of two delays, dependent to rounding."""
    x = lorenz(5, 400)
    model = NextGenerationReservoir().fit_forecaster(
        Forecasting(Trajectories(x[:4], dt=0.01), Trajectories(x[4:], dt=0.01)), Run((0,))
    )
    forecast = model.forecast(Trajectories(x[4:, :100], dt=0.01), 200)
    assert (forecast - x[4:, 100:300]).abs().max() < 0.05
