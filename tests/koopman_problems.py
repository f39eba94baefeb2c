"""Problems with known answers."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from dynamark.tasks.problems import Forecasting, Trajectories


def linear_paths(matrix: Tensor, count: int, steps: int, seed: int = 0) -> Tensor:
    """x_{n+1} = x_n A, normal starts [count, steps + 1, dim]."""
    x = [torch.randn(count, len(matrix), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)]
    for _ in range(steps):
        x.append(x[-1] @ matrix)
    return torch.stack(x, dim=1)


def spectral_gap(one: Tensor | ndarray, other: Tensor | ndarray) -> float:
    """The largest distance between eigenvalues, matched one to one; sorting would order conjugate pairs by their rounding."""
    distances = np.abs(np.asarray(one)[:, None] - np.asarray(other))
    assert distances.shape[0] == distances.shape[1]
    return float(distances[linear_sum_assignment(distances)].max())


def posed(train: Tensor, validation: Tensor | None = None, dt: float = 1.0) -> Forecasting:
    return Forecasting(Trajectories(train, dt=dt), Trajectories(train if validation is None else validation, dt=dt))


def slow_manifold(
    count: int, steps: int, seed: int = 0, mu: float = -0.05, lam: float = -1.0, dt: float = 0.1
) -> Tensor:
    """x1 = a e^{mu t}, x2 = (b - c a^2) e^{lam t} + c x1^2, c = lam/(lam - 2 mu): the closed form, starts in [-1/2, 1/2]^2."""
    start = torch.rand(count, 2, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.5
    t, c = dt * torch.arange(steps + 1, dtype=torch.float64), lam / (lam - 2 * mu)
    x1 = start[:, 0] * torch.exp(mu * t)
    return torch.stack([x1, (start[:, 1] - c * start[:, 0] ** 2) * torch.exp(lam * t) + c * x1**2], dim=-1)
