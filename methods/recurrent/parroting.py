"""Context parroting: copy the continuation of the most similar segment of the training data."""

from __future__ import annotations

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

__all__ = ["ContextParroting"]


@dataclass(frozen=True)
class ContextParroting:
    """x_{t+h} = y_{s+h}, s the end of the segment of training data nearest to the last `motif` observations.

    Nearest in the Euclidean norm over the whole segment. If the training trajectory ends before the forecast does, the copy
    continues from the segment nearest to the last `motif` forecasts. Because true orbits are copied, long-term statistics and
    short forecasts are good although nothing is learned: a baseline.
    Raises UserError if the training trajectories are not longer than the motif.
    Source: Zhang & Gilpin, Context parroting (2025), section 3, where the context is searched instead of training data.
    key: zhang2025
    """

    motif: Count = 10
    search_space: ClassVar[SearchSpace] = {"motif": (10, 3, 5, 20)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Parrot:
        """Store the training data and build a k-d tree of its segments."""
        y = autonomous(problem).train.observations.double().numpy()
        if y.shape[1] <= self.motif:
            raise UserError(
                f"trajectories of {y.shape[1]} samples are too short for a motif of {self.motif}: decrease `motif`"
            )
        return Parrot(y, self.motif)


class Parrot:
    """The stored training trajectories, with a k-d tree of their segments."""

    def __init__(self, past: Float[ndarray, "trajectory time dim"], motif: int) -> None:
        self.past, self.motif = past, motif
        # The last segment of each trajectory has no continuation.
        segments = np.lib.stride_tricks.sliding_window_view(past[:, :-1], motif, axis=1)
        self.count = segments.shape[1]
        self.tree = cKDTree(segments.swapaxes(2, 3).reshape(-1, motif * past.shape[2]))

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Concatenated copies of training data, each up to the end of its trajectory."""
        x = context.observations.double().numpy()
        missing = self.motif - x.shape[1]
        if missing > 0:
            x = np.concatenate([np.repeat(x[:, :1], missing, axis=1), x], axis=1)
        return torch.from_numpy(np.stack([self._continue(path[-self.motif :], horizon) for path in x]))

    def _continue(self, end: ndarray, horizon: int) -> ndarray:
        out = end
        while len(out) < horizon + self.motif:
            _, nearest = self.tree.query(out[-self.motif :].ravel())
            trajectory, start = divmod(int(nearest), self.count)
            out = np.concatenate([out, self.past[trajectory, start + self.motif :]])
        return out[self.motif : self.motif + horizon]

    def parameter_count(self) -> int:
        """The number of stored values."""
        return self.past.size
