"""Delays and optimized DMD on tones and damped oscillations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from koopman_problems import linear_paths, posed, spectral_gap

from dynamark.errors import UserError
from dynamark.methods.koopman.dmd import HankelDMD, delayed_pairs, dmd
from dynamark.methods.koopman.optdmd import OptDMD
from dynamark.tasks.problems import Run, Trajectories

TURN = torch.tensor([[0.95, 0.25], [-0.25, 0.95]], dtype=torch.float64)


def tones(count: int = 1, steps: int = 400) -> torch.Tensor:
    t = torch.arange(steps, dtype=torch.float64)
    phase = torch.arange(count, dtype=torch.float64)[:, None]
    return (torch.cos(0.7 * t + phase) + 0.4 * torch.cos(1.9 * t + 2 * phase))[..., None]


def test_twice_as_many_delays_as_tones_forecast_them() -> None:
    paths = tones(6)
    model = HankelDMD(delays=4, rank=4).fit_forecaster(posed(paths[:5, :100]), Run())
    forecast = model.forecast(Trajectories(paths[5:, :4]), 300)
    np.testing.assert_allclose(forecast, paths[5:, 4:304], atol=1e-9)
    expected = np.exp(1j * np.array([0.7, -0.7, 1.9, -1.9]))
    assert np.abs(model.eigenvalues().numpy()[:, None] - expected).min(axis=0).max() < 1e-12


def test_one_delay_is_not_enough() -> None:
    paths = tones(6)
    model = HankelDMD(delays=1).fit_forecaster(posed(paths[:5, :100]), Run())
    assert (model.forecast(Trajectories(paths[5:, :4]), 50) - paths[5:, 4:54]).abs().max() > 0.5


def test_windows_hold_the_oldest_state_first() -> None:
    x, y = delayed_pairs(Trajectories(torch.arange(12.0, dtype=torch.float64).reshape(1, 6, 2)), 3)
    assert x[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert y[0].tolist() == [2, 3, 4, 5, 6, 7]
    assert len(x) == 3


def test_the_gram_matrix_of_snapshots_gives_the_same_map() -> None:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((20, 3)) @ rng.standard_normal((3, 50)))
    y = torch.from_numpy(rng.standard_normal((20, 50)))
    by_gram, by_svd = dmd(x, y, energy=0.9999), dmd(x, y, rank=3)
    assert by_gram[0].shape == (50, 3)
    np.testing.assert_allclose(by_gram[0] @ by_gram[1], by_svd[0] @ by_svd[1], atol=1e-10)


def test_energy_chooses_the_rank() -> None:
    paths = tones(3)
    noisy = paths + 1e-3 * torch.randn(paths.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = HankelDMD(delays=20, energy=0.999).fit_forecaster(posed(noisy), Run())
    assert model.step.shape[0] == 4
    assert model.parameter_count() == 20 * 4 + 16 + 4


def test_eigenfunctions_of_windows_move_by_their_eigenvalue() -> None:
    paths = tones(3)
    model = HankelDMD(delays=8, rank=4).fit_forecaster(posed(paths), Run())
    before, after = model.eigenfunctions(paths[:, 50:58]), model.eigenfunctions(paths[:, 51:59])
    np.testing.assert_allclose(after, model.eigenvalues() * before, atol=1e-10)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_optimized_dmd_forecasts_a_damped_rotation(noise: float) -> None:
    clean = linear_paths(TURN, 30, 40)
    noisy = clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    problem = dataclasses.replace(posed(noisy, dt=0.5))
    model = OptDMD().fit_forecaster(problem, Run())
    unseen = linear_paths(TURN, 4, 50, seed=2)
    gap = (model.forecast(Trajectories(unseen[:, :1]), 50) - unseen[:, 1:]).abs().max()
    assert gap < (0.1 * unseen.abs().max() if noise else 1e-8)
    assert spectral_gap(model.eigenvalues(), np.linalg.eigvals(TURN.numpy())) < (0.005 if noise else 1e-9)


def test_optimized_dmd_refuses_trajectories_that_leave_its_rates_free() -> None:
    pairs = torch.randn(50, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UserError, match="longer trajectories or a smaller rank"):
        OptDMD().fit_forecaster(posed(pairs), Run())
    assert len(OptDMD(rank=1).fit_forecaster(posed(pairs), Run()).eigenvalues()) == 1
