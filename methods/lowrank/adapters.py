"""Layers whose full matrix W_0 stays as it is, with a trained change of low rank beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.lowrank.optimizers import Adam
from dynamark.tasks.problems import Run

__all__ = ["TwoFactorAdapter", "draws"]


def draws(runs: Sequence[Run], like: Tensor, *size: int) -> Float[Tensor, "seed *size"]:
    """Standard normal numbers of each seed, in the type and on the device of `like`."""
    drawn = [torch.randn(size, generator=run.generator, dtype=like.dtype) for run in runs]
    return torch.stack(drawn).to(like.device)


class TwoFactorAdapter:
    """W = W_0 + scale B A: the gradients are dB = scale dW A' and dA = scale B'dW, both at the same weights.

    B starts at 0, A [seed, r, in] as given; `frozen` trains B alone.
    """

    def __init__(self, frozen_weight: Tensor, a: Tensor, scale: float, frozen: bool) -> None:
        self.base, self.a, self.scale, self.frozen = frozen_weight, a.clone(), scale, frozen
        self.b = frozen_weight.new_zeros(*frozen_weight.shape[:2], a.shape[1])
        self.rules = Adam(), Adam()

    def weight(self) -> Tensor:
        """W_0 + scale B A."""
        return torch.baddbmm(self.base, self.b, self.a, alpha=self.scale)

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step of Adam on both factors, or on B."""
        left = (gradient @ self.a.mT).mul_(self.scale)
        if not self.frozen:
            right = (self.b.mT @ gradient).mul_(self.scale)
            self.a.add_(self.rules[1].direction(right), alpha=-rate)
        self.b.add_(self.rules[0].direction(left), alpha=-rate)
