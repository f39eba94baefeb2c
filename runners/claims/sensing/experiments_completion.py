"""Measurements of matrix completion: how many outer steps alternation takes, and what one costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dynamark.methods.sensing.alternating import left_factor
from dynamark.methods.sensing.inexact import improved
from dynamark.methods.sensing.sampled import SparseMeasurements
from dynamark.methods.sensing.start import spectral
from dynamark.tasks.base import Scores
from dynamark.tasks.numerics.operators import SampledOperator
from dynamark.tasks.problems import Recovery, Run
from dynamark.tasks.sensing.metrics import Pair, relative_error
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["InexactCost"]

Outer = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class InexactCost:
    """Outer steps of alternating minimization to a relative error of `target`: exact, and by `inner` conjugate gradients.

    Completion of an n x n matrix of this rank, singular values all 1, `oversampling` times its degrees of freedom seen, by sparse
    products at every rank. Scores: `outer_exact` and `outer_inexact` (the limit when never); `work` = samples times rank;
    `seconds`, the least processor time of an outer step of the inexact method, and `exact_seconds` of the exact one.
    """

    rank: int = 8
    n: int = 600
    oversampling: float = 4.0
    inner: int = 4
    target: float = 1e-6
    limit: int = 60

    def measure(self, run: Run) -> Scores:
        """Both methods from the same spectral start."""
        left, right = (orthonormal(run.numpy, self.n, self.rank) for _ in range(2))
        count = round(self.oversampling * self.rank * (2 * self.n - self.rank))
        places = np.sort(run.numpy.choice(self.n**2, count, replace=False))
        row, column = (torch.from_numpy(part) for part in np.divmod(places, self.n))
        operator = SampledOperator(row, column, (self.n, self.n), float(self.n / np.sqrt(count)))
        y = operator.product(torch.from_numpy(left), torch.from_numpy(right))
        measurements = SparseMeasurements([Recovery(operator, y, False, self.rank)])

        def exact(_: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
            f = torch.linalg.qr(left_factor(measurements, torch.linalg.qr(g)[0], transposed=False))[0]
            return f, left_factor(measurements, f, transposed=True)

        def inexact(f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
            q, r = torch.linalg.qr(g)
            f = improved(measurements, f @ r.mT, q, self.inner, transposed=False)[0]
            p, r = torch.linalg.qr(f)
            return p, improved(measurements, q @ r.mT, p, self.inner, transposed=True)[0]

        first = spectral(measurements, self.rank, symmetric=False)
        scores = {"work": float(count * self.rank)}
        for name, outer in (("exact", exact), ("inexact", inexact)):
            steps, seconds = self._solved(outer, (first[0], first[1]), (left, right))
            scores[f"outer_{name}"] = float(steps)
            scores["seconds" if name == "inexact" else "exact_seconds"] = seconds
        return Scores(scores)

    def _solved(self, outer: Outer, state: tuple[Tensor, Tensor], truth: Pair) -> tuple[int, float]:
        """Outer steps to the target, and the least seconds of one."""
        least = float("inf")
        for step in range(1, self.limit + 1):
            start = time.process_time()
            state = outer(*state)
            least = min(least, time.process_time() - start)
            if float(relative_error((state[0][0].numpy(), state[1][0].numpy()), truth)) <= self.target:
                return step, least
        return self.limit, least
