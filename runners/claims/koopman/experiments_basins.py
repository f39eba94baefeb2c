"""What tells the basins of attraction without any dynamics: the control of claims about eigenfunctions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.koopman.deterministic import Duffing
from dynamark.tasks.koopman.spectra import basin_accuracy
from dynamark.tasks.problems import Run

__all__ = ["BasinDiscriminant"]


@dataclass(frozen=True)
class BasinDiscriminant:
    """Fisher's discriminant of the monomials x^i v^j, 1 <= i + j <= degree, of labeled states of the damped Duffing oscillator.

    States and labels as in the task `koopman/duffing`, and its accuracy on as many test states.
    """

    degree: int = 3
    tier: str = "standard"

    def measure(self, run: Run) -> Scores:
        """The accuracy, under the name that the task gives it."""
        task = Duffing.at(tier=self.tier)
        assert isinstance(task, Duffing)
        starts = task.starts(run.numpy, task.train + task.test)
        side = task.basins(task.flow(starts, task.dt, task.test_steps))
        assert side is not None
        features, labels = _monomials(starts, self.degree), side > 0
        train, test = slice(None, task.train), slice(task.train, None)
        return Scores({"basin_acc": basin_accuracy(features[train], labels[train], features[test], labels[test])})


def _monomials(states: ndarray, degree: int) -> ndarray:
    """Monomials of states [point, dim] without the constant [point, monomial]."""
    powers = [p for p in itertools.product(range(degree + 1), repeat=states.shape[1]) if 1 <= sum(p) <= degree]
    return np.stack([np.prod(states ** np.array(p), axis=1) for p in powers], axis=1)
