"""Methods for an interpreter that has NumPy and no torch."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from dynamark_worker import Estimate

try:
    import torch
except ImportError:
    torch = None


@dataclass(frozen=True)
class Line:
    """x_{t+1} = x_t + gain (x_t - x_{t-1}): exact at gain 1."""

    gain: float = 1.0
    fault: str = ""
    search_space: ClassVar = {"gain": [1.0, 0.5]}

    def fit_forecaster(self, problem, run):
        assert torch is None
        assert "dynamark" not in sys.modules
        assert problem.query is None
        run.curve("loss", 1, 0.5)
        run.fact("paths", len(problem.train))
        run.progress(3, 3)
        if self.fault == "raise":
            raise ValueError("no luck")
        if self.fault == "signal":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.fault == "exit":
            os._exit(3)
        if self.fault == "sleep":
            time.sleep(1000)
        if self.fault == "memory":
            self.hoard = np.ones(1 << 33)
        return self

    def forecast(self, context, horizon, inputs=None):
        x = context.observations
        if self.fault == "shape":
            return x[:, :1]
        step = self.gain * (x[:, -1:] - x[:, -2:-1])
        return x[:, -1:] + step * np.arange(1, horizon + 1)[None, :, None]

    def parameter_count(self):
        return 2


@dataclass(frozen=True)
class Descent:
    """Gradient descent on F G^T from a start that its own seed draws."""

    rate: float = 0.1

    def fit_estimate(self, problem, run):
        operator, (rows, columns) = problem.operator, problem.operator.shape
        factors = [run.numpy.standard_normal((n, problem.rank)) * 0.1 for n in (rows, columns)]
        for step in range(run.limit(5)):
            gradient = operator.adjoint(operator.forward(factors[0] @ factors[1].T) - problem.y)
            factors = [factors[0] - self.rate * gradient @ factors[1], factors[1] - self.rate * gradient.T @ factors[0]]
            run.snapshot(step, factors)
        return Estimate(tuple(factors), "product")


@dataclass(frozen=True)
class Last:
    """Predicts the last output of each sequence, online and in sequences."""

    def fit_learner(self, problem, run):
        return Memory(problem.dim)

    def fit_predictors(self, problems, runs):
        return [self for _ in problems]

    def predict(self, sequences, horizons):
        y = sequences.observations
        return np.stack([np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1) for _ in horizons])


class Memory:
    def __init__(self, dim):
        self.dim, self.last = dim, None

    def predict(self, inputs):
        return np.zeros((len(inputs), self.dim)) if self.last is None else self.last

    def update(self, outputs):
        self.last = outputs
