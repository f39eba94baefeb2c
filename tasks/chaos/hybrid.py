"""Tasks on hybrid systems, which switch between dynamics: an automaton with hysteresis and a bouncing ball."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.koopman import metrics
from dynamark.tasks.koopman.metrics import Deviation
from dynamark.tasks.numerics import exact
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["BouncingBall", "HybridTask", "SwitchedAutomaton"]

# Horizons (in steps) at which errors are reported, and the one over which the primary score averages.
_HORIZONS, _PRIMARY = (10, 50, 200), 50
# Paths of the true system whose mean is the best forecast of a stochastic one.
_PATHS = 64
# Damping, angle of rotation and fixed point of the two modes of the automaton.
_DAMPINGS, _ANGLES, _CENTERS = (0.97, 0.96), (0.15, -0.2), ((1.6, 0.4), (-1.6, 0.2))
# A ball that leaves the ground more slowly than this stays there.
_RESTING = 0.05


@dataclass(frozen=True, kw_only=True)
class HybridTask(Task):
    """Learn x_{t+1} = f_q(x_t), q a discrete mode, from trajectories without modes; continue trajectories from 5 observations.

    Errors are in units of the training data's standard deviation (sd), clamped to 1000 of them. Primary score: the normalized
    root mean square error, mean over 50 steps. Baseline: the better of the last observation repeated and the training mean.
    Oracle: the true system from the true state and mode (the mean of 64 of its paths, where it is stochastic).
    """

    train: int = 100
    validation: int = 20
    test: int = 200
    steps: int = 200
    context: int = 5

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 50, "validation": 10, "test": 50},
        "standard": {},
        "large": {"train": 1000},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("nrmse_mean", "sd", about="normalized root mean square error (nrmse), averaged over the first 50 steps"),
        *(Metric(f"nrmse_{h}", "sd", about=f"normalized root mean square error {h} steps ahead") for h in _HORIZONS),
        Metric("diverged", about="share of test trajectories whose forecast leaves mean +- 1000 sd"),
    )
    dt: ClassVar[float] = 1.0

    @abstractmethod
    def start(self, count: int, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        """The first states [trajectory, dim] and the modes [trajectory] before them."""

    @abstractmethod
    def advance(self, x: ndarray, mode: ndarray, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        """The next states and the modes that led to them, from states x [trajectory, dim] and the modes that led there."""

    def observe(self, x: ndarray) -> ndarray:
        """What is observed of states [..., dim]."""
        return x

    def paths(
        self, x: ndarray, mode: ndarray, steps: int, rng: np.random.Generator
    ) -> tuple[Float[ndarray, "trajectory time dim"], Float[ndarray, "trajectory steps"]]:
        """States after 0 to `steps` steps, and the mode of each step."""
        states, modes = [x], []
        for _ in range(steps):
            x, mode = self.advance(x, mode, rng)
            states.append(x)
            modes.append(mode)
        return np.stack(states, axis=1), np.stack(modes, axis=1).astype(float)

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The primary score on validation trajectories."""
        return {"name": "flow", "horizon": _PRIMARY}

    @property
    def floor(self) -> float:
        """The smallest score that the logarithmic scale of skill distinguishes; an exact model scores 0."""
        return 1e-6

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Trajectories of states and the modes of their steps, by split."""
        sizes = {
            "train": (self.train, self.steps - 1),
            "validation": (self.validation, self.steps - 1),
            "test": (self.test, self.context - 1 + self.steps),
        }
        data = {}
        for place, (name, (count, steps)) in enumerate(sizes.items()):
            rng = self.rng(seed, "data", place)
            data[name], data[f"{name}_modes"] = self.paths(*self.start(count, rng), steps, rng)
        return data

    def problem(self, seed: int) -> Forecasting:
        """Observed training and validation trajectories; one rollout of the test contexts."""
        data = self.data(seed)
        train, validation, test = (self._observed(data[name]) for name in ("train", "validation", "test"))
        context = Trajectories(test.observations[:, : self.context], dt=self.dt)
        return Forecasting(train, validation, self.context, ForecastingQuery({"test": Rollout(context, self.steps)}))

    def _observed(self, x: ndarray) -> Trajectories:
        return Trajectories(torch.from_numpy(np.array(self.observe(x))), dt=self.dt)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors of the rollout."""
        gap = self._deviation(solution["forecast.test"], seed)
        by_horizon = metrics.nrmse(gap.error)
        values = {
            "nrmse_mean": float(by_horizon[:_PRIMARY].mean()),
            **{f"nrmse_{h}": float(by_horizon[h - 1]) for h in _HORIZONS if h <= self.steps},
            "diverged": float(gap.diverged.mean()),
        }
        return Scores(values, (Curve("nrmse", 1 + np.arange(self.steps), by_horizon),))

    def _deviation(self, forecast: ndarray, seed: int) -> Deviation:
        data = self.data(seed)
        train = self.observe(data["train"]).reshape(-1, forecast.shape[2])
        truth = self.observe(data["test"])[:, self.context :]
        return metrics.deviation(truth, forecast, train.mean(axis=0), train.std(axis=0))

    def _error(self, forecast: ndarray, seed: int) -> float:
        return float(metrics.nrmse(self._deviation(forecast, seed).error)[:_PRIMARY].mean())

    def baseline(self, seed: int) -> float:
        """The better of the last observation repeated and the training mean."""
        data = self.data(seed)
        train, test = self.observe(data["train"]), self.observe(data["test"])
        last, truth = test[:, self.context - 1 : self.context], test[:, self.context :]
        guesses = (last, train.mean(axis=(0, 1)))
        return min(self._error(np.array(np.broadcast_to(guess, truth.shape)), seed) for guess in guesses)

    def oracle(self, seed: int) -> float:
        """The error of the true system from the true state and mode at the end of the context."""
        data, last = self.data(seed), self.context - 1
        x, mode = data["test"][:, last], data["test_modes"][:, last - 1].astype(int)
        copies = [np.repeat(part, _PATHS, axis=0) for part in (x, mode)]
        paths = self.observe(self.paths(copies[0], copies[1], self.steps, self.rng(seed, "data", 3))[0])[:, 1:]
        return self._error(paths.reshape(self.test, _PATHS, *paths.shape[1:]).mean(axis=1), seed)


