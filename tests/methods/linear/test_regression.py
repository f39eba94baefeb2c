"""Linear predictors against dense regressions, recursions written out, and the theory of their banks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamark.methods.linear import banks
from dynamark.methods.linear.model import LinearPredictor
from dynamark.methods.linear.regression import (
    ARX,
    FIR,
    FilterRegression,
    RealPoles,
    SpectralARX,
    SpectralFiltering,
    WedgeFiltering,
    features_of,
)
from dynamark.tasks.numerics.convolution import causal_convolution
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories

METHODS = [
    FIR(5),
    ARX(3),
    ARX(),
    RealPoles(6),
    RealPoles(6, recursive=True),
    SpectralFiltering(4),
    SpectralARX(4),
    WedgeFiltering(6, recursive=True),
]


def paths(count: int, time: int = 64, seed: int = 0, channels: int = 2, noise: float = 0.0) -> Trajectories:
    """Three real poles, two inputs, two outputs."""
    draw = np.random.default_rng(seed)
    fixed = np.random.default_rng(99)
    b, c = fixed.standard_normal((3, channels)), fixed.standard_normal((2, 3))
    pole = np.array([0.3, 0.8, 0.97])
    g = np.einsum("ds,ls,sc->lcd", c, pole ** np.arange(time)[:, None], b)
    u = torch.from_numpy(draw.standard_normal((count, time, channels)))
    y = causal_convolution(u, torch.from_numpy(g))
    return Trajectories(y + noise * torch.from_numpy(draw.standard_normal(y.shape)), u)


def fitted(method: FilterRegression, noise: float = 0.0) -> LinearPredictor:
    return method.fit_predictor(Prediction(paths(6, noise=noise), paths(3, seed=1, noise=noise)), Run())


def rest(p: Trajectories) -> Trajectories:
    assert p.inputs is not None
    return Trajectories(p.observations[:, :0], p.inputs[:, :0])


@pytest.mark.parametrize("method", METHODS, ids=str)
@given(cut=st.integers(1, 63), seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None, database=None)
def test_the_future_does_not_change_a_prediction(method: FilterRegression, cut: int, seed: int) -> None:
    model, some, other = fitted(method), paths(2, seed=seed), paths(2, seed=seed + 1)
    assert some.inputs is not None
    assert other.inputs is not None
    y, u = some.observations.clone(), some.inputs.clone()
    # Prediction t of horizon h may use outputs before t and inputs up to t+h-1.
    y[:, cut:], u[:, cut + 3 :] = other.observations[:, cut:], other.inputs[:, cut + 3 :]
    before, after = model.predict(some, (1, 3)), model.predict(Trajectories(y, u), (1, 3))
    size = before.abs().max()
    assert (before - after)[0, :, : cut + 1].abs().max() <= 1e-12 * size
    assert (before - after)[1, :, : cut + 1].abs().max() <= 1e-12 * size


@pytest.mark.parametrize("method", [ARX(3), RealPoles(6, recursive=True), FIR(5)], ids=str)
def test_further_horizons_continue_with_own_predictions(method: FilterRegression) -> None:
    model, p = fitted(method, noise=0.2), paths(2, seed=5)
    assert p.inputs is not None
    ahead = model.predict(p, (1, 4, 7))
    for t in (0, 1, 20, 50):
        context = Trajectories(p.observations[:, :t], p.inputs[:, :t])
        rolled = model.forecast(context, 7, p.inputs[:, t : t + 7])
        for place, h in enumerate((1, 4, 7)):
            np.testing.assert_allclose(ahead[place, :, t], rolled[:, h - 1], atol=1e-9)


def test_arx_is_the_dense_least_squares_of_lags() -> None:
    p = paths(4, noise=0.3)
    assert p.inputs is not None
    rows, targets = [], []
    for n in range(4):
        for t in range(64):
            u = [p.inputs[n, t - i] if t >= i else torch.zeros(2) for i in range(3)]
            y = [p.observations[n, t - j] if t >= j else torch.zeros(2) for j in (1, 2)]
            rows.append(np.concatenate([*u, *y]))
            targets.append(p.observations[n, t].numpy())
    weights = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    model = ARX(2).fit_predictor(Prediction(p, p), Run())
    assert model.from_inputs is not None
    assert model.from_outputs is not None
    # Both penalized by 1e-14 at least, on noisy data: equal to rounding.
    np.testing.assert_allclose(model.from_inputs.flatten(0, 1), weights[:6], atol=1e-6)
    np.testing.assert_allclose(model.from_outputs.flatten(0, 1), weights[6:], atol=1e-6)


@pytest.mark.parametrize("method", [SpectralFiltering(20), RealPoles(20), ARX(3), ARX()], ids=str)
def test_a_system_with_real_poles_is_simulated(method: FilterRegression) -> None:
    model = method.fit_forecaster(Forecasting(paths(6), paths(3, seed=1), context=0), Run())
    test = paths(2, seed=7)
    answer = model.forecast(rest(test), 64, test.inputs)
    assert (answer - test.observations).square().mean() < 1e-7 * test.observations.square().mean()


def test_a_finite_response_misses_what_is_longer() -> None:
    model, test = fitted(FIR(5)), paths(2, seed=7)
    answer = model.forecast(rest(test), 64, test.inputs)
    assert (answer - test.observations).square().mean() > 0.2 * test.observations.square().mean()


def test_mirrored_filters_reach_negative_poles() -> None:
    p = [replace(q, inputs=q.inputs * _alternating(), observations=q.observations * _alternating()) for q in
         (paths(6), paths(3, seed=1), paths(2, seed=7))]  # fmt: skip
    errors = []
    for both in (False, True):
        model = SpectralFiltering(12, both_signs=both).fit_forecaster(Forecasting(p[0], p[1], context=0), Run())
        answer = model.forecast(rest(p[2]), 64, p[2].inputs)
        errors.append(float((answer - p[2].observations).square().mean() / p[2].observations.square().mean()))
    assert errors[0] > 0.1
    assert errors[1] < 1e-5


def _alternating() -> torch.Tensor:
    return (1.0 - 2.0 * (torch.arange(64) % 2))[None, :, None].double()


def test_without_inputs_only_outputs_count() -> None:
    p = Trajectories(paths(3).observations)
    model = ARX(2).fit_predictor(Prediction(p, p), Run())
    assert model.from_inputs is None
    assert model.predict(p).shape == (1, 3, 64, 2)
    silent = FIR(2).fit_predictor(Prediction(p, p), Run())
    assert (silent.predict(p) == 0).all()


def test_weights_are_counted() -> None:
    assert fitted(ARX(3)).parameter_count() == (4 * 2 + 3 * 2) * 2


def test_pole_filters_have_unit_energy_over_infinite_time() -> None:
    bank = banks.poles(4096, 8)[:, :5]
    np.testing.assert_allclose(bank.square().sum(0), 1, atol=1e-3)


def test_features_are_filters_over_the_past_only() -> None:
    p = paths(1)
    result, _ = features_of(p, banks.taps(64, 2), banks.taps(64, 1))
    assert p.inputs is not None
    np.testing.assert_allclose(result[5], torch.cat([p.inputs[0, 5, :1], p.inputs[0, 4, :1], p.inputs[0, 5, 1:],
                               p.inputs[0, 4, 1:], p.observations[0, 4]]), atol=1e-12)  # fmt: skip


@pytest.mark.parametrize("make", [FIR, ARX, RealPoles, SpectralFiltering, SpectralARX])
def test_all_are_frozen_and_plain(make: Callable[[], FilterRegression]) -> None:
    assert hash(make()) == hash(make())
