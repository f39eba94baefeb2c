"""The recursion of an online linear model against the batch solution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray

from dynamark.methods.online.contact import LML
from dynamark.methods.online.learners import RLS
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Online, Run

__all__ = ["OnlineRidge"]


@dataclass(frozen=True)
class OnlineRidge:
    """`lml` and `rls` after `length` samples of `features` inputs against G = Y Z' (Z Z' + penalty I)^{-1}, solved at once.

    inputs: `white` Gaussian, or `correlated`, an AR(1) sequence in time with coefficient 0.99 whose lags are the features.
    error_<method>: |prediction - batch prediction| / |batch prediction| at ten further samples.
    """

    penalty: float = 1e-2
    features: int = 40
    length: int = 400
    correlated: bool = False
    level: float = 0.1

    def measure(self, run: Run) -> Scores:
        """The relative error of both recursions."""
        z = self._inputs(run.numpy)
        truth = run.numpy.standard_normal((self.features, 1))
        y = z @ truth + self.level * run.numpy.standard_normal((len(z), 1))
        known, further = z[: self.length], z[self.length :]
        gram = known.T @ known + self.penalty * np.eye(self.features)
        batch = further @ np.linalg.solve(gram, known.T @ y[: self.length])
        values = {}
        for name, method in (("lml", LML), ("rls", RLS)):
            answers = self._answers(method(features="fir", order=0, penalty=self.penalty), z, y, run)
            values[f"error_{name}"] = float(np.linalg.norm(answers - batch) / np.linalg.norm(batch))
        return Scores(values)

    def _inputs(self, rng: np.random.Generator) -> ndarray:
        count = self.length + 10
        if not self.correlated:
            return rng.standard_normal((count, self.features))
        noise, x = rng.standard_normal(count + self.features), np.zeros(count + self.features)
        for t in range(1, len(x)):
            x[t] = 0.99 * x[t - 1] + noise[t]
        return np.lib.stride_tricks.sliding_window_view(x, self.features)[:count].copy()

    def _answers(self, method: LML | RLS, z: ndarray, y: ndarray, run: Run) -> ndarray:
        """The predictions of the last samples, all of one estimate: their outputs are not revealed."""
        learner = method.fit_learner(Online(self.features, 1, self.length + 1), run)
        inputs, outputs = torch.from_numpy(z), torch.from_numpy(y)
        for t in range(self.length):
            learner.predict(inputs[t : t + 1])
            learner.update(outputs[t : t + 1])
        return np.concatenate([learner.predict(inputs[t : t + 1]).numpy() for t in range(self.length, len(z))])
