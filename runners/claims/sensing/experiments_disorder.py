"""A student of rectified units against the disorder of its start: when the teacher's directions stand out of its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["DisorderAxis"]


@dataclass(frozen=True)
class DisorderAxis:
    """The gap s_4/s_5 of the singular values of the first layer after training, by the scale of its start.

    y = a^T relu(W x), W 40 x 20, a fixed at +-1/sqrt 40; teacher of 4 units with rows N(0, I) and output weights 1/2; x ~ N(0,
    I/5); stochastic gradient descent of half the squared error on fresh batches of 8, step 0.16, the first layer only; W_0 =
    sigma_w N(0, 1/20). All scales start from the same directions and see the same batches. Scores for each scale: `gap_sigma`,
    `loss_sigma` on 2000 fresh inputs, and `above_sigma`, the number of singular values above the largest of W_0; `start_gap`,
    the gap of W_0, the same for all.
    Source of the question: Park, Lucini and Aarts, Phase diagram and eigenvalue dynamics of stochastic gradient descent in
    multilayer neural networks, 2025; the network is of our own.
    """

    scales: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 4.0)
    inputs: int = 20
    units: int = 40
    teachers: int = 4
    batch: int = 8
    rate: float = 0.16
    steps: int = 20_000

    def measure(self, run: Run) -> Scores:
        """Train from all scales at once, as one batch."""
        rng = run.numpy
        teacher = rng.standard_normal((self.teachers, self.inputs))
        output = rng.choice([-1.0, 1.0], self.units) / np.sqrt(self.units)
        first = rng.standard_normal((self.units, self.inputs)) / np.sqrt(self.inputs)
        weights = np.array(self.scales)[:, None, None] * first
        start = np.linalg.svd(first, compute_uv=False)
        edges = np.array(self.scales) * start[0]
        for _ in range(self.steps):
            x = rng.standard_normal((self.batch, self.inputs)) / np.sqrt(5)
            y = 0.5 * np.maximum(x @ teacher.T, 0).sum(axis=1)
            hidden = x @ weights.transpose(0, 2, 1)
            error = np.maximum(hidden, 0) @ output - y
            back = (error[:, :, None] * (hidden > 0)) * output
            weights -= self.rate / self.batch * (back.transpose(0, 2, 1) @ x)
        values = np.linalg.svd(weights, compute_uv=False)
        x = rng.standard_normal((2000, self.inputs)) / np.sqrt(5)
        y = 0.5 * np.maximum(x @ teacher.T, 0).sum(axis=1)
        losses = 0.5 * np.mean((np.maximum(x @ weights.transpose(0, 2, 1), 0) @ output - y) ** 2, axis=1)
        gaps = values[:, self.teachers - 1] / values[:, self.teachers]
        scores = {"start_gap": float(start[self.teachers - 1] / start[self.teachers])}
        for name, numbers in (("gap", gaps), ("loss", losses), ("above", (values > edges[:, None]).sum(axis=1))):
            scores |= {f"{name}_{scale:g}": float(v) for scale, v in zip(self.scales, numbers, strict=True)}
        return Scores(scores)
