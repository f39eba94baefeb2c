"""A pure delay of band-limited noise: memory of the inputs over a window of the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.lds.base import NMSE_FLOOR, bounded, relative, trajectories
from dynamark.tasks.numerics import exact
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["DelayedNoise"]


@dataclass(frozen=True, kw_only=True)
class DelayedNoise(Task):
    """Predict y_t = u_{t-lag} from u_{<=t}, u Gaussian noise of variance 1, band-limited below a cutoff frequency.

    cycles: the cutoff, in cycles per lag. u is periodic with period `length`. Steps before the lag are not scored.
    The large tier has the size of the paper: 4000 steps, a lag of 1000, a cutoff of a quarter of a cycle per step.

    Source: Gu et al. 2023, section 4.2.

    key: gu2023
    """

    lag: int = 200
    cycles: int = 15
    length: int = 1200
    train: int = 64
    validation: int = 16
    test: int = 64

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"lag": 50, "cycles": 5, "length": 300, "train": 16, "validation": 4, "test": 8},
        "standard": {},
        "large": {"lag": 1000, "cycles": 250, "length": 4000},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("nmse", about="mean squared error / mean square of the delayed input, from step `lag` on"),
        Metric("nmse_late", about="nmse over the last quarter of the steps"),
    )

    def __post_init__(self) -> None:
        if not 0 < self.lag < self.length:
            raise UserError(f"lag = {self.lag}: use a number of steps between 0 and the length, {self.length}")
        if not 0 < 2 * self.cycles < self.lag:
            raise UserError(f"cycles = {self.cycles}: use a number between 0 and half the lag, {self.lag / 2:g}")

    @property
    def criterion(self) -> Mapping[str, Any]:
        """Mean squared error / mean square of the target, from step `lag` on."""
        return {"name": "relative_error", "start": self.lag}

    @property
    def floor(self) -> float:
        """`NMSE_FLOOR`: smaller errors are rounding errors."""
        return NMSE_FLOOR

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Inputs `u` and outputs `y` of each part."""
        data = {}
        for path, part in enumerate(("train", "validation", "test")):
            u = self._noise(getattr(self, part), self.rng(seed, "data", path))
            y = np.zeros_like(u)
            y[:, self.lag :] = u[:, : -self.lag]
            data[f"{part}.u"], data[f"{part}.y"] = u[..., None], y[..., None]
        return data

    def _noise(self, count: int, rng: np.random.Generator) -> Float[ndarray, "sequence time"]:
        """Sum of the K harmonics below the cutoff, cosines and sines, with coefficients N(0, 1/K)."""
        k = 1 + np.arange(self.cycles * self.length // self.lag)
        angle = 2 * np.pi * (k[:, None] * np.arange(self.length) % self.length) / self.length
        waves = np.concatenate([exact.cos(angle), exact.sin(angle)])
        return exact.contract(rng.standard_normal((count, len(waves))) / np.sqrt(len(k)), waves)

    def problem(self, seed: int) -> Forecasting:
        """Training inputs and outputs; the query: outputs for the test inputs, starting from rest."""
        data = self.data(seed)
        train, validation = (trajectories(data[f"{p}.y"], data[f"{p}.u"]) for p in ("train", "validation"))
        u = torch.from_numpy(data["test.u"].copy())
        rollout = Rollout(Trajectories(u[:, :0], u[:, :0]), self.length, u)
        return Forecasting(train, validation, context=0, query=ForecastingQuery({"simulation": rollout}))

    def score(self, solution: Solution, seed: int) -> Scores:
        """NMSE, and its curve over time."""
        y = self.data(seed)["test.y"]
        error = bounded(solution["forecast.simulation"], y.shape) - y
        starts = {"nmse": self.lag, "nmse_late": max(self.lag, 3 * self.length // 4)}
        values = {name: relative(error[:, start:], y[:, start:]) for name, start in starts.items()}
        by_time = np.mean(error[:, self.lag :] ** 2, axis=(0, 2)) / np.mean(y[:, self.lag :] ** 2)
        return Scores(values, (Curve("nmse_by_time", np.arange(self.lag, self.length), by_time),))

    def baseline(self, seed: int) -> float:
        """The error of predicting 0: 1 by definition."""
        y = self.data(seed)["test.y"][:, self.lag :]
        return relative(y, y)

    def oracle(self, seed: int) -> float:
        """0: a delay line is exact."""
        return 0.0
