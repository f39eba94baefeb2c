"""In-context next-value prediction: every sequence comes from a different, unknown system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.errors import unknown
from dynamark.tasks.base import Metric, Scores, Solution, Task
from dynamark.tasks.lds.base import NMSE_FLOOR, bounded, relative
from dynamark.tasks.numerics.exact import contract, settled, sin
from dynamark.tasks.numerics.integrators import rk4
from dynamark.tasks.problems import Prediction, PredictionQuery, Trajectories

__all__ = ["SIGNALS", "NextState"]


@dataclass(frozen=True, kw_only=True)
class NextState(Task):
    """Predict y_{t+1} from y_{<=t}, each sequence from a different system; no system is in both training and test data.

    signal: `linear` (x' = A x, eight states, entries of A ~ N(0, 1), shifted to max Re lambda = -0.05; x_1 is observed), `sines`
    (four of random amplitude, phase and frequency), `vdp` (van der Pol, mu = 1.5), `lorenz` (x of Lorenz 1963). noise: standard
    deviation of measurement noise relative to the rms of the training signals. Primary score: nmse of the clean next value.
    """

    signal: str = "linear"
    noise: float = 0.0
    length: int = 1024
    train: int = 64
    validation: int = 16
    test: int = 64

    kind: ClassVar[type] = Prediction
    version: ClassVar[int] = 2
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"length": 400, "train": 16, "validation": 4, "test": 8},
        "standard": {},
        "large": {"length": 8192, "train": 256, "validation": 32, "test": 128},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("nmse", about="mean squared error / mean square of the clean next value, after the burn-in"),
        Metric("nmse_late", about="nmse over the second half of the steps"),
    )

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise unknown("signal", self.signal, list(SIGNALS))

    @property
    def burn_in(self) -> int:
        """Number of initial steps that are not scored: min(64, T/16)."""
        return min(64, self.length // 16)

    @property
    def criterion(self) -> Mapping[str, Any]:
        """Mean squared error / mean square of the target, after the burn-in."""
        return {"name": "relative_error", "start": self.burn_in}

    @property
    def floor(self) -> float:
        """`NMSE_FLOOR`: smaller errors are rounding errors."""
        return NMSE_FLOOR

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Clean and measured signals of each part, in units of the training signals' root mean square."""
        data: dict[str, ndarray] = {}
        unit = 1.0
        for path, part in enumerate(("train", "validation", "test")):
            rng = self.rng(seed, "data", path)
            clean = SIGNALS[self.signal](getattr(self, part), self.length, rng)[..., None]
            if part == "train":
                unit = float(np.sqrt(np.mean(clean**2)))
            data[f"{part}.clean"] = clean / unit
            data[f"{part}.y"] = clean / unit + self.noise * rng.standard_normal(clean.shape)
        return data

    def problem(self, seed: int) -> Prediction:
        """Training signals; the query: one-step predictions of signals of other systems."""
        train, validation, test = (
            Trajectories(torch.from_numpy(self.data(seed)[f"{part}.y"].copy()))
            for part in ("train", "validation", "test")
        )
        return Prediction(train, validation, PredictionQuery(test))

    def score(self, solution: Solution, seed: int) -> Scores:
        """NMSE of the clean signal."""
        clean = self.data(seed)["test.clean"]
        error = bounded(solution["prediction"][0], clean.shape) - clean
        parts = {"nmse": self.burn_in, "nmse_late": self.length // 2}
        return Scores({name: relative(error[:, start:], clean[:, start:]) for name, start in parts.items()})

    def baseline(self, seed: int) -> float:
        """The better of 0 and the last value."""
        y = self.data(seed)["test.y"]
        last = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
        return min(self.score({"prediction": a[None]}, seed).values["nmse"] for a in (np.zeros_like(y), last))

    def oracle(self, seed: int) -> float | None:
        """0 without noise: the signals are deterministic. None with noise: the best possible error is unknown."""
        return None if self.noise else 0.0


def _linear(count: int, length: int, rng: np.random.Generator) -> ndarray:
    a, x = rng.standard_normal((count, 8, 8)), rng.standard_normal((count, 8, 1))
    shift = [settled(np.linalg.eigvals(matrix).real.max() + 0.05) for matrix in a]
    step = 0.01 * (a - np.reshape(shift, (-1, 1, 1)) * np.eye(8))
    propagator = term = np.broadcast_to(np.eye(8), a.shape)
    for k in range(1, 15):  # the exponential's series: the norm of the step is below 0.2
        term = contract(term, step) / k
        propagator = propagator + term
    out = np.empty((count, length))
    for t in range(length):
        out[:, t] = x[:, 0, 0]
        x = contract(propagator, x)
    return out


def _sines(count: int, length: int, rng: np.random.Generator) -> ndarray:
    """Angular frequencies uniform in 1 .. 10, time step 0.01."""
    frequency, phase = rng.uniform(1, 10, (count, 4, 1)), rng.uniform(0, 2 * np.pi, (count, 4, 1))
    time = 0.01 * np.arange(length)
    return np.sum(rng.standard_normal((count, 4, 1)) * sin(frequency * time + phase), axis=1)


def _vdp(count: int, length: int, rng: np.random.Generator) -> ndarray:
    def field(s: ndarray) -> ndarray:
        x, v = s[:, 0], s[:, 1]
        return np.stack([v, 1.5 * (1 - x * x) * v - x], axis=1)

    return rk4(field, 2 * rng.standard_normal((count, 2)), 0.01, length)[..., 0]


def _lorenz(count: int, length: int, rng: np.random.Generator) -> ndarray:
    def field(s: ndarray) -> ndarray:
        x, y, z = s[:, 0], s[:, 1], s[:, 2]
        return np.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - (8.0 / 3.0) * z], axis=1)

    start = rk4(field, np.array([0.0, 0.0, 25.0]) + rng.standard_normal((count, 3)), 0.01, 500)[:, -1]
    return rk4(field, start, 1e-3, length)[..., 0]


SIGNALS: dict[str, Callable[[int, int, np.random.Generator], ndarray]] = {
    "linear": _linear,
    "sines": _sines,
    "vdp": _vdp,
    "lorenz": _lorenz,
}
