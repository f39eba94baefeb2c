"""Penalties that act as the nuclear norm: weight decay of parallel linear nets, and the samples behind a penalized matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.runners.claims.sensing.relative import relative_error
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["ParallelNets", "RepresenterPoints", "decayed_product", "importances", "penalized", "thresholded"]

Matrix = Float[ndarray, "row column"]


def thresholded(matrix: Matrix, penalty: float, rank: int | None = None) -> Matrix:
    """U (S - penalty)_+ V': the minimizer of |Z - Y|^2/2 + penalty |Z|_*, by the `rank` leading values only where given."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    s = np.maximum(s - penalty, 0.0)
    s[len(s) if rank is None else rank :] = 0.0
    return (u * s) @ vt


def decayed_product(
    target: Matrix,
    start: tuple[Float[ndarray, "row width"], Float[ndarray, "width column"]],
    decay: tuple[float, float],
    step: float,
    steps: int,
) -> Matrix:
    """W_2 W_1 after gradient descent on |W_2 W_1 - Y|^2/2 + (decay_2 |W_2|^2 + decay_1 |W_1|^2)/2.

    Parallel branches are the columns of W_2 and rows of W_1 in a row: their sum is the product of the whole.
    """
    second, first = start
    keep_second, keep_first = 1 - step * decay[0], 1 - step * decay[1]
    for _ in range(steps):
        error = step * (second @ first - target)
        second, first = keep_second * second - error @ first.T, keep_first * first - second.T @ error
    return second @ first


@dataclass(frozen=True)
class ParallelNets:
    """min |sum_k W_2k W_1k - Y|^2/2 + (lambda/2) sum |W|^2 = min_Z |Z - Y|^2/2 + lambda |Z|_* where the widths reach the rank.

    The least sum of squares over factors of a product Z is 2 |Z|_*, so every minimizer has the product U (S - lambda)_+ V'.
    Gradient descent from entries N(0, scale^2) converges like e^{-step |s_i - lambda| t}, and to the k = `narrow` leading
    values like e^{-step (s_k - s_{k+1}) t}: a Y ~ N(0, 1) with one of these distances below `distance` is drawn again. Scores,
    |product - predicted|_F: `gap_branch` (one branch of width n), `gap_parallel` (branches of `widths`), `gap_narrow` (one branch
    of width `narrow`, against the thresholded truncation), `gap_one_sided` (weight decay of W_2 only); `rank_error`, the rank of
    the parallel product less #{s_i > lambda}, and `rank` itself.
    Source: Wang, Ergen and Pilanci, Parallel Deep Neural Networks Have Zero Duality Gap, 2023, for linear activations.
    """

    n: int = 8
    penalty: float = 1.0
    widths: tuple[int, ...] = (3, 3, 3, 3)
    narrow: int = 2
    scale: float = 0.3
    step: float = 0.02
    steps: int = 20_000
    distance: float = 0.1

    def measure(self, run: Run) -> Scores:
        """Run four descents on the same target."""
        target = self._target(run.numpy)
        optimum = thresholded(target, self.penalty)
        parallel = self._descent(run.numpy, target, sum(self.widths))
        expected = int(np.sum(np.linalg.svd(target, compute_uv=False) > self.penalty))
        gaps = {
            "branch": self._descent(run.numpy, target, self.n) - optimum,
            "parallel": parallel - optimum,
            "narrow": self._descent(run.numpy, target, self.narrow) - thresholded(target, self.penalty, self.narrow),
            "one_sided": self._descent(run.numpy, target, self.n, first=0.0) - optimum,
        }
        rank = int(np.sum(np.linalg.svd(parallel, compute_uv=False) > 1e-6))
        values = {f"gap_{name}": float(np.linalg.norm(gap)) for name, gap in gaps.items()}
        return Scores(values | {"rank": float(expected), "rank_error": float(rank - expected)})

    def _target(self, rng: np.random.Generator) -> Matrix:
        while True:
            target = rng.standard_normal((self.n, self.n))
            s = np.linalg.svd(target, compute_uv=False)
            if min(np.abs(s - self.penalty).min(), s[self.narrow - 1] - s[self.narrow]) >= self.distance:
                return target

    def _descent(self, rng: np.random.Generator, target: Matrix, width: int, first: float = 1.0) -> Matrix:
        """`first`: the decay of W_1 over that of W_2."""
        start = self.scale * rng.standard_normal((self.n, width)), self.scale * rng.standard_normal((width, self.n))
        return decayed_product(target, start, (self.penalty, first * self.penalty), self.step, self.steps)


