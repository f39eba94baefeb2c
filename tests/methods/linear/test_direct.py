"""Direct linear forecasters against independent least squares, constrained least squares and exact recurrences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.linear.direct import DirectLinear, DirectModel, moving_average
from dynamark.tasks.problems import Forecasting, Run, Trajectories


def noisy(trajectories: int = 3, time: int = 150, dim: int = 2, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(trajectories, time, dim, generator=generator, dtype=torch.float64).cumsum(1) * 0.3


def fitted(x: Tensor, context: int = 40, **fields: Any) -> DirectModel:
    paths = Trajectories(x)
    return DirectLinear(**fields).fit_forecaster(Forecasting(paths, paths, context), Run())


def windows_of(x: Tensor, lags: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Pasts and futures of all channels, by loops."""
    rows = [
        path[start : start + lags + horizon, channel]
        for path in x.numpy()
        for channel in range(x.shape[2])
        for start in range(x.shape[1] - lags - horizon + 1)
    ]
    return np.array(rows)[:, :lags], np.array(rows)[:, lags:]


def test_the_plain_form_is_linear_regression_with_a_constant() -> None:
    x = noisy()
    model = fitted(x, form="plain", lags=12, horizon=5, penalty=0.0)
    past, future = windows_of(x, 12, 5)
    wanted = np.linalg.lstsq(np.column_stack([past, np.ones(len(past))]), future, rcond=None)[0]
    np.testing.assert_allclose(model.weights[0], wanted[:-1], atol=1e-10)
    np.testing.assert_allclose(model.constant[0], wanted[-1], atol=1e-10)
    assert model.parameter_count() == 13 * 5


def test_without_a_penalty_the_decomposition_changes_nothing_and_with_one_it_does() -> None:
    x = noisy()
    plain, decomposed = (fitted(x, form=form, lags=30, horizon=4, penalty=0.0) for form in ("plain", "decomposed"))
    torch.testing.assert_close(decomposed.weights, plain.weights, rtol=0, atol=1e-8)
    plain, decomposed = (fitted(x, form=form, lags=30, horizon=4, penalty=0.1) for form in ("plain", "decomposed"))
    assert (decomposed.weights - plain.weights).abs().max() > 1e-3


def test_the_last_form_is_regression_whose_weights_sum_to_one() -> None:
    """Lagrange's conditions, solved at once."""
    x, lags = noisy(), 10
    model = fitted(x, form="last", lags=lags, horizon=3, penalty=0.0)
    past, future = windows_of(x, lags, 3)
    design = np.column_stack([past, np.ones(len(past))])
    constraint = np.append(np.ones(lags), 0.0)
    kkt = np.block([[design.T @ design, constraint[:, None]], [constraint[None], np.zeros((1, 1))]])
    wanted = np.linalg.solve(kkt, np.vstack([design.T @ future, np.ones((1, 3))]))[: lags + 1]
    np.testing.assert_allclose(model.weights[0], wanted[:-1], atol=1e-8)
    np.testing.assert_allclose(model.weights[0].sum(0), 1.0, atol=1e-12)


def test_the_last_form_commutes_with_shifts_and_the_plain_form_does_not() -> None:
    x = noisy()
    context = Trajectories(x[:, :40])
    for form, commutes in (("last", True), ("plain", False)):
        model = fitted(x, form=form, lags=16, horizon=6)
        moved = model.forecast(Trajectories(x[:, :40] + 5.0), 20) - 5.0
        assert (float((moved - model.forecast(context, 20)).abs().max()) < 1e-10) is commutes


@pytest.mark.parametrize(("lags", "kernel"), [(9, 4), (30, 25), (5, 25), (7, 1)])
def test_the_moving_average_repeats_the_ends(lags: int, kernel: int) -> None:
    x = np.random.default_rng(0).standard_normal(lags)
    before = (kernel - 1) // 2
    padded = np.concatenate([np.repeat(x[0], before), x, np.repeat(x[-1], kernel - 1 - before)])
    wanted = np.convolve(padded, np.ones(kernel) / kernel, "valid")
    np.testing.assert_allclose(x @ moving_average(lags, kernel).numpy(), wanted, atol=1e-14)


@pytest.mark.parametrize("form", ["plain", "last", "decomposed"])
def test_tones_are_continued_exactly_over_many_blocks(form: str) -> None:
    """Two tones about a mean obey a recurrence of five lags whose weights sum to one."""
    time = torch.arange(300, dtype=torch.float64)
    x = (2.0 + (0.3 * time).sin() + (1.1 * time).cos())[None, :, None]
    model = fitted(x[:, :200], form=form, lags=8, horizon=16, penalty=0.0)
    forecast = model.forecast(Trajectories(x[:, :200]), 100)
    torch.testing.assert_close(forecast, x[:, 200:], rtol=0, atol=1e-6)


def test_individual_maps_are_those_of_single_channels() -> None:
    x = noisy(dim=3)
    whole = fitted(x, individual=True, lags=12)
    for channel in range(3):
        alone = fitted(x[..., channel : channel + 1], lags=12)
        torch.testing.assert_close(whole.weights[channel], alone.weights[0])
    shared = fitted(x, lags=12)
    assert shared.parameter_count() * 3 == whole.parameter_count()
    assert shared.forecast(Trajectories(x), 7).shape == whole.forecast(Trajectories(x), 7).shape == (3, 7, 3)


def test_windows_are_no_longer_than_the_context_and_short_contexts_are_padded() -> None:
    x = noisy()
    model = fitted(x, context=20)
    assert model.weights.shape[1] == 20
    short, padded = x[:, :3], torch.cat([x[:, :1].expand(-1, 17, -1), x[:, :3]], dim=1)
    torch.testing.assert_close(model.forecast(Trajectories(short), 4), model.forecast(Trajectories(padded), 4))
    with pytest.raises(UserError, match="too short"):
        fitted(x[:, :1])
