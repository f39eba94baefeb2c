"""One-step prediction of outputs from past outputs and from inputs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution
from dynamark.tasks.lds.base import NMSE_FLOOR, LinearSystemTask, bounded, relative
from dynamark.tasks.lds.kalman import KalmanFilter
from dynamark.tasks.problems import Prediction, PredictionQuery

__all__ = ["OneStep"]

_EXCESS = Metric("excess", about="mean squared distance to the Kalman prediction / innovation variance")
_NMSE = Metric("nmse", about="mean squared error / mean square of the output, after the burn-in")


@dataclass(frozen=True, kw_only=True)
class OneStep(LinearSystemTask):
    """Predict y_t from y_{<t} and u_{<=t}.

    Primary score with measurement noise: the excess mean |y^ - y*|^2 / mean tr S_t, y* the Kalman prediction and S_t its error
    covariance. It estimates the relative excess risk, with less variance than a difference of two errors. With heavy-tailed noise
    y* is the best linear prediction only. Without noise: nmse; every ARX model of sufficient order is then exact.
    """

    kind: ClassVar[type] = Prediction
    metrics: ClassVar[tuple[Metric, ...]] = (
        _EXCESS,
        _NMSE,
        Metric("excess_late", about="excess over the last quarter of the steps"),
        Metric("mse_ratio", about="mean squared error / mean squared error of the Kalman filter"),
    )

    @property
    def noisy(self) -> bool:
        """Whether there is measurement noise, so that the Kalman filter and the excess are defined."""
        return self.noise != "n0"

    @property
    def primary(self) -> Metric:
        """The excess with measurement noise, else the nmse."""
        return _EXCESS if self.noisy else _NMSE

    @property
    def floor(self) -> float:
        """1 / number of training samples, what one fitted parameter costs; without noise `NMSE_FLOOR`."""
        return 1 / (self.train * self.length) if self.noisy else NMSE_FLOOR

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Inputs and outputs of each part."""
        return self.sequences(self.system(seed), seed)

    def problem(self, seed: int) -> Prediction:
        """Training sequences; the query: one-step predictions of the test sequences."""
        query = PredictionQuery(self.paths(seed, "test"))
        return Prediction(self.paths(seed, "train"), self.paths(seed, "validation"), query)

    def score(self, solution: Solution, seed: int) -> Scores:
        """NMSE, and with noise the excess."""
        data = self.data(seed)
        y, b = data["test.y"], self.burn_in
        answer = bounded(solution["prediction"][0], y.shape)
        values = {"nmse": relative(answer[:, b:] - y[:, b:], y[:, b:])}
        if not self.noisy:
            return Scores(values)
        (best, innovation), late = self.best(seed), 3 * self.length // 4
        distance = np.sum((answer - best) ** 2, axis=2)
        for name, start in (("excess", b), ("excess_late", late)):
            values[name] = float(np.mean(distance[:, start:]) / np.mean(innovation[start:]))
        values["mse_ratio"] = relative(answer[:, b:] - y[:, b:], best[:, b:] - y[:, b:])
        by_time = np.mean(distance, axis=0) / innovation
        return Scores(values, (Curve("excess_by_time", np.arange(self.length), by_time),))

    def best(self, seed: int) -> tuple[ndarray, ndarray]:
        """Kalman predictions of the test sequences, and tr S_t."""
        return _kalman(self, seed)

    def baseline(self, seed: int) -> float:
        """The lower error of two predictions: 0, and the last output."""
        y = self.data(seed)["test.y"]
        last = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
        return min(
            self.score({"prediction": answer[None]}, seed).values[self.primary.name]
            for answer in (np.zeros_like(y), last)
        )

    def oracle(self, seed: int) -> float:
        """0: the excess of the Kalman filter itself; without noise, the nmse of the simulation."""
        return 0.0


@functools.lru_cache(maxsize=8)
def _kalman(task: OneStep, seed: int) -> tuple[ndarray, ndarray]:
    system, data = task.system(seed), task.data(seed)
    kalman = KalmanFilter.of(system, task.excitation(system), task.length)
    return kalman.predict(data["test.y"], data["test.u"]), np.trace(kalman.innovation, axis1=1, axis2=2)
