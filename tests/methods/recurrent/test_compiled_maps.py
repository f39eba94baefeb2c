"""Compiled steps: the free run and the Lyapunov spectrum of every model equal those by calls of torch or NumPy a step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor

from dynamark.methods.recurrent import alrnn, gated, neural_ode, shallow
from dynamark.methods.recurrent.ngrc import Polynomial
from dynamark.methods.recurrent.reservoir import EchoStateNetwork, Reservoir
from dynamark.methods.recurrent.sindy import SparseModel
from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.lyapunov import lyapunov_spectrum
from dynamark.tasks.problems import Forecasting, Run, Trajectories

pytestmark = pytest.mark.skipif(not compiling.available(), reason="numba not there")

DIM = 3


def random(*shape: int, scale: float = 1.0, seed: int = 0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def models() -> dict[str, Any]:
    g = torch.Generator().manual_seed(0)
    sparse = random(10, DIM, scale=0.3)
    sparse[sparse.abs() < 0.2] = 0
    sparse[4:] *= 0.1
    pulled = [random(count, DIM, scale=0.01) for count in (10, 55)]
    for w in pulled:
        w[1 : 1 + DIM] -= 0.4 * torch.eye(DIM, dtype=torch.float64)  # toward the origin
    drive, offset, readout = (
        random(12, DIM, seed=1).numpy(),
        random(12, seed=2).numpy(),
        random(24, DIM, scale=0.3).numpy(),
    )
    recurrent = csr_array((random(12, 12, seed=4) * (random(12, 12, seed=5) > 0.5) * 0.3).numpy())
    networks = {cell: gated._Network(gated.GatedNetwork(cell, units=5), DIM, g) for cell in ("gru", "lstm")}
    field = neural_ode._Field((DIM, 6, 6, DIM), g)
    weights, shifts = (tuple(p.detach().double() for p in part) for part in field.parts())
    return {
        "sindy": SparseModel(sparse, 2, 0.05, 2),
        "ngrc, one tap": Polynomial(pulled[0], DIM, 1, 0, 2),
        "ngrc, taps apart": Polynomial(pulled[1], DIM, 2, 4, 2),
        "echo state": Reservoir(recurrent, drive, offset, 0.7, readout),
        "gru": gated.GatedModel.of(networks["gru"]),
        "lstm": gated.GatedModel.of(networks["lstm"]),
        "neural ode": neural_ode.NeuralODEModel(weights, shifts),
        "almost linear": alrnn.AlmostLinearModel.of(alrnn._Cell(alrnn.AlmostLinearRNN(units=6, rectified=3), DIM, g)),
        "shallow": shallow.ShallowModel.of(shallow._Cell(shallow.ShallowPLRNN(), DIM, g)),
    }


@pytest.mark.parametrize("name", models())
def test_runs_and_exponents_do_not_depend_on_the_engine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, context = models()[name], Trajectories(0.5 * random(3, 7, DIM, seed=9))
    runs, exponents = {}, {}
    for engine in (False, True):
        for module in (compiling, alrnn, shallow):
            monkeypatch.setattr(module, "available", lambda engine=engine: engine)
        runs[engine] = model.forecast(context, 25)
        exponents[engine] = lyapunov_spectrum(model, context, 40, burn_in=10, starts=3, every=2)
    assert runs[True].abs().max() > 1e-3
    torch.testing.assert_close(runs[True], runs[False], rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(exponents[True], exponents[False], rtol=1e-7, atol=1e-8)


def test_an_orbit_that_leaves_every_bound_has_no_exponents() -> None:
    weights = torch.zeros(10, DIM, dtype=torch.float64)
    weights[4, 0] = 5.0  # x' = 5 x^2
    context = Trajectories(torch.tensor([[[2.0, 0, 0]], [[-2.0, 0, 0]]], dtype=torch.float64))
    exponents = lyapunov_spectrum(SparseModel(weights, 2, 0.05, 1), context, 200, starts=2)
    assert exponents[0].isnan().all()
    assert not exponents[1].isnan().any()


def test_a_reservoir_is_fitted_alike_by_both_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    from dynamark.methods.recurrent import reservoir

    time = torch.arange(400, dtype=torch.float64)
    x = torch.stack([(0.1 * time).sin(), (0.13 * time).cos()], dim=1)
    problem = Forecasting(Trajectories(torch.stack([x[:200], x[200:]])), Trajectories(x[None]))
    readouts = []
    for engine, piece in ((False, 4096), (True, 4096), (True, 37)):
        monkeypatch.setattr(reservoir, "available", lambda engine=engine: engine)
        monkeypatch.setattr(reservoir, "_PIECE", piece)
        model = EchoStateNetwork(units=20, penalty=1e-3).fit_forecaster(problem, Run((0,)))
        readouts.append(torch.from_numpy(model.readout))
    torch.testing.assert_close(readouts[1], readouts[0], rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(readouts[2], readouts[0], rtol=1e-7, atol=1e-8)