def penalized(
    rows: Float[ndarray, "sample entry"],
    y: Float[ndarray, " sample"],
    shape: tuple[int, int],
    penalty: float,
    steps: int,
    tolerance: float = 1e-14,
) -> Matrix:
    """The minimizer of |A(X) - y|^2/2 + penalty |X|_* by proximal gradient steps of 1/|A'A|, until none moves an entry."""
    gram, back = rows.T @ rows, rows.T @ y
    step = 1 / float(np.linalg.norm(gram, 2))
    x = np.zeros(shape)
    for _ in range(steps):
        moved = thresholded(x - step * (gram @ x.ravel() - back).reshape(shape), step * penalty)
        change, x = np.abs(moved - x).max(), moved
        if change <= tolerance:
            break
    return x


def importances(
    x: Matrix, rows: Float[ndarray, "sample entry"], y: Float[ndarray, " sample"], penalty: float
) -> Mapping[str, Float[ndarray, "sample row column"]]:
    """(r_i/penalty) A_i V S V' (right) and (r_i/penalty) U S U' A_i (left), r = y - A(X): each sums to X at the minimizer.

    `wrong`: the same with U U' in place of V S V', which sums to something else.
    """
    u, s, vt = np.linalg.svd(x)
    weight = ((y - rows @ x.ravel()) / penalty)[:, None, None]
    each = weight * rows.reshape(-1, *x.shape)
    leading = u[:, s > 1e-9 * s[0]]
    return {
        "right": each @ (vt.T * s @ vt),
        "left": (u * s @ u.T) @ each,
        "wrong": each @ (leading @ leading.T),
    }


@dataclass(frozen=True)
class RepresenterPoints:
    """X = sum_i (r_i/lambda) A_i V S V', r = y - A(X), at the minimizer X = U S V' of |A(X) - y|^2/2 + lambda |X|_*.

    There sum_i r_i A_i = lambda (U V' + Q) with U'Q = 0 and Q V = 0; multiply by V S V'. A_i/sqrt(m) with A_i ~ N(0, 1), truth of
    this rank with factors N(0, 1), noise N(0, noise^2/m). Scores: `gap_right` and `gap_left`, |sum - X|/|X| of both forms at the
    minimizer; `gap_early`, after `early` steps of the solver; `gap_wrong`, with U U' in place of V S V'; `lowered`, the share
    of random B with positive <B, X> for which a refit without the `removed` samples of largest importance lowers <B, X>.
    Source: Tsai, Zhang, Chien, Yu, Hsieh and Ravikumar, Representer Point Selection for Explaining Regularized High-dimensional
    Models, 2023.
    """

    n: int = 8
    rank: int = 2
    samples: int = 120
    noise: float = 0.05
    penalty: float = 0.3
    early: int = 5
    removed: int = 10
    functionals: int = 10
    steps: int = 20_000

    def measure(self, run: Run) -> Scores:
        """One instance, and a refit for each functional."""
        rng, shape = run.numpy, (self.n, self.n)
        rows = rng.standard_normal((self.samples, self.n**2)) / np.sqrt(self.samples)
        truth = rng.standard_normal((self.n, self.rank)) @ rng.standard_normal((self.rank, self.n))
        y = rows @ truth.ravel() + self.noise * rng.standard_normal(self.samples) / np.sqrt(self.samples)
        x = penalized(rows, y, shape, self.penalty, self.steps)
        parts = importances(x, rows, y, self.penalty)
        first = penalized(rows, y, shape, self.penalty, self.early)
        values = {f"gap_{name}": relative_error(part.sum(axis=0), x) for name, part in parts.items()}
        values["gap_early"] = relative_error(importances(first, rows, y, self.penalty)["right"].sum(axis=0), first)
        lowered = [self._lowers(rng, x, parts["right"], rows, y) for _ in range(self.functionals)]
        return Scores(values | {"lowered": float(np.mean(lowered))})

    def _lowers(self, rng: np.random.Generator, x: Matrix, parts: ndarray, rows: ndarray, y: ndarray) -> bool:
        b = rng.standard_normal(x.shape)
        b *= np.sign(np.sum(b * x))
        others = np.argsort(np.einsum("ab,iab->i", b, parts))[: -self.removed]
        refit = penalized(rows[others], y[others], (self.n, self.n), self.penalty, self.steps)
        return bool(np.sum(b * refit) < np.sum(b * x))
