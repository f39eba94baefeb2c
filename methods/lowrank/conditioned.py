"""CondLR: low-rank training on orthonormal bases, with the condition number of every layer bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Batch, Count, Positive, Range, SearchSpace
from dynamark.methods.lowrank.networks import FactoredNetwork, Start, frames, rank_of
from dynamark.methods.lowrank.optimizers import Momentum, descend
from dynamark.tasks.problems import Run, Training

__all__ = ["BoundedCondition", "ConditionedLayer", "clamped", "oriented"]


def clamped(core: Float[Tensor, "seed rank rank"], bound: float) -> Float[Tensor, "seed rank rank"]:
    """S with its singular values clamped to s (1 -+ (tau - 1)/(tau + 1)), s their mean: their ratio is at most tau."""
    p, values, qt = torch.linalg.svd(core)
    middle, share = values.mean(-1, keepdim=True), (bound - 1) / (bound + 1)
    values = torch.minimum(torch.maximum(values, (1 - share) * middle), (1 + share) * middle)
    return p * values[:, None] @ qt


def oriented(matrix: Float[Tensor, "seed row rank"]) -> Float[Tensor, "seed row rank"]:
    """Q of the QR decomposition with a positive diagonal of R: continuous in the matrix, so that no column flips its sign."""
    q, r = torch.linalg.qr(matrix)
    signs = torch.sign(r.diagonal(dim1=-2, dim2=-1))
    return q * torch.where(signs == 0, 1.0, signs)[:, None]


class ConditionedLayer:
    """W = U S V': U <- Q(U - eta (I - U U') dW V S^{-1}), V alike, S <- clamped(S - eta U'dW V), all at the same weights."""

    def __init__(self, u: Tensor, core: Tensor, v: Tensor, bound: float) -> None:
        self.u, self.v, self.bound = u, v, bound
        self.core = clamped(core, bound)

    def weight(self) -> Tensor:
        """U S V'."""
        return self.u @ self.core @ self.v.mT

    def factors(self) -> tuple[Tensor, ...]:
        """U S and V', or W where that has fewer numbers."""
        rank, (_, rows, _), columns = self.core.shape[-1], self.u.shape, self.v.shape[1]
        return (self.weight(),) if rank * (rows + columns) >= rows * columns else (self.u @ self.core, self.v.mT)

    def condition(self) -> Float[Tensor, " seed"]:
        """The largest over the smallest nonzero singular value of W."""
        values = torch.linalg.svdvals(self.core)
        return values[:, 0] / values[:, -1]

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step of U, V and S."""
        right, left = gradient @ self.v, gradient.mT @ self.u
        inner, inverse = self.u.mT @ right, torch.linalg.inv(self.core)  # S'(S S')^{-1} = S^{-1}
        u = oriented(self.u - rate * (right - self.u @ inner) @ inverse)
        v = oriented(self.v - rate * (left - self.v @ inner.mT) @ inverse.mT)
        self.u, self.v, self.core = u, v, clamped(self.core - rate * inner, self.bound)


@dataclass(frozen=True)
class BoundedCondition:
    """CondLR, W = U S V' with orthonormal U, V and cond S <= tau: projected and preconditioned steps of U and V, a clamped S.

    U <- Q(U - eta (I - U U') dW V S^{-1}), V <- Q(V - eta (I - V V') dW'U S^{-T}), S <- S - eta U'dW V with its singular values
    clamped to their mean times 1 -+ (tau - 1)/(tau + 1). Q is the orthonormal factor with the signs of its argument. One gradient
    per step. Records the facts `condition_<layer>`.

    bound: tau. start: as for `TwoFactors`, then clamped.

    Source: Savostianova, Zangrando, Ceruti and Tudisco, Robust low-rank training via approximate orthonormal constraints,
    NeurIPS 2023, algorithm 1; the official code has a momentum of 0.3, here there is none.
    key: savostianova2023
    """

    rate: Positive = 0.2
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    bound: Annotated[float, Range(low=1)] = 1.5
    start: Start = "he"
    search_space: ClassVar[SearchSpace] = {"rate": (0.2, 0.1, 0.4), "bound": (1.5, 1.1, 4.0)}

    def layers(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[ConditionedLayer]:
        """The layers at the start."""
        starts = frames(problems, runs, rank_of(problems[0], self.rank), 1.0, self.start)
        return [ConditionedLayer(u, s, v, self.bound) for u, s, v in starts]

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        layers = self.layers(problems, runs)
        networks = descend(problems, runs, layers, lambda: Momentum(0.0), self.rate, self.epochs, self.batch)
        for i, layer in enumerate(layers):
            for run, value in zip(runs, layer.condition().tolist(), strict=True):
                run.fact(f"condition_{i + 1}", value)
        return networks
