"""How well the eigenvectors of LegS are conditioned after a small perturbation, drawn or optimized."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynamark.tasks.base import Scores
from dynamark.tasks.numerics.hippo import legs
from dynamark.tasks.numerics.perturbation import condition_of, drawn_perturbations, optimized_perturbation
from dynamark.tasks.problems import Run

__all__ = ["PerturbedCondition"]


@dataclass(frozen=True)
class PerturbedCondition:
    """Condition numbers of the eigenvectors of A + E, A of LegS, |E|_2 = size |A|_2: the best of ten Gaussian E, and the optimum.

    gain: optimum over the best of ten. bound: optimum over 4 N^{3/2} (1 + 1/size), an upper bound of the least condition number.
    rightmost: largest real part of the optimum's eigenvalues. excess: |E|_2 / (size |A|_2) - 1. condition_plain: of A itself.
    Source: Yu et al. 2024; Banks et al. 2019.
    """

    states: int = 32
    size: float = 1e-3
    steps: int = 300

    def measure(self, run: Run) -> Scores:
        """The condition numbers and what the optimum must satisfy."""
        a, _ = legs(self.states)
        draws = drawn_perturbations(a, self.size, run.numpy)
        conditions = np.array([condition_of(a + e) for e in draws])
        e = optimized_perturbation(a, draws[conditions.argmin()], self.size, self.steps)
        own = condition_of(a + e)
        return Scores(
            {
                "condition": own,
                "condition_best": float(conditions.min()),
                "condition_drawn": float(np.median(conditions)),
                "condition_plain": condition_of(a),
                "gain": own / float(conditions.min()),
                "bound": own / (4 * self.states**1.5 * (1 + 1 / self.size)),
                "rightmost": float(np.linalg.eigvals(a + e).real.max()),
                "excess": float(np.linalg.norm(e, 2) / (self.size * np.linalg.norm(a, 2))) - 1,
            }
        )
