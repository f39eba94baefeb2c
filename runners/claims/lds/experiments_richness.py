"""How far the kernel of a linear network turns when its first weights have low rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["RichLazyLinear", "alignment", "low_rank_start", "tangent_kernel"]


def low_rank_start(draw: Float[ndarray, "n n"], rank: int, norm: float) -> Float[ndarray, "n n"]:
    """The leading part of a matrix, rescaled to a Frobenius norm."""
    left, values, right = np.linalg.svd(draw)
    part = (left[:, :rank] * values[:rank]) @ right[:rank]
    return np.asarray(norm * part / np.linalg.norm(part))


def tangent_kernel(w: Float[ndarray, "n n"], v: Float[ndarray, " n"]) -> Float[ndarray, "n n"]:
    """K = W'W + |v|^2 I: <grad f(x), grad f(x')> = x'K x' of f(x) = v'W x."""
    return w.T @ w + (v @ v) * np.eye(len(v))


def alignment(a: ndarray, b: ndarray) -> float:
    """<A, B> / (|A| |B|)."""
    return float(np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b)))


@dataclass(frozen=True)
class RichLazyLinear:
    """f(x) = v'W x on white inputs, teacher beta: W' = v (beta - W'v)', v' = W (beta - W'v), from v = 0 and W of rank r.

    By Euler's method until |beta - W'v|^2 < `aim`. alignment_<r>: of the kernel W'W + |v|^2 I at the start and at the end;
    alignment_target: of rank 1 with the right singular vector beta. change_<r>: |W - W_0|/|W_0|. invariant: the largest change
    of WW' - vv', which the flow conserves. One draw of W for all ranks, of Frobenius norm `norm`. Source: Liu et al. 2024,
    theorem 1.
    """

    norm: float = 2.0
    size: int = 16
    ranks: tuple[int, ...] = (1, 2, 4, 8, 16)
    step: float = 0.02
    aim: float = 1e-3

    def measure(self, run: Run) -> Scores:
        """The alignments."""
        draw = run.numpy.standard_normal((self.size, self.size))
        beta = run.numpy.standard_normal(self.size)
        beta /= np.linalg.norm(beta)
        starts = {str(r): low_rank_start(draw, r, self.norm) for r in self.ranks}
        starts["target"] = self.norm * np.outer(draw[0] / np.linalg.norm(draw[0]), beta)
        values, broken = {}, 0.0
        for name, start in starts.items():
            w, v = self._trained(start, beta)
            nothing = np.zeros(self.size)
            values[f"alignment_{name}"] = alignment(tangent_kernel(start, nothing), tangent_kernel(w, v))
            values[f"change_{name}"] = float(np.linalg.norm(w - start) / self.norm)
            broken = max(broken, float(np.abs(w @ w.T - np.outer(v, v) - start @ start.T).max()))
        return Scores(values | {"invariant": broken})

    def _trained(self, w: ndarray, beta: ndarray) -> tuple[ndarray, ndarray]:
        v = np.zeros(self.size)
        for _ in range(200_000):
            rest = beta - w.T @ v
            if rest @ rest < self.aim:
                return w, v
            w, v = w + self.step * np.outer(v, rest), v + self.step * w @ rest
        raise FloatingPointError("gradient flow did not reach its aim: use a larger norm of W")
