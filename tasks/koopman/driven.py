"""Forecasting tasks on systems with known inputs: the query contains the true inputs of every forecast step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.koopman import metrics
from dynamark.tasks.koopman.metrics import Deviation
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["DrivenTask"]


@dataclass(frozen=True, kw_only=True)
class DrivenTask(Task):
    """Learn x_t = F(x_{t-1}, u_t) from trajectories with inputs, then forecast others from their first `context` states.

    Input channel values are U(-1, 1), constant during a sample and independent of each other and of the state; u_t acts between
    samples t-1 and t, so u_0 acts on nothing and is 0. The query contains the inputs of all forecast steps. A method that ignores
    inputs solves the task too, and shows what inputs are worth. Noise N(0, noise^2) is added to the states of training and
    validation data and of the test context; targets and inputs have no noise. Errors are in units of the training data's standard
    deviation (sd).
    """

    train: int = 100
    validation: int = 20
    test: int = 50
    steps: int = 100
    test_steps: int = 100
    dt: float = 0.1
    noise: float = 0.0
    context: int = 1

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 50, "validation": 10, "test": 20},
        "standard": {},
        "large": {"train": 1000},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "nrmse_mean",
            "sd",
            about="normalized root mean square error (nrmse), averaged over all steps up to the primary horizon",
        ),
        *(
            Metric(f"nrmse_{h}", "sd", about=f"normalized root mean square error {h} steps ahead")
            for h in (1, 5, 10, 20, 40, 50, 100)
        ),
        Metric("nrmse_end", "sd", about="nrmse at the last step of the test trajectories"),
        Metric(
            "valid_horizon", "time", lower_is_better=False, about="mean time until a trajectory's nrmse exceeds 0.4"
        ),
        Metric("diverged", about="share of test trajectories whose forecast leaves mean +- 1000 sd"),
        Metric(
            "measure_W1",
            "sd",
            about="Wasserstein-1 distance between the forecast and true distributions of states, mean over 32 projections",
        ),
    )

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of input channels."""

    @abstractmethod
    def starts(self, rng: np.random.Generator, count: int) -> ndarray:
        """Draw initial states [trajectory, dim]."""

    def settled(self, starts: ndarray) -> ndarray:
        """The states at which trajectories begin: those drawn, or those after a transient without inputs."""
        return starts

    @abstractmethod
    def advance(self, x: ndarray, u: ndarray) -> ndarray:
        """The states one sample after x [trajectory, dim] under the constant inputs u [trajectory, channel]."""

    def paths(self, start: ndarray, inputs: ndarray) -> ndarray:
        """The states [trajectory, time, dim] from `start` on; inputs[:, t] acts between t-1 and t."""
        states = [start]
        for t in range(1, inputs.shape[1]):
            states.append(self.advance(states[-1], inputs[:, t]))
        return np.stack(states, axis=1)

    @property
    def horizons(self) -> tuple[int, ...]:
        """The horizons, in steps, at which errors are reported: those within the test length."""
        return tuple(h for h in (1, 10, 50, 100) if h <= self.test_steps)

    @property
    def primary_horizon(self) -> int:
        """The number of steps over which the primary score averages: the longest horizon."""
        return self.horizons[-1]

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The primary score on validation trajectories, over at most as many steps as these have."""
        return {"name": "flow", "horizon": self.primary_horizon}

    @property
    def clock(self) -> float:
        """The unit of valid_horizon, in units of time."""
        return 1.0

    @property
    def floor(self) -> float:
        """The smallest score that the logarithmic scale of skill distinguishes; the exact flow scores 0."""
        return 1e-6

    def generate(self, seed: int) -> dict[str, ndarray]:
        """States without noise, inputs and noise, by split."""
        sizes = {
            "train": (self.train, self.steps + 1),
            "validation": (self.validation, self.steps + 1),
            "test": (self.test, self.context + self.test_steps),
        }
        longest = max(length for _, length in sizes.values())
        rngs = {name: self.rng(seed, "data", place) for place, name in enumerate(sizes)}
        starts = [self.starts(rngs[name], count) for name, (count, _) in sizes.items()]
        inputs = [rngs[name].uniform(-1, 1, (count, longest, self.channels)) for name, (count, _) in sizes.items()]
        for part in inputs:
            part[:, 0] = 0
        # All splits in one batch: the run time is mostly overhead, and trajectories do not affect each other.
        paths = self.paths(self.settled(np.concatenate(starts)), np.concatenate(inputs))
        splits = np.split(paths, np.cumsum([len(part) for part in inputs])[:-1])
        data = {}
        for (name, (_, length)), states, driving in zip(sizes.items(), splits, inputs, strict=True):
            data[name], data[f"{name}_inputs"] = states[:, :length], driving[:, :length]
            noisy = data[name][:, : self.context] if name == "test" else data[name]
            data[f"{name}_noise"] = self.noise * rngs[name].standard_normal(noisy.shape)
        return data

    def problem(self, seed: int) -> Forecasting:
        """Noisy training and validation trajectories with inputs; the query is one rollout of `test_steps`."""
        data, start = self.data(seed), self.context
        train, validation = (
            self._trajectories(data[name] + data[f"{name}_noise"], data[f"{name}_inputs"])
            for name in ("train", "validation")
        )
        inputs = data["test_inputs"]
        context = self._trajectories(data["test"][:, :start] + data["test_noise"], inputs[:, :start])
        rollout = Rollout(context, self.test_steps, torch.from_numpy(np.array(inputs[:, start:])))
        return Forecasting(train, validation, start, ForecastingQuery({"test": rollout}))

    def _trajectories(self, x: ndarray, inputs: ndarray) -> Trajectories:
        return Trajectories(torch.from_numpy(np.array(x)), torch.from_numpy(np.array(inputs)), dt=self.dt)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors of the rollout."""
        gap = self._deviation(seed, solution["forecast.test"])
        by_horizon = metrics.nrmse(gap.error)
        values = {
            "nrmse_mean": float(by_horizon[: self.primary_horizon].mean()),
            **{f"nrmse_{h}": float(by_horizon[h - 1]) for h in self.horizons},
            "nrmse_end": float(by_horizon[-1]),
            "valid_horizon": metrics.valid_horizon(gap.error, self.dt / self.clock),
            "diverged": float(gap.diverged.mean()),
            "measure_W1": metrics.wasserstein(gap.truth, gap.truth + gap.error),
        }
        return Scores(values, (Curve("nrmse", 1 + np.arange(self.test_steps), by_horizon),))

    def _deviation(self, seed: int, forecast: ndarray) -> Deviation:
        data = self.data(seed)
        train = (data["train"] + data["train_noise"]).reshape(-1, data["train"].shape[2])
        return metrics.deviation(data["test"][:, self.context :], forecast, train.mean(axis=0), train.std(axis=0))

    def _error(self, seed: int, forecast: ndarray) -> float:
        """The primary score of a forecast."""
        return float(metrics.nrmse(self._deviation(seed, forecast).error)[: self.primary_horizon].mean())

    def baseline(self, seed: int) -> float:
        """The better score of two forecasts: the last context state repeated, and the training mean."""
        data = self.data(seed)
        shape = data["test"][:, self.context :].shape
        mean = (data["train"] + data["train_noise"]).mean(axis=(0, 1))
        return min(self._error(seed, np.broadcast_to(x, shape)) for x in (self._last(data)[:, None], mean))

    def oracle(self, seed: int) -> float:
        """The score of the true system from the last (noisy) context state: 0 without noise."""
        data = self.data(seed)
        if not self.noise:
            return 0.0
        return self._error(seed, self.paths(self._last(data), data["test_inputs"][:, self.context - 1 :])[:, 1:])

    def _last(self, data: Mapping[str, ndarray]) -> ndarray:
        """The last states that a method is given."""
        return data["test"][:, self.context - 1] + data["test_noise"][:, -1]
