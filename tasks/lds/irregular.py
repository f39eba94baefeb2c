"""Damped oscillators sampled at irregular times."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import unknown
from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.lds.base import bounded, relative
from dynamark.tasks.numerics import exact
from dynamark.tasks.problems import Prediction, PredictionQuery, Trajectories

__all__ = ["Irregular", "Oscillators"]


@dataclass(frozen=True)
class Oscillators:
    """z' = (-a + i w) z + noise, one complex z per oscillator, stationary; y = sum Re z + N(0, level^2), var sum Re z = 1.

    Discretized exactly: over a gap g, z <- e^{(-a + i w) g} z, plus N(0, (1 - e^{-2 a g})/K) in the real and imaginary part each.
    damping: a; frequency: w; level: standard deviation of the measurement noise.
    """

    damping: Float[ndarray, " oscillator"]
    frequency: Float[ndarray, " oscillator"]
    level: float

    def transition(self, gap: Float[ndarray, " sequence"]) -> tuple[ndarray, ndarray, ndarray]:
        """e^{-a g} cos(w g), e^{-a g} sin(w g), and the process noise variance per coordinate [sequence, oscillator]."""
        decay, angle = exact.exp(-gap[:, None] * self.damping), gap[:, None] * self.frequency
        return decay * exact.cos(angle), decay * exact.sin(angle), (1 - decay * decay) / len(self.damping)

    def sample(
        self, gaps: Float[ndarray, "sequence time"], rng: np.random.Generator
    ) -> Float[ndarray, "sequence time"]:
        """Noisy measurements y."""
        z = rng.standard_normal((2, len(gaps), len(self.damping))) / np.sqrt(len(self.damping))
        y = np.empty_like(gaps)
        for t, gap in enumerate(gaps.T):
            cos, sin, variance = self.transition(gap)
            z = np.stack([cos * z[0] - sin * z[1], sin * z[0] + cos * z[1]])
            z += np.sqrt(variance) * rng.standard_normal(z.shape)
            y[:, t] = np.sum(z[0], axis=1)
        return y + self.level * rng.standard_normal(y.shape)

    def kalman(
        self, y: Float[ndarray, "sequence time"], gaps: Float[ndarray, "sequence time"]
    ) -> tuple[Float[ndarray, "sequence time"], Float[ndarray, "sequence time"]]:
        """Kalman prediction of y_t from y_{<t}, and its variance S_t (including measurement noise)."""
        count, k = len(y), len(self.damping)
        x = np.zeros((count, k, 2))
        p = np.broadcast_to((np.eye(2 * k) / k).reshape(k, 2, k, 2), (count, k, 2, k, 2)).copy()
        best, innovation = np.empty_like(y), np.empty_like(y)
        index = np.arange(k)
        for t, gap in enumerate(gaps.T):
            cos, sin, variance = self.transition(gap)
            x = _rotated(x, cos, sin, 2)
            p = _rotated(_rotated(p, cos, sin, 4), cos, sin, 2)
            for i in (0, 1):
                p[:, index, i, index, i] += variance
            pc = np.sum(p[..., 0], axis=3)
            best[:, t] = np.sum(x[..., 0], axis=1)
            innovation[:, t] = np.sum(pc[..., 0], axis=1) + self.level**2
            gain = pc / innovation[:, t, None, None]
            x = x + gain * (y[:, t] - best[:, t])[:, None, None]
            p = p - gain[..., None, None] * pc[:, None, None]
        return best, innovation


def _rotated(x: ndarray, cos: ndarray, sin: ndarray, axis: int) -> ndarray:
    """x with the pairs of coordinates along `axis` rotated and damped; oscillators are on the axis before it."""
    shape = [1] * (x.ndim - 1)
    shape[0], shape[axis - 1] = cos.shape
    a, b = x.take(0, axis), x.take(1, axis)
    c, s = cos.reshape(shape), sin.reshape(shape)
    return np.stack([c * a - s * b, s * a + c * b], axis=axis)


@dataclass(frozen=True, kw_only=True)
class Irregular(Task):
    """Predict y_t from y_{<t} and the time gaps up to sample t: K noise-driven damped oscillators, one system per seed.

    Damping is log-uniform in 0.01 .. 0.1, angular frequency uniform in 0.3 .. 3. sampling: `exponential` gaps of mean 1, or
    `dropped`, a unit grid of which 30 % is missing. Primary score: the excess mean |y^ - y*|^2 / mean S_t, y* and S_t the
    prediction and its variance by the Kalman filter of the true system.
    """

    sampling: str = "exponential"
    oscillators: int = 4
    level: float = 0.3
    length: int = 1024
    train: int = 64
    validation: int = 16
    test: int = 64

    kind: ClassVar[type] = Prediction
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"length": 256, "oscillators": 2, "train": 16, "validation": 4, "test": 8},
        "standard": {},
        "large": {"length": 8192, "train": 256, "validation": 32, "test": 128},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("excess", about="mean squared distance to the Kalman prediction / innovation variance"),
        Metric("nmse", about="mean squared error / mean square of the measured value, after the burn-in"),
    )

    def __post_init__(self) -> None:
        if self.sampling not in ("exponential", "dropped"):
            raise unknown("sampling", self.sampling, ["exponential", "dropped"])

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
        """1 / number of training samples, what one fitted parameter costs."""
        return 1 / (self.train * self.length)

    def system(self, seed: int) -> Oscillators:
        """The oscillators of a seed."""
        rng = self.rng(seed, "system")
        damping = exact.exp(rng.uniform(exact.log(0.01), exact.log(0.1), self.oscillators))
        return Oscillators(damping, rng.uniform(0.3, 3.0, self.oscillators), self.level)

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Measurements `y` and time gaps of each part."""
        system, data = self.system(seed), {}
        for path, part in enumerate(("train", "validation", "test")):
            rng = self.rng(seed, "data", path)
            data[f"{part}.gaps"] = self._gaps(getattr(self, part), rng)
            data[f"{part}.y"] = system.sample(data[f"{part}.gaps"], rng)
        return data

    def best(self, seed: int) -> tuple[ndarray, ndarray]:
        """The Kalman filter's predictions of the test sequences, and their variances."""
        return _kalman(self, seed)

    def _gaps(self, count: int, rng: np.random.Generator) -> ndarray:
        """Exponential gaps, or the distance to the next grid point that is not missing."""
        uniform = 1 - rng.uniform(size=(count, self.length))  # in (0, 1]
        waiting = -exact.log(uniform)
        return waiting if self.sampling == "exponential" else 1 + np.floor(waiting / -exact.log(0.3))

    def problem(self, seed: int) -> Prediction:
        """Training sequences with their gaps; the query: one-step predictions of the test sequences."""
        data = self.data(seed)
        train, validation, test = (
            Trajectories(
                torch.from_numpy(data[f"{part}.y"][..., None].copy()),
                gaps=torch.from_numpy(data[f"{part}.gaps"].copy()),
            )
            for part in ("train", "validation", "test")
        )
        return Prediction(train, validation, PredictionQuery(test))

    def score(self, solution: Solution, seed: int) -> Scores:
        """Excess and NMSE."""
        data, b = self.data(seed), self.burn_in
        y, (best, innovation) = data["test.y"][..., None], self.best(seed)
        answer = bounded(solution["prediction"][0], y.shape)
        distance = np.mean((answer[..., 0] - best) ** 2, axis=0) / np.mean(innovation[:, b:])
        values = {
            "excess": float(np.mean(distance[b:])),
            "nmse": relative(answer[:, b:] - y[:, b:], y[:, b:]),
        }
        return Scores(values, (Curve("excess_by_time", np.arange(self.length), distance),))

    def baseline(self, seed: int) -> float:
        """The better of 0 and the last value."""
        y = self.data(seed)["test.y"][..., None]
        last = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
        return min(self.score({"prediction": a[None]}, seed).values["excess"] for a in (np.zeros_like(y), last))

    def oracle(self, seed: int) -> float:
        """0, the excess of the Kalman filter itself."""
        return 0.0


@functools.lru_cache(maxsize=8)
def _kalman(task: Irregular, seed: int) -> tuple[ndarray, ndarray]:
    data = task.data(seed)
    return task.system(seed).kalman(data["test.y"], data["test.gaps"])
