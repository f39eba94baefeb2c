"""Low-rank adapters on the manifold of fixed rank: which tangent space holds most of a gradient, and what a start there buys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["RiemannianStart", "block_limit", "descended", "projected", "tail"]

Matrix = Float[ndarray, "row column"]
Frames = tuple[Float[ndarray, "row rank"], Float[ndarray, "column rank"]]


def projected(matrix: Matrix, frames: Frames) -> Matrix:
    """P_U G + G P_V - P_U G P_V: onto the tangent space of the matrices of rank r at any U S V' with invertible S."""
    u, v = frames
    by_row = u @ (u.T @ matrix)
    return by_row + (matrix - by_row) @ v @ v.T


def tail(values: Float[ndarray, " value"], rank: int) -> float:
    """sum_{i > r} s_i^2: the least squared distance to a matrix of rank r."""
    return float(np.sum(np.sort(values)[: len(values) - rank] ** 2))


def block_limit(values: Float[ndarray, " value"], rank: int, strength: float) -> float:
    """The least |D + dW_0 - X|^2 over X of rank r, dW_0 = strength U_{1..r} V_{r+1..2r}', D = -U diag(values) V'.

    The singular values of D + dW_0 are those of the r blocks [[s_i, strength], [0, s_{r+i}]] and the s_i with i > 2r.
    """
    blocks = np.zeros((rank, 2, 2))
    blocks[:, 0, 0], blocks[:, 1, 1], blocks[:, 0, 1] = values[:rank], values[rank : 2 * rank], strength
    return tail(np.concatenate([np.linalg.svd(blocks, compute_uv=False).ravel(), values[2 * rank :]]), rank)


def descended(target: Matrix, start: Matrix, frames: Frames, steps: int) -> Float[ndarray, " time"]:
    """|X_t - target|^2, t = 0 .. steps, of X <- P_r(X + P_T(target - X)): the exact step of Riemannian gradient descent."""
    x, losses = start, [float(np.sum((start - target) ** 2))]
    rank = frames[0].shape[1]
    for _ in range(steps):
        u, s, vt = np.linalg.svd(x + projected(target - x, frames), full_matrices=False)
        frames = u[:, :rank], vt[:rank].T
        x = (frames[0] * s[:rank]) @ frames[1].T
        losses.append(float(np.sum((x - target) ** 2)))
    return np.array(losses)


@dataclass(frozen=True)
class RiemannianStart:
    """Start dW_0 = alpha U_{1..r} V_{r+1..2r}' of an adapter, G = U S V' the gradient at W_0; the weights are W_0 - dW_0 + dW.

    max_T |P_T G|^2 over tangent spaces of matrices of rank r is sum_{i <= 2r} s_i^2 (P_T G has rank at most 2r), reached there.
    Own consequence: dW - dW_0 has rank up to 2r, and on |W - W*|^2, W* - W_0 = -G, exact steps reach `block_limit`. Scores, of
    the share |P_T G|^2/sum_{i <= 2r} s_i^2: `share_off`, |share - 1| at the start; `share_leading` of U_{1..r} with V_{1..r};
    `share_random`, the largest of `spaces` random ones. For the i-th alpha, over |G|^2: `off_i` = |loss - limit| after two steps;
    `limit_i`; `crossed_i`, the loss of a start alpha U_{1..r} V_{1..r}' less the limit. From dW = 0 and random frames:
    `off_zero`, |loss - tail_r|/|G|^2, and the steps to 1e-6, `steps_zero`. `tail_r` and `tail_2r` over |G|^2.
    Source: Bogachev, Aletov, Molozhavenko, Bobkov, Soboleva, Alanov and Rakhuba, RiemannLoRA, 2025 (the start).
    """

    rows: int = 32
    columns: int = 24
    rank: int = 4
    strengths: tuple[float, ...] = (1.0, 10.0, 100.0)
    spaces: int = 500
    steps: int = 4000

    def measure(self, run: Run) -> Scores:
        """One Gaussian gradient, all starts."""
        rng, r = run.numpy, self.rank
        gradient = rng.standard_normal((self.rows, self.columns))
        u, s, vt = np.linalg.svd(gradient, full_matrices=False)
        best, leading = (u[:, :r], vt[r : 2 * r].T), (u[:, :r], vt[:r].T)
        power, largest = float(np.sum(s**2)), float(np.sum(s[: 2 * r] ** 2))
        drawn = [(orthonormal(rng, self.rows, r), orthonormal(rng, self.columns, r)) for _ in range(self.spaces)]
        captured = [float(np.sum(projected(gradient, frames) ** 2)) / largest for frames in (best, leading, *drawn)]
        values = {"share_off": abs(captured[0] - 1), "share_leading": captured[1], "share_random": max(captured[2:])}
        for i, strength in enumerate(self.strengths):
            limit = block_limit(s, r, strength)
            start, crossed = (strength * a @ b.T for a, b in (best, leading))
            reached = descended(start - gradient, start, best, 2)[-1]
            elsewhere = descended(crossed - gradient, crossed, leading, 50)[-1]
            values |= {f"off_{i}": abs(reached - limit) / power, f"limit_{i}": limit / power}
            values[f"crossed_{i}"] = (elsewhere - limit) / power
        off = np.abs(descended(-gradient, np.zeros_like(gradient), drawn[0], self.steps) - tail(s, r)) / power
        values |= {"off_zero": float(off[-1]), "steps_zero": float(np.argmax(off <= 1e-6))}
        return Scores(values | {"tail_r": tail(s, r) / power, "tail_2r": tail(s, 2 * r) / power})
