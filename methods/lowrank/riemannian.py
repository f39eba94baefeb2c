"""An adapter on the manifold of matrices of rank r: Riemannian descent, from where the tangent space sees most of a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Batch, Count, Positive, Range, SearchSpace
from dynamark.methods.lowrank.networks import FactoredNetwork, he_weights, rank_of
from dynamark.methods.lowrank.optimizers import Momentum, descend
from dynamark.tasks.problems import Run, Training

__all__ = ["ManifoldAdapter", "RiemannianAdapter", "retracted", "tangent"]

Frames = tuple[Float[Tensor, "seed out rank"], Float[Tensor, "seed in rank"]]


def tangent(matrix: Float[Tensor, "seed out in"], frames: Frames) -> tuple[Tensor, Tensor, Tensor]:
    """M = U'Z V, U_p = Z V - U M and V_p = Z'U - V M': P_T Z = U M V' + U_p V' + U V_p'."""
    u, v = frames
    right, left = matrix @ v, matrix.mT @ u
    core = u.mT @ right
    return core, right - u @ core, left - v @ core.mT


def retracted(
    frames: Frames, core: Float[Tensor, "seed rank rank"], step: tuple[Tensor, Tensor, Tensor]
) -> tuple[Frames, Tensor]:
    """The best matrix of rank r to U S V' + U M V' + U_p V' + U V_p', by the SVD of a matrix of size 2r; S diagonal."""
    (u, v), (inner, left, right), r = frames, step, core.shape[-1]
    (qu, ru), (qv, rv) = torch.linalg.qr(left), torch.linalg.qr(right)
    block = torch.cat(
        [torch.cat([core + inner, rv.mT], -1), torch.cat([ru, ru.new_zeros(len(ru), ru.shape[1], rv.shape[1])], -1)], -2
    )
    p, values, qt = torch.linalg.svd(block)
    new = torch.cat([u, qu], -1) @ p[..., :r], torch.cat([v, qv], -1) @ qt[:, :r].mT
    return new, values[:, :r].diag_embed()


class ManifoldAdapter:
    """W = W_0 - D_0 + U S V': M <- b P_T M + (1 - b) P_T dW, then a retraction of U S V' - eta M to rank r.

    start: `optimal`: with the first gradient G = sum s_i u_i v_i', D_0 = alpha U_{1..r} V_{r+1..2r}', whose tangent space holds
        the share sum_{i <= 2r} s_i^2 of |G|^2, the most of all; `zero`: S = 0 and the frames U_{1..r}, V_{1..r}, D_0 = 0.

    The frames come from the first gradient that `step` is given, without a change of W.
    """

    def __init__(
        self, frozen_weight: Tensor, rank: int, alpha: float, momentum: float, start: Literal["optimal", "zero"]
    ) -> None:
        side = min(frozen_weight.shape[1:])
        self.rank = max(1, min(rank, side // 2 if start == "optimal" else side))
        self.base, self.alpha, self.momentum, self.start = frozen_weight, alpha, momentum, start
        self.frames: Frames | None = None
        self.core, self.first = frozen_weight.new_zeros(len(frozen_weight), self.rank, self.rank), torch.empty(0)

    def weight(self) -> Tensor:
        """W."""
        if self.frames is None:
            return self.base
        return self.base + self.frames[0] @ self.core @ self.frames[1].mT

    def factors(self) -> tuple[Tensor, ...]:
        """W alone, into which the change is merged."""
        return (self.weight(),)

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step of Riemannian descent with momentum; a momentum is carried over by projection."""
        if self.frames is None:
            self.frames = self._begin(gradient)
            self.first = torch.zeros_like(gradient)
        (u, v), b = self.frames, self.momentum
        core, left, right = tangent(b * self.first + (1 - b) * gradient, self.frames)
        if b:
            self.first = (u @ core + left) @ v.mT + u @ right.mT
        self.frames, self.core = retracted(self.frames, self.core, (-rate * core, -rate * left, -rate * right))

    def _begin(self, gradient: Tensor) -> Frames:
        u, _, vt = torch.linalg.svd(gradient, full_matrices=False)
        r, skip = self.rank, self.rank if self.start == "optimal" and vt.shape[1] >= 2 * self.rank else 0
        frames = u[..., :r], vt[:, skip : skip + r].mT
        if skip:
            self.core = self.core + self.alpha * torch.eye(r, dtype=gradient.dtype, device=gradient.device)
            self.base = self.base - frames[0] @ self.core @ frames[1].mT
        return frames


@dataclass(frozen=True)
class RiemannianAdapter:
    """W = W_0 - D_0 + D, D on the manifold of rank r: D <- R(D - eta M), M <- b P_T M + (1 - b) P_T dW, R the truncated SVD.

    D starts at D_0 = alpha U_{1..r} V_{r+1..2r}' of the first gradient (`optimal`), so that W starts at W_0, or at 0 (`zero`).
    The path does not depend on factors of D. The optimal start needs 2r singular vectors: a matrix whose smaller side is below
    2r gets half of that side as rank. D - D_0 may have rank 2r (claim C46).

    Adapted: W_0 is the He-initialized network of `FullTraining`, not a pretrained one; the first gradient is that of the first
    batch; biases follow plain momentum.

    Source: Bogachev, Aletov, Molozhavenko, Bobkov, Soboleva, Alanov and Rakhuba, RiemannLoRA, 2025.
    key: bogachev2025
    """

    rate: Positive = 0.4
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    alpha: Positive = 1.0
    momentum: Annotated[float, Range(low=0, below=1)] = 0.9
    start: Literal["optimal", "zero"] = "optimal"
    search_space: ClassVar[SearchSpace] = {"rate": (0.4, 0.1, 0.2, 0.8), "alpha": (1.0, 0.1)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        rank = rank_of(problems[0], self.rank)
        layers = [
            ManifoldAdapter(weight, rank, self.alpha, self.momentum, self.start)
            for weight in he_weights(problems, runs)
        ]
        return descend(problems, runs, layers, lambda: Momentum(self.momentum), self.rate, self.epochs, self.batch)
