"""An experiment: the standard error of a mean, which falls like the root of the number of draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.problems import Run


@dataclass(frozen=True)
class StandardError:
    """sd(mean of n draws of N(0, 1)) = n^{-1/2}."""

    draws: int = 100
    broken: bool = False

    def measure(self, run: Run) -> Scores:
        if self.broken:
            raise ZeroDivisionError("no such luck")
        means = run.numpy.standard_normal((400, self.draws)).mean(axis=1)
        return Scores({"error": float(means.std())}, (Curve("means", np.arange(3), means[:3]),))
