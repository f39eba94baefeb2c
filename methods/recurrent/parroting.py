"""Context parroting: copy what followed the most similar stretch of the past."""

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
    """x_{t+h} = y_{s+h}, s the end of the stretch of training data nearest to the last `motif` observations.

    Nearest in the Euclidean norm over the whole stretch. Where the training trajectory ends before the forecast does, the
    copy goes on from the stretch nearest to its own last samples. It copies true orbits, so long-term statistics and short
    forecasts look good though nothing is learned: a row to be beaten.
    Raises UserError when the training trajectories are not longer than the motif.
    Source: Zhang & Gilpin, Context parroting (2025), section 3; there the past is the context, here the training data.
    key: zhang2025
    """

    motif: Count = 10
    search_space: ClassVar[SearchSpace] = {"motif": (10, 3, 5, 20)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Parrot:
        """Remember the training data and index its stretches."""
        y = autonomous(problem).train.observations.double().numpy()
        if y.shape[1] <= self.motif:
            raise UserError(f"a motif of {self.motif} samples needs longer trajectories than {y.shape[1]} samples")
        return Parrot(y, self.motif)


class Parrot:
    """The remembered trajectories."""

    def __init__(self, past: Float[ndarray, "trajectory time dim"], motif: int) -> None:
        self.past, self.motif = past, motif
        # The last stretch of each trajectory has no continuation.
        stretches = np.lib.stride_tricks.sliding_window_view(past[:, :-1], motif, axis=1)
        self.count = stretches.shape[1]
        self.tree = cKDTree(stretches.swapaxes(2, 3).reshape(-1, motif * past.shape[2]))

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Copies, each as long as the remembered trajectory lasts."""
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
        """All that is remembered."""
        return self.past.size
