"""Rank that grows one by one: diagonal weights from a small start, and an attention head with a given pattern."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["DiagonalEntries", "HeadRank", "greedy_entries"]

Vector = Float[ndarray, " n"]
Square = Float[ndarray, "n n"]

_CORRELATED = np.array([[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, 0.3], [0, 0, 0.3, 1]])
_LINEAR = np.array([1.0, 0.8, 0.4, 0.3])


def greedy_entries(quadratic: Square, linear: Vector) -> Vector:
    """Times in units of ln(1/alpha) at which the coordinates of w enter, loss w^T C w/2 - c^T w.

    With S active, w_S minimizes the loss on S; every inactive coordinate accumulates a_i += -(dh/dw_i) dt, and the first with
    |a_i| = 1 enters.
    """
    count = len(linear)
    entries, active, gathered, time = np.full(count, np.inf), np.zeros(count, dtype=bool), np.zeros(count), 0.0
    while not active.all():
        w = np.zeros(count)
        w[active] = np.linalg.solve(quadratic[np.ix_(active, active)], linear[active])
        slope = np.where(active, 0.0, linear - quadratic @ w)
        with np.errstate(divide="ignore", invalid="ignore"):
            waits = np.where(active | (slope == 0), np.inf, (1 - np.sign(slope) * gathered) / np.abs(slope))
        place = int(np.argmin(waits))
        if not np.isfinite(waits[place]):
            break
        time += waits[place]
        gathered = gathered + slope * waits[place]
        active[place], entries[place] = True, time
    return entries


@dataclass(frozen=True)
class DiagonalEntries:
    """w = u v (entry by entry), u(0) = alpha, v(0) = alpha/2: as alpha -> 0 coordinates enter at the times of `greedy_entries`.

    Gradient flow of w^T C w/2 - c^T w by Euler steps of h, C = diag([[1, .5], [.5, 1]], [[1, .3], [.3, 1]]), c = (1, .8, .4,
    .3); times in units of ln(1/alpha) at which w_i has made half its change. Scores: `error`, the largest |measured -
    predicted| at the smallest alpha, and `identity_error`, the same for C = I, where it is 1/c_i; `rise`, the largest
    quotient of the largest error at one alpha by that at the next larger one; `lazy_latest`, the latest half change from
    alpha = 0.9, in units of time, and `lazy_ordered`, whether these times are in the greedy order. No random number enters.
    Source: Boix-Adserà et al., Transformers learn through gradual rank increase, 2023, section 3.
    """

    scales: tuple[float, ...] = (1e-2, 1e-4, 1e-8, 1e-12)
    step: float = 0.02

    def measure(self, run: Run) -> Scores:
        """Integrate one flow for each scale of the initialization."""
        predicted = greedy_entries(_CORRELATED, _LINEAR)
        errors = [np.abs(self._times(_CORRELATED, scale) - predicted).max() for scale in self.scales]
        lazy = self._times(_CORRELATED, 0.9) * np.log(1 / 0.9)
        identity = np.abs(self._times(np.eye(4), self.scales[-1]) - 1 / _LINEAR).max()
        return Scores(
            {
                "error": float(errors[-1]),
                "identity_error": float(identity),
                "rise": float(max(b / a for a, b in itertools.pairwise(errors))),
                "lazy_latest": float(lazy.max()),
                "lazy_ordered": float((np.diff(lazy) > 0).all()),
            },
            (Curve("error_by_scale", np.array(self.scales), np.array(errors)),),
        )

    def _times(self, quadratic: Square, scale: float) -> Vector:
        """The first time at which each |w_i - start| is half of |end - start|, in units of ln(1/alpha)."""
        u, v = np.full(4, scale), np.full(4, scale / 2)
        start, end = u * v, np.linalg.solve(quadratic, _LINEAR)
        unit = np.log(1 / scale)
        times = np.full(4, np.inf)
        for k in range(int((5 * unit + 20) / self.step)):
            w = u * v
            passed = np.abs(w - start) >= 0.5 * np.abs(end - start)
            times = np.where(passed & np.isinf(times), k * self.step / unit, times)
            if np.isfinite(times).all():
                break
            slope = _LINEAR - quadratic @ w
            u, v = u + self.step * slope * v, v + self.step * slope * u
        return times


@dataclass(frozen=True)
class HeadRank:
    """#{sigma_i(P Q^T) > 0.05} of a head with output A X P Q^T rises by single steps from a small start.

    A: rows of softmax of Gaussian logits, 8 tokens in R^16, X ~ N(0, I), fresh batches of 64; P, Q 16 x 16, entries alpha
    N(0, 1/16); target A X W*, W* with singular values 1, .6, .35, .2; gradient descent of the mean squared error a token.
    Scores: `single`, 1 where the count goes 0, 1, 2, 3, 4 by single steps and ends at 4; `final`, the last count; `loss`, the
    last relative distance of P Q^T to W*; `large_start`, the count at the start from alpha = 1.
    Source: Boix-Adserà et al. 2023, section 4; the toy is of our own.
    """

    scale: float = 1e-3
    steps: int = 1500
    rate: float = 0.05
    tokens: int = 8
    dim: int = 16
    batch: int = 64
    values: tuple[float, ...] = (1.0, 0.6, 0.35, 0.2)

    def measure(self, run: Run) -> Scores:
        """Train, and count the large singular values after every step."""
        rng, d = run.numpy, self.dim
        logits = np.exp(rng.standard_normal((self.tokens, self.tokens)))
        pattern = logits / logits.sum(axis=1, keepdims=True)
        left, right = (orthonormal(rng, d, len(self.values)) for _ in range(2))
        teacher = left * np.array(self.values) @ right.T
        first, second = rng.standard_normal((2, d, d)) / np.sqrt(d)
        p, q = self.scale * first, self.scale * second
        products = np.empty((self.steps + 1, d, d))
        for step in range(self.steps + 1):
            products[step] = p @ q.T
            mixed = (pattern @ rng.standard_normal((self.batch, self.tokens, d))).reshape(-1, d)
            gradient = 2 * mixed.T @ (mixed @ (products[step] - teacher)) / len(mixed)
            p, q = p - self.rate * gradient @ q, q - self.rate * gradient.T @ p
        counts = (torch.linalg.svdvals(torch.from_numpy(products)) > 0.05).sum(dim=1).numpy()
        rises = np.diff(counts)
        single = counts[0] == 0 and ((rises == 0) | (rises == 1)).all() and counts[-1] == len(self.values)
        start = np.linalg.svd(first @ second.T, compute_uv=False)
        return Scores(
            {
                "single": float(single),
                "final": float(counts[-1]),
                "loss": float(np.linalg.norm(products[-1] - teacher) / np.linalg.norm(teacher)),
                "large_start": float((start > 0.05).sum()),
            },
            (Curve("rank_by_step", np.arange(self.steps + 1.0), counts.astype(float)),),
        )
