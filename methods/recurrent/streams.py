"""Streams of training windows for truncated backpropagation through time.

`gated` holds a copy of its own: a change there would renew the published results of its methods.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.problems import Run

__all__ = ["Streams"]


class Streams:
    """Streams that advance along the trajectories by one window per update.

    A stream that reaches the end of its trajectory restarts at a random position of a random trajectory.
    """

    def __init__(self, data: Float[Tensor, "trajectory time dim"], count: int, window: int, run: Run) -> None:
        self.data, self.window, self.generator = data, window, run.generator
        self.path, self.place = torch.zeros(count, dtype=torch.long), torch.full((count,), data.shape[1])

    def advance(self) -> tuple[Tensor, Tensor]:
        """The next window of every stream [S, window + 1, N], and which streams restart [S]."""
        trajectories, time, _ = self.data.shape
        fresh = self.place + self.window >= time
        count = int(fresh.sum())
        self.path[fresh] = torch.randint(trajectories, (count,), generator=self.generator)
        self.place[fresh] = torch.randint(time - self.window, (count,), generator=self.generator)
        windows = self.data[self.path[:, None], self.place[:, None] + torch.arange(self.window + 1)]
        self.place += self.window
        return windows, fresh
