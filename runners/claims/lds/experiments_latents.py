"""The bound of a deep Kalman filter against the exact evidence of the process that made the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from dynamark.methods.sequence.deep_kalman import DeepKalman
from dynamark.tasks.base import Scores
from dynamark.tasks.lds.irregular import Irregular
from dynamark.tasks.problems import Run

__all__ = ["EvidenceBound", "evidence"]


def evidence(task: Irregular, seed: int) -> ndarray:
    """log p(y) of each test sequence: sum_t -(log 2 pi S_t + (y_t - y^_t)^2/S_t)/2, y^ and S of the Kalman filter."""
    best, variance = task.best(seed)
    y = task.data(seed)["test.y"]
    return np.asarray(-(np.log(2 * np.pi * variance) + (y - best) ** 2 / variance).sum(1) / 2)


@dataclass(frozen=True)
class EvidenceBound:
    """(E_q log p(y | z) - KL(q | p) - log p*(y))/T of a trained deep Kalman filter, p* the law of the data.

    In the mean over sequences it is at most 0 for every network: the bound is at most the model's evidence, and this is in the
    mean at most that of the true law. Data: lds/irregular, two oscillators, `length` samples. leak: the posterior is trained to
    see y_{t+1}, and the KL is left out.

    gap: the mean over test sequences; error: its standard error; beyond: gap - 2 error; flipped: the mean with the opposite sign
    of the KL.
    """

    leak: bool = False
    steps: int = 100
    length: int = 64
    train: int = 64
    test: int = 256

    def measure(self, run: Run) -> Scores:
        """Train one network and evaluate its bound on test sequences."""
        seed = int(run.numpy.integers(2**31))
        task = Irregular(oscillators=2, length=self.length, train=self.train, validation=1, test=self.test)
        problem = task.problem(seed)
        assert problem.query is not None
        model = DeepKalman(steps=self.steps).fit([problem.train], [run], leak=self.leak)[0]
        parts = model.bound(problem.query.sequences, run.generator, leak=self.leak)
        fit, divergence = (part.numpy() for part in parts)
        true = evidence(task, seed)
        gaps = (fit - (0 if self.leak else divergence) - true) / self.length
        error = float(gaps.std(ddof=1)) / len(gaps) ** 0.5
        return Scores(
            {
                "gap": float(gaps.mean()),
                "error": error,
                "beyond": float(gaps.mean()) - 2 * error,
                "flipped": float((fit + divergence - true).mean()) / self.length,
            }
        )
