"""Optimizers that see a gradient through a projection of rank r: their moments have r rows or columns instead of all.

The smaller side of a matrix is projected: with P [seed, side, r] the moments are those of P'G (out <= in) or of G P (else), and
the direction is mapped back by P. A matrix whose smaller side is at most r is not projected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.lowrank.optimizers import Adam, Momentum
from dynamark.tasks.problems import Run

__all__ = [
    "LearnedProjection",
    "RandomProjection",
    "SingularProjection",
    "Transfer",
    "leading",
    "reconstruction_gradient",
]

# What becomes of the moments when the projection changes: kept as they are, carried to the new basis, or set to 0.
Transfer = Literal["keep", "rotate", "reset"]


def leading(gradient: Float[Tensor, "seed row column"], rank: int) -> Float[Tensor, "seed row rank"]:
    """The `rank` leading left singular vectors."""
    return torch.linalg.svd(gradient, full_matrices=False)[0][..., :rank]


def reconstruction_gradient(
    basis: Float[Tensor, "seed row rank"], gradient: Float[Tensor, "seed row column"]
) -> Float[Tensor, "seed row rank"]:
    """The gradient of |P P'G - G|^2/2 in P: (E G' + G E') P with E = P P'G - G, without products of size row x row."""
    seen = basis.mT @ gradient
    error = basis @ seen - gradient
    return error @ seen.mT + gradient @ (error.mT @ basis)


class _Projected:
    """Adam on P'G: the direction is scale P times Adam's; G lies so that its rows are its smaller side."""

    def __init__(self, rank: int, scale: float) -> None:
        self.rank, self.scale, self.adam, self.step = rank, scale, Adam(), 0
        self.basis: Tensor | None = None

    def direction(self, gradient: Tensor) -> Tensor:
        """The direction in the space of W."""
        if self.rank >= min(gradient.shape[-2:]):
            return self.adam.direction(gradient)
        wide = gradient.shape[-2] <= gradient.shape[-1]
        rows = gradient if wide else gradient.mT
        basis = self.basis = self.moved(rows)
        self.step += 1
        direction = (self.scale * basis) @ self.adam.direction(basis.mT @ rows)
        return direction if wide else direction.mT

    def moved(self, gradient: Tensor) -> Tensor:
        """The projection of this step."""
        raise NotImplementedError


class SingularProjection(_Projected):
    """P: the leading singular vectors of the gradient at step 0 and then of every `every`-th gradient."""

    def __init__(self, rank: int, scale: float, every: int, transfer: Transfer) -> None:
        super().__init__(rank, scale)
        self.every, self.transfer = every, transfer

    def moved(self, gradient: Tensor) -> Tensor:
        """The same P, or a new one with its moments."""
        if self.basis is not None and self.step % self.every:
            return self.basis
        basis = leading(gradient, self.rank)
        if self.basis is not None:
            _carry(self.adam, basis.mT @ self.basis, self.transfer)
        return basis


def _carry(adam: Adam, change: Float[Tensor, "seed rank rank"], transfer: Transfer) -> None:
    """The moments in the basis P_new, with `change` R = P_new'P_old: R m, and R^2 v by entries."""
    if adam.first is None or adam.second is None or transfer == "keep":
        return
    if transfer == "reset":
        adam.first, adam.second, adam.count = None, None, 0
        return
    adam.first, adam.second = change @ adam.first, change.square() @ adam.second


class LearnedProjection(_Projected):
    """P: the leading singular vectors at step 0; then Adam on |P P'G - G|^2/2 with G of norm 1, one step for each gradient."""

    def __init__(self, rank: int, scale: float, rate: float) -> None:
        super().__init__(rank, scale)
        self.rate, self.learner = rate, Adam()

    def moved(self, gradient: Tensor) -> Tensor:
        """P after its step, so that it has seen this gradient."""
        if self.basis is None:
            return leading(gradient, self.rank)
        tiny = torch.finfo(gradient.dtype).tiny
        unit = gradient / torch.linalg.matrix_norm(gradient, keepdim=True).clamp(min=tiny)
        return self.basis - self.rate * self.learner.direction(reconstruction_gradient(self.basis, unit))


class RandomProjection:
    """M <- b M + (1 - b) G P', direction M P, P [seed, r, in] ~ N(0, 1/r); every `every` steps a new P, and M becomes M P_old P'.

    The columns are projected, as in the paper, whatever the shape; with r >= in nothing is.
    """

    def __init__(self, rank: int, every: int, beta: float, runs: Sequence[Run]) -> None:
        self.rank, self.every, self.runs, self.step = rank, every, runs, 0
        self.momentum = Momentum(beta)
        self.basis: Tensor | None = None

    def direction(self, gradient: Tensor) -> Tensor:
        """The direction in the space of W."""
        if self.rank >= gradient.shape[-1]:
            return self.momentum.direction(gradient)
        basis = self.basis
        if basis is None or self.step % self.every == 0:
            basis = self._draw(gradient)
            if self.basis is not None and self.momentum.first is not None:
                self.momentum.first = self.momentum.first @ (self.basis @ basis.mT)
            self.basis = basis
        self.step += 1
        return self.momentum.direction(gradient @ basis.mT) @ basis

    def _draw(self, like: Tensor) -> Tensor:
        size = (self.rank, like.shape[-1])
        draws = [torch.randn(size, generator=run.generator, dtype=like.dtype) for run in self.runs]
        return torch.stack(draws).to(like.device) / self.rank**0.5
