"""Gradients seen through a low-rank projection P: what P'P does on average, when descent stays monotone, and what is reached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.runners.claims.sensing.relative import relative_loss
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["ProjectedDescent", "RandomProjections", "ResampledProjections", "flora"]

Matrix = Float[ndarray, "row column"]


@dataclass(frozen=True)
class RandomProjections:
    """E G P'P = G and E|G P'P - G|^2 = (m + 1)/r |G|^2 for P in R^{r x m} with entries N(0, 1/r).

    Momentum M kept in R^{n x r} goes over to a new projection as M P_old P_new', which multiplies E|M|^2 by m/r. Scores:
    `shrinkage`, <mean of G P'P, G>/|G|^2 over `draws`; `variance`, the mean of |G P'P - G|^2/|G|^2 over (m + 1)/r; `transfer`,
    the mean of |M P_old P_new'|^2/|M|^2 over m/r; `wrong_shrinkage`, the shrinkage with entries N(0, 1/m).
    Source: Hao, Cao and Mou, Flora: Low-Rank Adapters Are Secretly Gradient Compressors, 2024, for the estimate.
    """

    rows: int = 6
    columns: int = 20
    rank: int = 4
    draws: int = 40_000
    batch: int = 4000

    def measure(self, run: Run) -> Scores:
        """One gradient and one momentum; means over all draws."""
        rng, m, r = run.numpy, self.columns, self.rank
        gradient, momentum = rng.standard_normal((self.rows, m)), rng.standard_normal((self.rows, r))
        power, size = np.sum(gradient**2), np.sum(momentum**2)
        sums = np.zeros(3)
        for _ in range(self.draws // self.batch):
            old, new = rng.standard_normal((2, self.batch, r, m)) / r**0.5
            back = gradient @ old.mT @ old
            moved = momentum @ old @ new.mT
            along, off = np.sum(back * gradient), np.sum((back - gradient) ** 2)
            sums += np.array([along / power, off / power, np.sum(moved**2) / size])
        shrinkage, variance, transfer = sums / self.draws
        wrong = shrinkage * r / m  # entries smaller by the factor (r/m)^{1/2}
        return Scores(
            {
                "shrinkage": float(shrinkage),
                "variance": float(variance) * r / (m + 1),
                "transfer": float(transfer) * r / m,
                "wrong_shrinkage": float(wrong),
            }
        )


def flora(
    target: Matrix, rank: int, every: int, steps: int, rate: float, beta: float, rng: np.random.Generator
) -> Matrix:
    """W after W <- W - rate M P, M <- beta M + (1 - beta) G P', from 0 on |W - W*|^2/2.

    P ~ N(0, 1/r) is drawn anew `every` so many steps (0: never), and M becomes M P_old P_new'.
    """
    w, momentum = np.zeros_like(target), np.zeros((len(target), rank))
    p = rng.standard_normal((rank, target.shape[1])) / rank**0.5
    for step in range(steps):
        if every and step and step % every == 0:
            new = rng.standard_normal(p.shape) / rank**0.5
            momentum, p = momentum @ p @ new.T, new
        momentum = beta * momentum + (1 - beta) * (w - target) @ p.T
        w = w - rate * momentum @ p
    return w


@dataclass(frozen=True)
class ResampledProjections:
    """Flora and LoRA on |W - W*|^2/2, W* ~ N(0, 1), from 0: resampling reaches W*, two factors stop at their best rank-r matrix.

    LoRA: descent on B A from B = 0, A ~ N(0, 1/n). Scores, losses over |W*|^2: `flora` (a new projection every `every` steps),
    `frozen` (never a new one), `lora`, and `lora_over_tail`, over sum_{i > r} s_i^2/sum s_i^2.
    Source: Hao, Cao and Mou, Flora, 2024.
    """

    n: int = 32
    rank: int = 4
    every: int = 20
    steps: int = 4000
    rate: float = 0.1
    beta: float = 0.9
    lora_step: float = 0.02

    def measure(self, run: Run) -> Scores:
        """Run all three projections against the same target."""
        rng = run.numpy
        target = rng.standard_normal((self.n, self.n))
        values = {
            name: relative_loss(flora(target, self.rank, every, self.steps, self.rate, self.beta, rng), target)
            for name, every in (("flora", self.every), ("frozen", 0))
        }
        b, a = np.zeros((self.n, self.rank)), rng.standard_normal((self.rank, self.n)) / self.n**0.5
        for _ in range(self.steps):
            error = self.lora_step * (b @ a - target)
            b, a = b - error @ a.T, a - b.T @ error
        s = np.linalg.svd(target, compute_uv=False)
        tail = float(np.sum(s[self.rank :] ** 2) / np.sum(s**2))
        values["lora"] = relative_loss(b @ a, target)
        return Scores(values | {"tail": tail, "lora_over_tail": values["lora"] / tail})


@dataclass(frozen=True)
class ProjectedDescent:
    """f(W - eta P P'G) <= f(W) - eta |P'G|^2 (1 - eta L l/2), l = l_max(P P'): monotone for any P if and only if eta l <= 2/L.

    f = <W - W*, H (W - W*)>/2 with eigenvalues of H from 1/condition to 1 = L, W - W* ~ N(0, 1) at the start; a new Gaussian P in
    every step and eta = factor/(L l). Scores, over f at the start: `rise_low` and `rise_high`, the largest f(W_{t+1}) - f(W_t) at
    the factors 1.9 and 2.1; `excess`, the largest f(W_{t+1}) less the bound at 1.9; `end`, the last f there.
    Source: Liang, Liu, Chen and Liu, Memory-Efficient LLM Training with Online Subspace Descent, 2024, with its condition.
    """

    n: int = 32
    columns: int = 1
    rank: int = 4
    condition: float = 1.0
    factors: tuple[float, float] = (1.9, 2.1)
    steps: int = 2000

    def measure(self, run: Run) -> Scores:
        """Both factors from the same start, each with draws of its own."""
        rng = run.numpy
        curvature = np.linspace(1 / self.condition, 1.0, self.n)[:, None]
        start = rng.standard_normal((self.n, self.columns))
        low, excess, end = self._path(rng, curvature, start, self.factors[0])
        high, _, _ = self._path(rng, curvature, start, self.factors[1])
        return Scores({"rise_low": low, "rise_high": high, "excess": excess, "end": end})

    def _path(
        self, rng: np.random.Generator, curvature: ndarray, error: Matrix, factor: float
    ) -> tuple[float, float, float]:
        """The largest increase, the largest excess over the bound, and the last value, over the first value."""
        first = value = float(np.sum(curvature * error**2)) / 2
        rise = excess = -np.inf
        for _ in range(self.steps):
            p = rng.standard_normal((self.n, self.rank))
            rate = factor / float(np.linalg.norm(p, 2)) ** 2
            seen = p.T @ (curvature * error)
            error = error - rate * p @ seen
            new = float(np.sum(curvature * error**2)) / 2
            bound = value - rate * float(np.sum(seen**2)) * (1 - factor / 2)
            rise, excess, value = max(rise, new - value), max(excess, new - bound), new
        return rise / first, excess / first, value / first
