"""Online prediction of one sequence, scored by regret against the true system."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution
from dynamark.tasks.lds.base import LinearSystemTask, bounded
from dynamark.tasks.lds.kalman import KalmanFilter
from dynamark.tasks.problems import Online, OnlineQuery

__all__ = ["Regret", "growth"]


@dataclass(frozen=True, kw_only=True)
class Regret(LinearSystemTask):
    """R_t = sum_{s<=t} (|y^_s - y_s|^2 - |y*_s - y_s|^2), y* the predictions of the true system.

    y* is the simulation, or with measurement noise the Kalman prediction. One sequence: at each step the learner predicts, then
    observes the output and updates. Primary score: R_T / sum |y_s|^2. exponent is the slope of log R_t over log t, and
    log_square_slope that of R_t over log^2 t, at 16 log-spaced points of [T/16, T]. class_regret: regret against the best fixed
    linear regression in hindsight on twelve lags of inputs and outputs.
    """

    train: int = 0
    validation: int = 0
    test: int = 1

    kind: ClassVar[type] = Online
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"length": 1024, "order": 16},
        "standard": {"length": 4096},
        "large": {"length": 65536, "order": 1024},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("regret_rate", about="final regret / sum of squared outputs"),
        Metric("regret", about="final regret"),
        Metric("exponent", about="slope of log regret over log time"),
        Metric("energy_exponent", about="slope of the log sum of squared outputs over log time"),
        Metric("nmse_late", about="mean squared error / mean square of the outputs, over the second half of the steps"),
        Metric("class_regret", about="final regret against the best fixed regression on twelve lags in hindsight"),
        Metric("log_square_slope", about="slope of regret over squared log time"),
    )

    @property
    def floor(self) -> float:
        """1/T, the share of one step in the sum of squared outputs."""
        return 1 / self.length

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Inputs `u`, outputs `y` and the noise-free response `clean` to the inputs."""
        data = self.sequences(self.system(seed), seed)
        return {"u": data["test.u"], "y": data["test.y"], "clean": data["test.clean"]}

    def problem(self, seed: int) -> Online:
        """Numbers of channels and horizon; the query reveals the sequence step by step."""
        data = self.data(seed)
        query = OnlineQuery(torch.from_numpy(data["u"].copy()), torch.from_numpy(data["y"].copy()))
        return Online(data["u"].shape[2], self.dim, self.length, query)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Regret, its growth exponents, and its curve."""
        data = self.data(seed)
        y = data["y"]
        loss = np.sum((bounded(solution["prediction"], y.shape) - y) ** 2, axis=(0, 2))
        regret = np.cumsum(loss - np.sum((self.best(seed) - y) ** 2, axis=(0, 2)))
        energy = np.cumsum(np.sum(y**2, axis=(0, 2)))
        values = {"regret_rate": float(regret[-1] / energy[-1]), "regret": float(regret[-1])}
        values["class_regret"] = float(np.sum(loss) - np.sum(_hindsight(data["u"], y) ** 2))
        half = self.length // 2
        values["nmse_late"] = float(np.sum(loss[half:]) / (energy[-1] - energy[half - 1]))
        points = log_points(self.length)
        values["log_square_slope"] = float(np.polyfit(np.log(points) ** 2, regret[points - 1], 1)[0])
        for name, total in (("exponent", regret), ("energy_exponent", energy)):
            if (slope := growth(total)) is not None:
                values[name] = slope
        return Scores(values, (Curve("regret", points.astype(float), regret[points - 1]),))

    def best(self, seed: int) -> ndarray:
        """Predictions y* of the true system: its simulation, or with measurement noise those of its Kalman filter."""
        return _best(self, seed)

    def baseline(self, seed: int) -> float:
        """The score of predicting 0."""
        return self.score({"prediction": np.zeros_like(self.data(seed)["y"])}, seed).values["regret_rate"]

    def oracle(self, seed: int) -> float:
        """0, the regret of the true system's own predictions."""
        return 0.0


@functools.lru_cache(maxsize=8)
def _best(task: Regret, seed: int) -> ndarray:
    system, data = task.system(seed), task.data(seed)
    noise = task.excitation(system)
    if not noise.measured:
        return data["clean"]
    return KalmanFilter.of(system, noise, task.length).predict(data["y"], data["u"])


def _hindsight(
    u: Float[ndarray, "sequence time channel"], y: Float[ndarray, "sequence time dim"], lags: int = 12
) -> Float[ndarray, "row dim"]:
    """Residuals of the least-squares regression of y_t on u_t .. u_{t-lags} and y_{t-1} .. y_{t-lags}, zero-padded."""
    past = [x[:, : x.shape[1] - k] for x, first in ((u, 0), (y, 1)) for k in range(first, lags + 1)]
    z = np.concatenate([np.pad(x, ((0, 0), (y.shape[1] - x.shape[1], 0), (0, 0))) for x in past], axis=2)
    features, targets = z.reshape(-1, z.shape[2]), y.reshape(-1, y.shape[2])
    return targets - features @ scipy.linalg.lstsq(features, targets)[0]


def log_points(time: int) -> ndarray:
    """At most 16 distinct log-spaced steps of [T/16, T], counted from 1."""
    return np.unique(np.round(np.geomspace(time / 16, time, 16)).astype(int))


def growth(total: Float[ndarray, " time"]) -> float | None:
    """The growth exponent: least-squares slope of log total_t over log t, without points of total_t <= 0.

    None if fewer than eight points remain or the last total is <= 0.
    """
    points = log_points(len(total))
    positive = points[total[points - 1] > 0]
    if len(positive) < 8 or total[-1] <= 0:
        return None
    return float(np.polyfit(np.log(positive), np.log(total[positive - 1]), 1)[0])
