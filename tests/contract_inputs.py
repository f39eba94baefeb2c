"""Small problems of every kind whose data is awkward in one way each, and methods made small enough to meet them all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dynamark.methods.catalog import METHODS
from dynamark.runners.registry import load, resolve_method
from dynamark.runners.spec import Spec, parse
from dynamark.tasks.numerics.operators import DenseOperator, half_vectorize
from dynamark.tasks.problems import (
    KINDS,
    Forecasting,
    ForecastingQuery,
    Online,
    OnlineQuery,
    Prediction,
    PredictionQuery,
    Recovery,
    Rollout,
    Training,
    TrainingQuery,
    Trajectories,
)

__all__ = ["BUDGET", "KIND_OF", "PROBLEMS", "SMALL", "small"]

# Training steps, or passes over the operator.
BUDGET = 3

# Fields that make a method fit the small problems: windows, washouts and sizes, nothing of how it works.
SMALL: dict[str, dict[str, Any]] = {
    "esn": {"units": 40, "washout": 10},
    "alrnn": {"window": 20, "units": 8, "batch": 4},
    "shplrnn": {"window": 20, "hidden": 8, "batch": 4},
    "shplrnn_sparse": {"window": 20, "hidden": 8, "batch": 4},
    "dendplrnn": {"window": 20, "units": 8, "branches": 4, "batch": 4},
    "lstm_tbptt": {"units": 8},
    "gru_tbptt": {"units": 8},
    "lem": {"units": 8},
    "deep_ensemble": {"members": 2, "hidden": (8,)},
    "kovae": {"latent": 2, "units": 4, "layers": 1, "window": 8, "batch": 4},
    "deep_kalman": {"latent": 2, "units": 4, "window": 8, "batch": 4, "paths": 2},
    "latent_ode": {"latent": 2, "units": 4, "window": 4, "batch": 4},
    "neural_ode": {"hidden": (8,), "segment": 8, "batch": 4},
    "hankel_dmd": {"delays": 8},
    "havok": {"delays": 8},
    "bopdmd": {"trials": 3},
    "rrr": {"points": 100, "rank": 10},
    "pcr": {"points": 100, "rank": 10},
    "nystroem": {"centers": 40, "rank": 10},
    "resdmd": {"size": 2},
    "prophecy": {"states": 8, "window": 16},
    "era": {"order": 2, "taps": 21},
    "spectral_filtering": {"filters": 6},
    "wedge_filtering": {"filters": 8},
    "arx": {"orders": (1, 2, 4, 8)},
    "fir": {"taps": 20},
}


def small(name: str) -> Any:
    """A method of the catalog, small."""
    return resolve_method(Spec(name, SMALL.get(name, {}))).build()


# --- forecasting and prediction


@functools.lru_cache(maxsize=1)
def lorenz() -> Tensor:
    """Three trajectories of the Lorenz system [3, 120, 3], of mean 0 and deviation 1."""
    x = torch.tensor([[1.0, 2.0, 20.0], [-5.0, -3.0, 25.0], [8.0, 1.0, 30.0]], dtype=torch.float64)

    def field(x: Tensor) -> Tensor:
        a, b, c = x.unbind(-1)
        return torch.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], -1)

    path = []
    for step in range(320):
        k1 = field(x)
        k2 = field(x + 0.01 * k1)
        k3 = field(x + 0.01 * k2)
        x = x + 0.02 / 6 * (k1 + 2 * k2 + 2 * k3 + field(x + 0.02 * k3))
        if step >= 200:
            path.append(x)
    out = torch.stack(path, 1)
    return (out - out.mean((0, 1))) / out.std((0, 1))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def forecasting(
    x: Tensor, dt: float = 0.02, horizon: int = 5, context: int | None = None, validation: Tensor | None = None
) -> Forecasting:
    """Train on trajectories, continue them from their last samples."""
    context = min(20, x.shape[1] // 2 or 1) if context is None else context
    validation = x if validation is None else validation
    query = ForecastingQuery({"next": Rollout(Trajectories(x[:, x.shape[1] - context :], dt=dt), horizon)})
    return Forecasting(Trajectories(x, dt=dt), Trajectories(validation, dt=dt), context, query)


def driven(rest: bool, scale: float = 1.0) -> Forecasting:
    """A linear system with inputs, continued from rest or from a context."""
    u, y = linear(3, 60)
    y = scale * y
    paths, context = Trajectories(y[:, :50], u[:, :50]), 0 if rest else 10
    start = Trajectories(y[:, :context], u[:, :context])
    query = ForecastingQuery({"next": Rollout(start, 10, u[:, context : context + 10])})
    return Forecasting(paths, paths, context, query)


def linear(count: int, time: int, dim: int = 1, channels: int = 1) -> tuple[Tensor, Tensor]:
    """Inputs and outputs of a stable system with two states."""
    u, b, c = noise(count, time, channels), noise(channels, 2, seed=1), noise(2, dim, seed=2)
    state, y = u.new_zeros(count, 2), []
    for t in range(time):
        state = state * torch.tensor([0.9, -0.5]) + u[:, t] @ b
        y.append(state @ c)
    return u, torch.stack(y, 1)


def prediction(u: Tensor | None, y: Tensor, horizons: tuple[int, ...] = (1,), **rest: Any) -> Prediction:
    paths = Trajectories(y, u, **rest)
    return Prediction(paths, paths, PredictionQuery(paths, horizons))


def _forecasts() -> dict[str, Callable[[], Forecasting]]:
    x = lorenz()
    flat, far = x.clone(), x + 1e3
    flat[..., 1] = 4.0
    double = torch.cat([x, x[..., :1]], -1)
    return {
        "plain": lambda: forecasting(x),
        "float32": lambda: forecasting(x.float()),
        "times 1e6": lambda: forecasting(1e6 * x),
        "times 1e-6": lambda: forecasting(1e-6 * x),
        "times 1e12": lambda: forecasting(1e12 * x),
        "times 1e-12": lambda: forecasting(1e-12 * x),
        "shifted": lambda: forecasting(far),
        "mixed units": lambda: forecasting(x * torch.tensor([1e-6, 1.0, 1e6])),
        "constant channel": lambda: forecasting(flat),
        "constant": lambda: forecasting(torch.full_like(x, 3.0)),
        "zero": lambda: forecasting(torch.zeros_like(x)),
        "duplicate channel": lambda: forecasting(double),
        "rank one": lambda: forecasting(x[..., :1] * torch.tensor([1.0, 2.0, -3.0])),
        "one trajectory": lambda: forecasting(x[:1]),
        "one channel": lambda: forecasting(x[..., :1]),
        "horizon 1": lambda: forecasting(x, horizon=1),
        "context 1": lambda: forecasting(x, context=1),
        "dt 1e-3": lambda: forecasting(x, dt=1e-3),
        "dt 1e3": lambda: forecasting(x, dt=1e3),
        "12 channels": lambda: forecasting(
            torch.cat([x, x[:, :, :3] ** 2, noise(*x.shape), x @ noise(3, 3, seed=3)], -1)
        ),
        "two samples": lambda: forecasting(x[:, :2]),
        "five samples": lambda: forecasting(x[:, :5]),
        "twelve samples": lambda: forecasting(x[:, :12]),
        "short validation": lambda: forecasting(x, validation=x[:, :1]),
        "unequal lengths": lambda: replace(
            forecasting(x), train=Trajectories(x, dt=0.02, lengths=torch.tensor([120, 60, 97]))
        ),
        "from rest": lambda: driven(True),
        "from a context with inputs": lambda: driven(False),
        "from rest, times 1e-9": lambda: driven(True, 1e-9),
    }


def _predictions() -> dict[str, Callable[[], Prediction]]:
    u, y = linear(3, 60)
    wide_u, wide_y = linear(3, 60, 6, 4)
    gaps = 0.5 + noise(3, 60).abs()
    seen = noise(3, 60) > 0
    return {
        "plain": lambda: prediction(u, y),
        "float32": lambda: prediction(u.float(), y.float()),
        "no inputs": lambda: prediction(None, y),
        "outputs times 1e9": lambda: prediction(u, 1e9 * y),
        "outputs times 1e-9": lambda: prediction(u, 1e-9 * y),
        "inputs times 1e-9": lambda: prediction(1e-9 * u, y),
        "shifted": lambda: prediction(u + 1e3, y + 1e4),
        "many channels": lambda: prediction(wide_u, wide_y),
        "zero inputs": lambda: prediction(torch.zeros_like(u), y),
        "zero outputs": lambda: prediction(u, torch.zeros_like(y)),
        "constant outputs": lambda: prediction(u, torch.full_like(y, 7.0)),
        "one sequence": lambda: prediction(u[:1], y[:1]),
        "one sample": lambda: prediction(u[:, :1], y[:, :1]),
        "three samples": lambda: prediction(u[:, :3], y[:, :3]),
        "eight samples": lambda: prediction(u[:, :8], y[:, :8]),
        "gaps": lambda: prediction(u, y, gaps=gaps),
        "gaps times 1e-6": lambda: prediction(u, y, gaps=1e-6 * gaps),
        "seen in part": lambda: prediction(u, y.where(seen[..., None], torch.nan), seen=seen),
        "two horizons": lambda: prediction(u[:, :20], y[:, :20], (1, 3)),
        "unequal lengths": lambda: replace(
            prediction(u, y), train=Trajectories(y, u, lengths=torch.tensor([60, 31, 44]))
        ),
    }


# --- the other kinds


def _online(dim: int, channels: int, scale: float = 1.0, zero: bool = False) -> Online:
    u, y = linear(2, 24, dim, channels)
    u = torch.zeros_like(u) if zero else u
    return Online(channels, dim, 24, OnlineQuery(u, scale * y))


def _recovery(
    rows: int = 8,
    columns: int = 8,
    rank: int | None = 2,
    scale: float = 1.0,
    symmetric: bool = False,
    empty: bool = False,
) -> Recovery:
    left, right = noise(rows, 2, seed=4), noise(columns, 2, seed=5)
    truth = left @ (left if symmetric else right).T
    m = 6 * (rows + columns)
    matrices = noise(m, rows, columns, seed=6) / m**0.5
    if empty:
        truth[0], truth[:, 1] = 0, 0
        matrices[:, 0], matrices[:, :, 1] = 0, 0
    rows_of = half_vectorize(matrices) if symmetric else matrices.flatten(1)
    operator = DenseOperator(rows_of, (rows, columns), symmetric)
    return Recovery(operator, scale * operator.forward(truth), symmetric, rank)


def _training(scale: float = 1.0, samples: int = 40) -> Training:
    x = scale * noise(samples, 6).float()
    labels = (x[:, 0] > 0).long()
    return Training(x, labels, (6, 10, 2), 2, TrainingQuery(x))


PROBLEMS: dict[type, dict[str, Callable[[], Any]]] = {
    Forecasting: _forecasts(),
    Prediction: _predictions(),
    Online: {
        "plain": lambda: _online(1, 1),
        "dimension 64": lambda: _online(64, 3),
        "zero inputs": lambda: _online(1, 1, zero=True),
        "zero outputs": lambda: _online(2, 1, 0.0),
        "times 1e8": lambda: _online(1, 1, 1e8),
        "times 1e-8": lambda: _online(1, 1, 1e-8),
    },
    Recovery: {
        "plain": _recovery,
        "symmetric": lambda: _recovery(symmetric=True),
        "oblong": lambda: _recovery(5, 9),
        "rank hint above the size": lambda: _recovery(5, 9, rank=7),
        "no rank": lambda: _recovery(rank=None),
        "empty row and column": lambda: _recovery(empty=True),
        "y = 0": lambda: _recovery(scale=0.0),
        "symmetric, y = 0": lambda: _recovery(scale=0.0, symmetric=True),
        "times 1e8": lambda: _recovery(scale=1e8),
        "times 1e-8": lambda: _recovery(scale=1e-8),
        "symmetric times 1e8": lambda: _recovery(scale=1e8, symmetric=True),
        "symmetric times 1e-8": lambda: _recovery(scale=1e-8, symmetric=True),
    },
    Training: {
        "plain": _training,
        "one sample": lambda: _training(samples=1),
        "zero inputs": lambda: _training(0.0),
        "times 1e-3": lambda: _training(1e-3),
    },
}

# kind of problem -> the methods of the catalog that solve it
KIND_OF: dict[type, list[str]] = {
    kind: [name for name in METHODS if any(hasattr(load(parse(METHODS[name]).name, "method"), fit) for fit in fits)]
    for kind, fits in KINDS.items()
}
