"""The critical points of the Bures-Wasserstein loss of deep linear networks, as gradient flow reaches and leaves them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["CriticalPoints", "flowed", "loss_gradient"]

Factors = list[Tensor]


def loss_gradient(values: Float[Tensor, " n"], w: Float[Tensor, "start n k"]) -> Float[Tensor, "start n k"]:
    """2 W - 2 S W (W^T S W)^{-1/2}, the gradient of the Bures-Wasserstein loss, for S = diag(values) and W of rank k."""
    scaled = values[:, None] * w
    squares, frame = torch.linalg.eigh(w.mT @ scaled)
    return 2 * w - 2 * scaled @ (frame * squares.rsqrt()[..., None, :]) @ frame.mT


def _products(factors: Factors) -> Tensor:
    w = factors[0]
    for factor in factors[1:]:
        w = w @ factor
    return w


def _field(values: Float[Tensor, " n"], factors: Factors) -> Factors:
    """The negative gradient in each factor of W = W_1 ... W_L."""
    below = [None, *itertools.accumulate(factors[:-1], torch.matmul)]
    above = [None, *itertools.accumulate(factors[:0:-1], lambda right, left: left @ right)][::-1]
    gradient = loss_gradient(values, _products(factors))
    fields = []
    for left, right in zip(below, above, strict=True):
        field = -gradient if left is None else -left.mT @ gradient
        fields.append(field if right is None else field @ right.mT)
    return fields


def flowed(values: Float[Tensor, " n"], factors: Factors, step: float, time: float, tolerance: float) -> Factors:
    """Gradient flow by the classical Runge-Kutta method, to a time or until every gradient is below a tolerance."""

    def moved(field: Factors, share: float) -> Factors:
        return [factor + share * step * f for factor, f in zip(factors, field, strict=True)]

    for _ in range(round(time / step)):
        first = _field(values, factors)
        if max(float(f.abs().max()) for f in first) < tolerance:
            break
        second = _field(values, moved(first, 0.5))
        third = _field(values, moved(second, 0.5))
        fourth = _field(values, moved(third, 1.0))
        factors = moved([a + 2 * b + 2 * c + d for a, b, c, d in zip(first, second, third, fourth, strict=True)], 1 / 6)
    return factors


def _covariances(factors: Factors) -> Float[Tensor, "start n n"]:
    w = _products(factors)
    return w @ w.mT


def _distances(first: Tensor, second: Tensor) -> Float[Tensor, " start"]:
    """Frobenius norms of differences."""
    return (first - second).norm(dim=(1, 2))


@dataclass(frozen=True)
class CriticalPoints:
    """Every critical point of rank k has k eigenvalues of S and their eigenvectors; all but the k leading ones are saddles.

    S = diag(2, ..., 1/4) in equal steps, n x n (the loss does not change under a rotation of S and W together); W = W_1 ... W_L
    with L = `depth`, W_L of width k. Gradient flow from `starts` points with entries N(0, 1/n), whose W_1 is nonzero only in
    random rows J, between k and n of them: the flow does not leave the span of these eigenvectors of S, so that it reaches the
    truncation of S to the k leading eigenvalues of J, a critical point that is the minimizer only if J has the k leading ones.
    Then every factor is perturbed by entries of N(0, `perturbation`^2), in all rows or in the rows J only, and flows again.

    Scores: `spectrum`, the largest difference of an eigenvalue that was reached to the nearest k-subset of the spectrum of S;
    `subset`, the largest |W W^T - truncation to the k leading ones of J|_F; `saddles`, the number of starts that reach a critical
    point other than the minimizer, and `subsets`, the number of different ones; `left`, the share of these that the flow
    leaves for the minimizer after a perturbation of all rows (|W W^T - S_k|_F < 1e-4 at the end); `returned`, the share that
    returns to its critical point after a perturbation of the rows J; `minimizer`, the largest |W W^T - S_k|_F after one of all
    rows where the minimizer had been reached.

    Source: Bréchet, Papagiannouli, An and Montúfar, Critical points and convergence analysis of generative deep linear networks
    trained with Bures-Wasserstein loss, 2023: the critical points.
    """

    depth: int = 1
    rank: int = 2
    n: int = 8
    starts: int = 20
    perturbation: float = 1e-4
    step: float = 0.1
    time: float = 400.0

    def measure(self, run: Run) -> Scores:
        """All starts of one seed flow in one batch."""
        values = torch.linspace(2, 0.25, self.n, dtype=torch.float64)
        sizes = run.numpy.integers(self.rank, self.n + 1, self.starts)
        rows = [sorted(run.numpy.permutation(self.n)[:size].tolist()) for size in sizes]

        def flow(factors: Factors) -> Factors:
            return flowed(values, factors, self.step, self.time, 1e-10)

        inside = torch.tensor([[[float(i in own)] for i in range(self.n)] for own in rows], dtype=torch.float64)
        start, noise = self._factors(run, self.n**-0.5), self._factors(run, self.perturbation)
        reached = flow([start[0] * inside, *start[1:]])
        leading = [tuple(own[: self.rank]) for own in rows]
        truncations = torch.stack([self._truncation(values, own) for own in leading])
        best = tuple(range(self.rank))
        saddle = torch.tensor([own != best for own in leading])
        pushed = [f + e for f, e in zip(reached, noise, strict=True)]
        pushed_inside = [pushed[0] * inside, *pushed[1:]]
        covariance, after, after_inside = map(_covariances, (reached, *map(flow, (pushed, pushed_inside))))
        to_best = _distances(after, self._truncation(values, best))
        return Scores(
            {
                "spectrum": self._off(values, covariance),
                "subset": float(_distances(covariance, truncations).max()),
                "saddles": float(saddle.sum()),
                "subsets": float(len({*leading} - {best})),
                "left": float((to_best[saddle] < 1e-4).double().mean()),
                "returned": float((_distances(after_inside, truncations)[saddle] < 1e-4).double().mean()),
                "minimizer": float(to_best[~saddle].max()) if (~saddle).any() else 0.0,
            }
        )

    def _factors(self, run: Run, scale: float) -> Factors:
        """Factors [start, rows, columns] with entries N(0, scale^2)."""
        widths = [self.n] * self.depth + [self.rank]
        return [
            scale * torch.randn(self.starts, a, b, generator=run.generator, dtype=torch.float64)
            for a, b in itertools.pairwise(widths)
        ]

    @staticmethod
    def _truncation(values: Float[Tensor, " n"], own: tuple[int, ...]) -> Float[Tensor, "n n"]:
        chosen = torch.zeros_like(values)
        chosen[list(own)] = values[list(own)]
        return chosen.diag()

    def _off(self, values: Float[Tensor, " n"], covariance: Float[Tensor, "start n n"]) -> float:
        """The largest distance of the k leading eigenvalues to k different eigenvalues of S, the best choice for each start."""
        spectra = torch.linalg.eigvalsh(covariance)[:, -self.rank :].flip(1)
        subsets = values[torch.combinations(torch.arange(self.n), self.rank)]  # in descending order, like the spectra
        return float((spectra[:, None] - subsets).abs().amax(2).amin(1).max())
