"""Decomposition of symmetric tensors of order 4: the subspace power method, and alternating least squares of a given rank."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["SubspacePower", "component_error", "decomposed", "symmetrized"]

Vectors = Float[ndarray, "component dim"]
Tensor4 = Float[ndarray, "dim dim dim dim"]
Weights = Float[ndarray, " component"]


def _squares(vectors: ndarray) -> ndarray:
    """a (x) a as rows [component, dim^2]."""
    return np.asarray((vectors[:, :, None] * vectors[:, None, :]).reshape(len(vectors), -1))


def _tensor(weights: Weights, vectors: Vectors) -> Tensor4:
    """sum_i w_i a_i^{(x) 4}."""
    squares, d = _squares(vectors), vectors.shape[1]
    return ((squares.T * weights) @ squares).reshape((d,) * 4)


def symmetrized(tensor: Tensor4) -> Tensor4:
    """The mean over all permutations of the axes."""
    return np.mean([tensor.transpose(order) for order in permutations(range(4))], axis=0)


def _climbed(basis: ndarray, x: ndarray, steps: int, tolerance: float) -> tuple[ndarray, float]:
    """The power iteration x <- M(x) x + g x, normalized, M(x) = V V^T vec(x x^T) as a matrix; x and f = |V^T vec(x x^T)|^2.

    f is at most 1, and is 1 exactly where x x^T lies in the span of V. Shift g = c sqrt(f (1 - f)), c = sqrt(2 (q - 1)/q) = 1
    for order 4 (q = 2), f clipped to [1/2, 1].
    """
    d, f = len(x), 0.0
    for _ in range(steps):
        along = basis.T @ np.outer(x, x).ravel()
        f = float(along @ along)
        pulled = (basis @ along).reshape(d, d) @ x
        clipped = min(max(f, 0.5), 1.0)
        moved = pulled + np.sqrt(clipped * (1 - clipped)) * x
        moved /= np.linalg.norm(moved)
        change = np.linalg.norm(moved - x)
        x = moved
        if change < tolerance:
            break
    return x, f


def decomposed(
    tensor: Tensor4, rng: np.random.Generator, floor: float = 1e-10, tries: int = 3, steps: int = 5000
) -> tuple[Weights, Vectors]:
    """Weights and components of the tensor by the subspace power method; the rank is not given.

    The eigenvectors V of the d^2 x d^2 flattening with eigenvalues D above floor times the largest span the squares of the
    components. Each component in turn: the best of `tries` power iterations (`_climbed`); its weight 1/(b^T D^{-1} b) with b =
    V^T vec(a a^T); then V and D without it: the complement of D^{-1} b, and D - w b b^T in it.
    Source: Kileel and Pereira, Subspace power method for symmetric tensor decomposition, algorithm 1.
    """
    d = len(tensor)
    values, vectors = np.linalg.eigh(tensor.reshape(d * d, d * d))
    keep = np.abs(values) > floor * np.abs(values).max()
    basis, core = vectors[:, keep], np.diag(values[keep])
    weights, components = [], []
    while basis.shape[1]:
        best, height = np.empty(d), -1.0
        for _ in range(tries):
            start = rng.standard_normal(d)
            x, f = _climbed(basis, start / np.linalg.norm(start), steps, 1e-14)
            if f > height:
                best, height = x, f
            if height > 1 - 1e-10:
                break
        along = basis.T @ np.outer(best, best).ravel()
        dual = np.linalg.solve(core, along)
        weight = 1 / float(along @ dual)
        # A reflection that takes D^{-1} b to the first axis: its other columns are an orthonormal basis of the complement.
        frame = np.linalg.qr(np.hstack([dual[:, None], np.eye(len(dual))]))[0][:, 1:]
        core = frame.T @ (core - weight * np.outer(along, along)) @ frame
        basis = basis @ frame
        weights.append(weight)
        components.append(best)
    return np.array(weights), np.array(components)


def component_error(components: Vectors, truth: Float[ndarray, "other dim"]) -> float:
    """The largest distance of a true component to the nearest that was found, up to sign; infinite where too few were."""
    if len(components) < len(truth):
        return float("inf")
    cosines = np.abs(truth @ components.T)
    return float(np.sqrt(np.maximum(2 - 2 * cosines.max(axis=1), 0)).max())


def _alternating(tensor: Tensor4, rank: int, rng: np.random.Generator, sweeps: int) -> Vectors:
    """Components of CP by alternating least squares from a random start: in a sweep each of four factors in turn.

    The normal equations of a factor have the Gram matrix of the others, entry by entry their product; a ridge of 1e-12 of its
    trace keeps them solvable. Unit rows of the first factor.
    """
    factors = [rng.standard_normal((rank, len(tensor))) for _ in range(4)]
    for factor in factors:
        factor /= np.linalg.norm(factor, axis=1, keepdims=True)
    for _ in range(sweeps):
        for mode in range(4):
            first, second, third = (factors[j] for j in range(4) if j != mode)
            gram = (first @ first.T) * (second @ second.T) * (third @ third.T)
            # The tensor is symmetric, so that all its unfoldings are equal.
            pulled = np.einsum("abr,ra->rb", np.einsum("abcr,rb->acr", tensor @ third.T, second), first)
            solved = np.linalg.solve(gram + 1e-12 * np.trace(gram) * np.eye(rank), pulled)
            factors[mode] = solved if mode == 3 else solved / np.linalg.norm(solved, axis=1, keepdims=True)
    return factors[0]


@dataclass(frozen=True)
class SubspacePower:
    """Shares of random symmetric tensors of order 4 that the subspace power method decomposes, without being given the rank.

    sum_i w_i a_i^{(x) 4}, a_i uniform on the sphere of R^d, w_i ~ U(1/2, 3/2); with `noise`, symmetric Gaussian noise of that
    relative Frobenius norm, eigenvalues of the flattening kept above 10 times its norm. Scores over `draws`: `success`, the
    share with `component_error` at most `tolerance`, and `won`, their number; `rank_found`, the share whose rank is right, and
    `rank_won`; `error`, the median component error; with `sweeps` > 0 also `als_error` and `als_success` of alternating least
    squares of the right rank, `als_over_error` and `als_over_success` with `surplus` components more, and `als_over`, the
    median quotient of the two errors.
    Source: Kileel and Pereira, Subspace power method for symmetric tensor decomposition, 2025, section 5.
    """

    rank: int = 20
    dim: int = 8
    noise: float = 0.0
    tolerance: float = 1e-6
    draws: int = 10
    sweeps: int = 0
    surplus: int = 4

    def measure(self, run: Run) -> Scores:
        """Draw the tensors and decompose one after the other."""
        rng = run.numpy
        errors, ranks, plain, more = [], [], [], []
        for _ in range(self.draws):
            truth = rng.standard_normal((self.rank, self.dim))
            truth /= np.linalg.norm(truth, axis=1, keepdims=True)
            tensor, floor = self._noisy(_tensor(rng.uniform(0.5, 1.5, self.rank), truth), rng)
            _, components = decomposed(tensor, rng, floor)
            errors.append(component_error(components, truth))
            ranks.append(len(components) == self.rank)
            if self.sweeps:
                plain.append(component_error(_alternating(tensor, self.rank, rng, self.sweeps), truth))
                more.append(component_error(_alternating(tensor, self.rank + self.surplus, rng, self.sweeps), truth))
        scores = {
            "success": float(np.mean(np.array(errors) <= self.tolerance)),
            "won": float(np.sum(np.array(errors) <= self.tolerance)),
            "rank_won": float(np.sum(ranks)),
            "rank_found": float(np.mean(ranks)),
            "error": float(np.median(errors)),
        }
        if self.sweeps:
            scores |= {
                "als_error": float(np.median(plain)),
                "als_success": float(np.mean(np.array(plain) <= self.tolerance)),
                "als_over_success": float(np.mean(np.array(more) <= self.tolerance)),
                "als_over_error": float(np.median(more)),
                "als_over": float(np.median(np.array(more) / np.array(plain))),
            }
        return Scores(scores)

    def _noisy(self, tensor: Tensor4, rng: np.random.Generator) -> tuple[Tensor4, float]:
        """The tensor with its noise, and the share of the largest eigenvalue above which eigenvalues are kept."""
        if not self.noise:
            return tensor, 1e-10
        drawn = symmetrized(rng.standard_normal(tensor.shape))
        added = self.noise * np.linalg.norm(tensor) / np.linalg.norm(drawn) * drawn
        flat = (self.dim**2, self.dim**2)
        size = np.linalg.norm(added.reshape(flat), 2) / np.linalg.norm((tensor + added).reshape(flat), 2)
        return tensor + added, 10 * float(size)
