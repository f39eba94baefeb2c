"""The wrappers of the extra, where it is installed; and what is said where it is not."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from koopman_problems import linear_paths, posed, spectral_gap

from dynamark.errors import UserError
from dynamark.methods.koopman.external import HAVOK, BaggedDMD, PySINDy
from dynamark.methods.koopman.optdmd import OptDMD
from dynamark.tasks.koopman.systems import duffing
from dynamark.tasks.numerics.integrators import dop853
from dynamark.tasks.problems import Run, Trajectories

TURN = torch.tensor([[0.99, 0.1], [-0.1, 0.99]], dtype=torch.float64)


@pytest.mark.parametrize("method", [BaggedDMD(), HAVOK(), PySINDy()])
def test_a_missing_extra_is_said_with_the_remedy(method: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pydmd", "pysindy"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=r"pip install 'dynamark\[dmd\]'"):
        method.fit_forecaster(posed(linear_paths(TURN, 2, 40)), Run())  # type: ignore[attr-defined]


def test_bagging_all_snapshots_of_clean_data_gives_the_rates_of_our_own_fit() -> None:
    pytest.importorskip("pydmd")
    paths = linear_paths(TURN, 4, 40)
    state = np.random.get_state()[1][0]  # noqa: NPY002
    bagged, own = (m.fit_forecaster(posed(paths, dt=0.1), Run()) for m in (BaggedDMD(trials=5), OptDMD()))
    assert np.random.get_state()[1][0] == state  # noqa: NPY002
    assert spectral_gap(bagged.eigenvalues(), own.eigenvalues()) < 1e-6
    start = Trajectories(paths[:, :1])
    torch.testing.assert_close(bagged.forecast(start, 20), own.forecast(start, 20), atol=1e-4, rtol=0)


def test_havok_without_forcing_continues_two_tones() -> None:
    pytest.importorskip("pydmd")
    t = torch.arange(3000, dtype=torch.float64) * 0.01
    signal = (torch.cos(2 * t) + 0.5 * torch.sin(5 * t + 1))[None, :, None]
    model = HAVOK(delays=200, rank=5).fit_forecaster(posed(signal[:, :2500], dt=0.01), Run())
    rates = np.log(model.eigenvalues().numpy()) / 0.01
    assert np.abs(rates[:, None] - np.array([2j, -2j, 5j, -5j])).min(axis=0).max() < 0.05
    forecast = model.forecast(Trajectories(signal[:, 2300:2500], dt=0.01), 200)
    torch.testing.assert_close(forecast, signal[:, 2500:2700], atol=0.1, rtol=0)


def test_pysindy_finds_the_terms_of_duffing() -> None:
    pytest.importorskip("pysindy")
    start = np.random.default_rng(0).uniform(-1.5, 1.5, (20, 2))
    paths = torch.from_numpy(dop853(duffing(0.5), start, 0.01, 200))
    model = PySINDy().fit_forecaster(posed(paths, dt=0.01), Run())
    assert model.parameter_count() == 4
    forecast = model.forecast(Trajectories(paths[:5, :1], dt=0.01), 200)
    torch.testing.assert_close(forecast, paths[:5, 1:], atol=5e-3, rtol=0)
