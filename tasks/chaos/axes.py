"""Tasks for sweeps: a ring whose number of sites is a field, and what lies outside of the training data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.chaos import metrics
from dynamark.tasks.chaos.breadth import Lorenz96Large
from dynamark.tasks.chaos.extended import LORENZ96_40
from dynamark.tasks.chaos.systems import LORENZ63, LORENZ96_10, LORENZ96_20, System, flow, lorenz96, settle
from dynamark.tasks.numerics.integrators import rk4
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["Lorenz63Parameters", "Lorenz63Starts", "Lorenz96Sites", "lorenz63_orbits"]

_LORENZ96_5 = System(flow(lorenz96, 0.04, 2), 0.04, (8.0,) * 5, (0.462, 0.0, -0.516))
_RINGS = {5: _LORENZ96_5, 10: LORENZ96_10, 20: LORENZ96_20, 40: LORENZ96_40}

# Rayleigh number, sampling step, Runge-Kutta steps per sample, and samples until an orbit is on the attractor.
_RAYLEIGH, _DT, _SUBSTEPS, _TRANSIENT = 28.0, 0.01, 2, 2000
# Lyapunov exponent that defines the time unit, horizon in this unit, and time after which the error is measured.
_EXPONENT, _HORIZON, _AFTER = 0.9056, 12, 0.5
# Answers count as at most so many standard deviations from the truth.
_LARGEST = 1e3


@dataclass(frozen=True, kw_only=True)
class Lorenz96Sites(Lorenz96Large):
    """x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + 8, `sites` sites on a ring, sampled every 0.04 (Lorenz 1996).

    sites: 5, 10, 20 or 40. The largest Lyapunov exponents are 0.462, 1.184, 1.552 and 1.683 per unit of time. D_stsp is that of
    three neighboring sites, for every number of sites, so that scores are comparable.
    """

    sites: int = 10

    metrics: ClassVar[tuple[Metric, ...]] = (
        *Lorenz96Large.metrics,
        Metric("error_lyapunov", "sd", about="median error after one Lyapunov time"),
    )

    def __post_init__(self) -> None:
        if self.sites not in _RINGS:
            raise UserError(f"invalid sites = {self.sites}: expected one of {', '.join(map(str, _RINGS))}")

    @property
    def system(self) -> System:  # type: ignore[override]
        """The ring with its sampling."""
        return _RINGS[self.sites]

    def score(self, solution: Solution, seed: int) -> Scores:
        """As for other reconstructions, with the error after one Lyapunov time."""
        scored = super().score(solution, seed)
        curve = next(c for c in scored.curves if c.name == "error_by_lyapunov_time")
        after = float(curve.values[round(self.system.unit / self.system.dt) - 1])
        return Scores({**scored.values, "error_lyapunov": after}, scored.curves, scored.facts)


def lorenz63_orbits(starts: ndarray, steps: int, rayleigh: float | ndarray = _RAYLEIGH, transient: int = 0) -> ndarray:
    """Orbits [orbit, steps, 3] of the Lorenz system from starts [orbit, 3], which come first when nothing is discarded.

    rayleigh: one number, or one per orbit.
    """

    def rates(x: ndarray) -> ndarray:
        a, b, c = x[:, 0], x[:, 1], x[:, 2]
        return np.stack([10.0 * (b - a), a * (rayleigh - c) - b, a * b - (8.0 / 3.0) * c], axis=1)

    path = rk4(rates, starts, _DT, transient + steps, _SUBSTEPS)
    return np.concatenate([starts[:, None], path], axis=1)[:, transient : transient + steps]


@dataclass(frozen=True, kw_only=True)
class _ShortForecasts(Task):
    """Short forecasts of the Lorenz system from contexts that the training data need not hold. Errors are medians over starts."""

    train: int = 5000
    starts: int = 100
    context: int = 2

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"starts": 40},
        "standard": {},
        "large": {"train": 50_000},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("error_half", "sd", about="median error after half a unit of time"),
        Metric("valid_time", "Lyapunov time", lower_is_better=False, about="median time until the error exceeds 0.4"),
        Metric("censored", about="fraction of forecasts that stay valid over the horizon", lower_is_better=False),
    )

    @property
    def horizon(self) -> int:
        """Steps of the forecasts: twelve Lyapunov times."""
        return round(_HORIZON / (_EXPONENT * _DT))

    def problem(self, seed: int) -> Forecasting:
        """Training and validation orbits; one rollout from all contexts."""
        data = self.data(seed)
        train, validation, context = (self._paths(data[n]) for n in ("train", "validation", "context"))
        rollout = Rollout(context, self.horizon)
        return Forecasting(train, validation, self.context, ForecastingQuery({"test": rollout}))

    def _paths(self, x: ndarray) -> Trajectories:
        return Trajectories(torch.from_numpy(np.array(x)), dt=_DT)

    def _errors(self, forecast: ndarray, seed: int) -> ndarray:
        """|x^ - x| over the root of the total variance of the training data [start, step]."""
        data = self.data(seed)
        truth, train = data["truth"], data["train"][..., :3].reshape(-1, 3)
        variance = float(np.sum(train.var(axis=0)))
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.sqrt(np.sum((forecast[..., :3] - truth) ** 2, axis=-1) / variance)
        return np.minimum(np.nan_to_num(error, nan=_LARGEST, posinf=_LARGEST), _LARGEST)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Medians over starts of the error after half a unit of time and of the valid time."""
        data = self.data(seed)
        forecast = solution["forecast.test"].astype(float)
        errors = self._errors(forecast, seed)
        variance = float(np.sum(data["train"][..., :3].reshape(-1, 3).var(axis=0)))
        times = metrics.valid_time(data["truth"], forecast[..., :3], variance, _DT * _EXPONENT)
        values = {
            "error_half": float(np.median(errors[:, round(_AFTER / _DT) - 1])),
            "valid_time": float(np.median(times)),
            "censored": float(np.mean(times >= self.horizon * (_DT * _EXPONENT))),
        }
        time = (1 + np.arange(self.horizon)) * (_DT * _EXPONENT)
        return Scores(values, (Curve("error_by_lyapunov_time", time, np.median(errors, axis=0)),))

    @property
    def floor(self) -> float:
        """Below one in a million, errors are those of the integrator."""
        return 1e-6

    def baseline(self, seed: int) -> float:
        """The last observation, repeated."""
        data = self.data(seed)
        last = np.repeat(data["context"][:, -1:, :3], self.horizon, axis=1)
        return float(np.median(self._errors(last, seed)[:, round(_AFTER / _DT) - 1]))

    def oracle(self, seed: int) -> float:
        """The exact flow."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class Lorenz63Starts(_ShortForecasts):
    """x' = 10 (y - x), y' = x (28 - z) - y, z' = x y - 8/3 z: train on the attractor, forecast from other states (Lorenz 1963).

    box: initial states are uniform within `box` standard deviations of the training mean, by coordinate; with 0 they lie on the
    attractor.
    The context is the initial state and what follows, `context` samples, so that orbits have not yet reached the attractor.
    """

    box: float = 3.0

    def generate(self, seed: int) -> dict[str, ndarray]:
        """One training orbit, one validation orbit, and the orbits of all contexts."""
        rng = self.rng(seed)
        count, length = 2 + self.starts, self.context + self.horizon
        state = np.ascontiguousarray(settle(LORENZ63, LORENZ63.starts(count, rng))[0].T)
        long = lorenz63_orbits(state[:2], max(self.train, 1000))
        train = long[:1, : self.train]
        first = state[2:]
        if self.box:
            mean, scale = train[0].mean(axis=0), train[0].std(axis=0)
            first = mean + self.box * scale * rng.uniform(-1.0, 1.0, (self.starts, 3))
        orbits = lorenz63_orbits(first, length)
        return {
            "train": train,
            "validation": long[1:, :1000],
            "context": orbits[:, : self.context],
            "truth": orbits[:, self.context :],
        }


@dataclass(frozen=True, kw_only=True)
class Lorenz63Parameters(_ShortForecasts):
    """x' = 10 (y - x), y' = x (r - z) - y, z' = x y - 8/3 z: train at some r, forecast at another (Lorenz 1963).

    rayleigh: r of the forecasts. known: r of the training orbits, one orbit of `train` samples each.
    observed: whether r is given, as a fourth observed channel that is constant along an orbit and is not scored. Times are in
    Lyapunov times of r = 28.
    """

    train: int = 2000
    rayleigh: float = 30.0
    known: tuple[float, ...] = (26.0, 28.0, 32.0, 34.0)
    observed: bool = True

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Orbits on the attractors: training and validation at every known r, contexts at r."""
        rng = self.rng(seed)
        known = np.array(self.known)
        values = np.concatenate([known, known, np.full(self.starts, self.rayleigh)])
        starts = np.array([0.0, 0.0, 25.0]) + rng.standard_normal((len(values), 3))
        length = max(self.train, 500, self.context + self.horizon)
        orbits = lorenz63_orbits(starts, length, values, _TRANSIENT)
        if self.observed:
            channel = np.broadcast_to(values[:, None, None], (*orbits.shape[:2], 1))
            orbits = np.concatenate([orbits, channel], axis=2)
        n, end = len(known), self.context + self.horizon
        return {
            "train": orbits[:n, : self.train],
            "validation": orbits[n : 2 * n, :500],
            "context": orbits[2 * n :, : self.context],
            "truth": orbits[2 * n :, self.context : end, :3],
        }
