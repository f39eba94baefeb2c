"""Analog ensembles: the continuations of the most similar training states, as a distribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import cKDTree
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, SearchSpace
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["AnalogEnsemble", "Analogs"]


@dataclass(frozen=True)
class AnalogEnsemble:
    """x_{t+h} = y_{s+h}, s drawn uniformly from the k training times whose state is nearest to x_t.

    Where the copied trajectory ends, a state is drawn again, near the end of the copy. anchored: x_{t+h} = x_t + y_{s+h} - y_s
    instead, so that a path starts where the context ends. The point forecast is the mean over the k copies, each continued by
    its nearest state. neighbors: k, at most the number of states that have a successor.
    Source: Lorenz 1969, who searched for analogs of the atmosphere; the k copies are an ensemble as in Delle Monache et al. 2013.
    key: lorenz1969
    """

    neighbors: Count = 32
    anchored: bool = False
    search_space: ClassVar[SearchSpace] = {"neighbors": (32, 8, 128), "anchored": (False, True)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Analogs:
        """Store the training data and build a k-d tree of its states that have a successor."""
        past = autonomous(problem).train.observations.double().numpy()
        if past.shape[1] < 2:
            raise UserError("this method needs trajectories of at least 2 samples")
        return Analogs(past, min(self.neighbors, len(past) * (past.shape[1] - 1)), self.anchored)


class Analogs:
    """The stored training trajectories, with a k-d tree of their states."""

    def __init__(self, past: Float[ndarray, "trajectory time dim"], neighbors: int, anchored: bool) -> None:
        self.past, self.neighbors, self.anchored = past, neighbors, anchored
        self.tree = cKDTree(past[:, :-1].reshape(-1, past.shape[2]))

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The mean over the k analogs."""
        x = context.observations[:, -1].double().numpy()
        starts = np.repeat(x, self.neighbors, axis=0)
        ranks = np.tile(np.arange(self.neighbors), len(x))
        paths = self._paths(starts, horizon, ranks, lambda count: np.zeros(count, dtype=int))
        return torch.from_numpy(paths.reshape(len(x), self.neighbors, horizon, -1).mean(axis=1))

    def sample(
        self,
        context: Trajectories,
        horizon: int,
        draws: int,
        generator: torch.Generator,
        inputs: Float[Tensor, "trajectory horizon channel"] | None = None,
    ) -> Float[Tensor, "trajectory draw horizon dim"]:
        """Copies of analogs drawn independently."""

        def drawn(count: int) -> ndarray:
            return torch.randint(self.neighbors, (count,), generator=generator).numpy()

        x = context.observations[:, -1].double().numpy()
        starts = np.repeat(x, draws, axis=0)
        paths = self._paths(starts, horizon, drawn(len(starts)), drawn)
        return torch.from_numpy(paths.reshape(len(x), draws, horizon, -1))

    def _paths(self, x: ndarray, horizon: int, ranks: ndarray, drawn: Callable[[int], ndarray]) -> ndarray:
        """Paths [point, horizon, dim] from x, first along the analogs of these ranks; `drawn` gives the ranks of later ones."""
        out = np.empty((len(x), horizon, x.shape[1]))
        trajectory, time, offset = self._analogs(x, ranks)
        for step in range(horizon):
            ended = np.flatnonzero(time + 1 >= self.past.shape[1])
            if step and len(ended):
                trajectory[ended], time[ended], offset[ended] = self._analogs(out[ended, step - 1], drawn(len(ended)))
            time = time + 1
            out[:, step] = self.past[trajectory, time] + offset
        return out

    def _analogs(self, x: ndarray, ranks: ndarray) -> tuple[ndarray, ndarray, ndarray]:
        """Trajectory and time of the analog of each rank, 0 the nearest, and what is added to its copy."""
        distinct, back = np.unique(x, axis=0, return_inverse=True)
        nearest = np.asarray(self.tree.query(distinct, k=range(1, self.neighbors + 1))[1])
        chosen = nearest[back.ravel(), ranks]
        trajectory, time = np.divmod(chosen, self.past.shape[1] - 1)
        offset = x - self.past[trajectory, time] if self.anchored else np.zeros_like(x)
        return trajectory, time, offset

    def parameter_count(self) -> int:
        """The number of stored values."""
        return self.past.size
