"""The algebra of maps that are linear between two invertible networks: f(x) = h^{-1}(A g(x))."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["Couplings", "LinearizerAlgebra"]


class Couplings:
    """Affine couplings in turn on either half: y_2 = x_2 exp(0.9 tanh s(x_1)) + t(x_1), s and t random networks of one layer."""

    def __init__(self, rng: np.random.Generator, dim: int, layers: int = 6, hidden: int = 32) -> None:
        half = dim // 2
        self._first = rng.standard_normal((layers, half, hidden)) / half**0.5
        self._second = rng.standard_normal((layers, hidden, 2 * half)) / hidden**0.5
        self._half = half

    def __call__(self, x: Float[ndarray, "point dim"]) -> Float[ndarray, "point dim"]:
        """g(x)."""
        for layer in range(len(self._first)):
            constant, moved = x[:, : self._half], x[:, self._half :]
            scale, shift = self._parameters(layer, constant)
            x = np.concatenate([moved * scale + shift, constant], axis=1)
        return x

    def inverse(self, y: Float[ndarray, "point dim"]) -> Float[ndarray, "point dim"]:
        """g^{-1}(y)."""
        for layer in reversed(range(len(self._first))):
            moved, constant = y[:, : self._half], y[:, self._half :]
            scale, shift = self._parameters(layer, constant)
            y = np.concatenate([constant, (moved - shift) / scale], axis=1)
        return y

    def _parameters(self, layer: int, x: ndarray) -> tuple[ndarray, ndarray]:
        out = np.tanh(x @ self._first[layer]) @ self._second[layer]
        return np.exp(0.9 * np.tanh(out[:, : self._half])), out[:, self._half :]


@dataclass(frozen=True)
class LinearizerAlgebra:
    """What f(x) = h^{-1}(A g(x)) inherits from the matrix A when h = g, on `points` points from N(0, I).

    Scores, each the largest entry of the difference: `composition`, of g^{-1}(A_2 A_1 g(x)) and f_2(f_1(x)); `idempotence`,
    of f(f(x)) and f(x) for A^2 = A; `pseudoinverse`, of f(f^+(f(x))) and f(x), f^+ with the pseudo-inverse of A; `additivity`,
    of f(x + y) and f(x) + f(y), where x + y stands for g^{-1}(g(x) + g(y)). `shared` = False: another h; then each is the
    median over points of the largest entry, and `least` is the least of the four.
    Source: Berman, Hallak and Shocher, Who Said Neural Networks Aren't Linear?, 2025, section 3.
    """

    shared: bool = True
    dim: int = 6
    points: int = 1000
    condition: float = 1e4

    def measure(self, run: Run) -> Scores:
        """One draw of networks, matrices and points."""
        rng = run.numpy
        g = Couplings(rng, self.dim)
        h = g if self.shared else Couplings(rng, self.dim)
        a, b = (self._matrix(rng, self.dim) for _ in range(2))
        singular = self._matrix(rng, self.dim // 2)
        basis = self._matrix(rng, self.dim, 10.0)
        projection = basis[:, : self.dim // 2] @ np.linalg.inv(basis)[: self.dim // 2]
        x, y = rng.standard_normal((2, self.points, self.dim))

        def f(matrix: ndarray, at: ndarray) -> ndarray:
            return h.inverse(g(at) @ matrix.T)

        def plus(first: ndarray, second: ndarray) -> ndarray:
            return g.inverse(g(first) + g(second))

        differences = {
            "composition": f(b, f(a, x)) - f(b @ a, x),
            "idempotence": f(projection, f(projection, x)) - f(projection, x),
            "pseudoinverse": f(singular, f(np.linalg.pinv(singular), f(singular, x))) - f(singular, x),
            "additivity": f(a, plus(x, y)) - plus(f(a, x), f(a, y)),
        }
        summary = np.max if self.shared else np.median
        scores = {name: float(summary(np.abs(values).max(axis=1))) for name, values in differences.items()}
        return Scores(scores | {"least": min(scores.values())})

    def _matrix(self, rng: np.random.Generator, rank: int, condition: float | None = None) -> Float[ndarray, "dim dim"]:
        """A random matrix of this rank whose singular values reach from 1 to 1/condition."""
        values = np.geomspace(1, 1 / (condition or self.condition), rank)
        return orthonormal(rng, self.dim, rank) * values @ orthonormal(rng, self.dim, rank).T