@dataclass(frozen=True, kw_only=True)
class SwitchedAutomaton(HybridTask):
    """x_{t+1} = e_q + A_q (x_t - e_q) + noise N(0, I) in the plane, two modes q that spiral toward different points.

    Before each step the mode becomes 1 where it is 0 and x_1 > guard, and 0 where it is 1 and x_1 < -guard. Between the two
    lines both modes occur, so the mode is no function of x. A_q = d_q [[cos a_q, sin a_q], [-sin a_q, cos a_q]], d = .97, .96,
    a = .15, -.2, e = (1.6, .4), (-1.6, .2). First states are uniform on (-.8, .8)^2, the mode before them is either with equal
    probability.

    The model class of Liu et al. 2025, who learn it on a legged robot.
    key: liu2025
    """

    noise: float = 0.02
    guard: float = 1.0

    def start(self, count: int, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        """Uniform states, uniform modes."""
        return rng.uniform(-0.8, 0.8, (count, 2)), rng.integers(2, size=count)

    def advance(self, x: ndarray, mode: ndarray, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        """Switch, then turn about the mode's point."""
        mode = np.where(mode == 0, x[:, 0] > self.guard, x[:, 0] >= -self.guard).astype(int)
        damping, angle, center = (np.array(part)[mode] for part in (_DAMPINGS, _ANGLES, _CENTERS))
        c, s = damping * exact.cos(angle), damping * exact.sin(angle)
        y = x - center
        turned = np.stack([c * y[:, 0] + s * y[:, 1], c * y[:, 1] - s * y[:, 0]], axis=1)
        return center + turned + self.noise * rng.standard_normal(x.shape), mode


@dataclass(frozen=True, kw_only=True)
class BouncingBall(HybridTask):
    """h'' = -9.8 above the ground h = 0, where the speed is reversed and multiplied by .8; sampled every 0.02.

    Impacts are solved for exactly, several in one step if need be; a ball that would leave the ground at less than 0.05 stays.
    States (h, h'), or h alone if observed = "height". First heights are uniform on (1, 2), speeds on (-1, 1). The mode of a step
    is 1 if the ball meets the ground in it, else 0.

    The model class of Liu et al. 2025, who learn it on a legged robot.
    key: liu2025
    """

    gravity: float = 9.8
    restitution: float = 0.8
    observed: Literal["state", "height"] = "state"

    dt: ClassVar[float] = 0.02

    def start(self, count: int, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        """In the air."""
        height, speed = rng.uniform(1, 2, count), rng.uniform(-1, 1, count)
        return np.stack([height, speed], axis=1), np.zeros(count, dtype=int)

    def observe(self, x: ndarray) -> ndarray:
        """The state or its first coordinate."""
        return x if self.observed == "state" else x[..., :1]

    def advance(self, x: ndarray, mode: ndarray, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        """Parabolas from impact to impact until the time of one sample has passed."""
        height, speed, g = x[:, 0].copy(), x[:, 1].copy(), self.gravity
        left, hit = np.full(len(x), self.dt), np.zeros(len(x), dtype=int)
        left[(height == 0) & (speed == 0)] = 0.0
        while (left > 0).any():
            fall = (speed + np.sqrt(speed * speed + 2 * g * height)) / g
            ends = fall > left
            time = np.where(ends, left, fall)
            height = np.where(ends, height + time * speed - g / 2 * time * time, 0.0)
            speed = speed - g * time
            left = np.where(ends, 0.0, left - time)
            rebound = -self.restitution * speed
            rests = ~ends & (rebound < _RESTING)
            speed = np.where(ends, speed, np.where(rests, 0.0, rebound))
            left = np.where(rests, 0.0, left)
            hit |= ~ends
        return np.stack([height, speed], axis=1), hit
