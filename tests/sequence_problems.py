"""What the tests of sequence layers share: a system of one state, and models of it that simulate from rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dynamark.methods.sequence.stack import SequenceMethod, SequenceModel
from dynamark.tasks.problems import Forecasting, Run, Trajectories


def paths(count: int, seed: int, time: int = 32, pole: float = 0.9) -> Trajectories:
    """y_t = pole y_{t-1} + u_t / 2."""
    u = torch.from_numpy(np.random.default_rng(seed).standard_normal((count, time, 1)))
    y = torch.zeros_like(u)
    for t in range(time):
        y[:, t] = (pole * y[:, t - 1] if t else 0) + 0.5 * u[:, t]
    return Trajectories(y, u)


def simulators(method: SequenceMethod, members: int = 2, **system: Any) -> list[SequenceModel]:
    """Models of a cohort, each of its own paths."""
    problems = [Forecasting(paths(16, k, **system), paths(4, 10 + k, **system), context=0) for k in range(members)]
    return method.fit_forecasters(problems, [Run((k,)) for k in range(members)])


def error(answer: torch.Tensor, truth: torch.Tensor) -> float:
    """Squared error over power."""
    return float((answer - truth).square().mean() / truth.square().mean())
