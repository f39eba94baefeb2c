"""Layers whose full matrix W_0 stays as it is, with a trained change of low rank beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.lowrank.optimizers import Adam
from dynamark.tasks.problems import Run

__all__ = ["SingleFactorAdapter", "TuckerAdapter", "TwoFactorAdapter", "draws"]


def draws(runs: Sequence[Run], like: Tensor, *size: int) -> Float[Tensor, "seed *size"]:
    """Standard normal numbers of each seed, in the type and on the device of `like`."""
    drawn = [torch.randn(size, generator=run.generator, dtype=like.dtype) for run in runs]
    return torch.stack(drawn).to(like.device)


class Adapter:
    """W = W_0 + change: once trained, the change is merged into W."""

    def weight(self) -> Tensor:
        """W."""
        raise NotImplementedError

    def factors(self) -> tuple[Tensor, ...]:
        """W alone, into which the change is merged."""
        return (self.weight(),)


class TwoFactorAdapter(Adapter):
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


class SingleFactorAdapter(Adapter):
    """W = W_0 + scale u(t) A A*', u(t) = min(t/ramp, 1), A [seed, long, r], A* the first `short` rows; A* A' if in > out.

    Gradient for out >= in: scale u (dW A* + [dW'A; 0]). t counts from 1: with u(0) = 0 the first step would move nothing.
    """

    def __init__(self, frozen_weight: Tensor, a: Tensor, scale: float, ramp: int) -> None:
        self.base, self.a, self.scale, self.ramp, self.count = frozen_weight, a.clone(), scale, ramp, 1
        self.wide = frozen_weight.shape[2] > frozen_weight.shape[1]
        self.short = min(frozen_weight.shape[1:])
        self.rule = Adam()

    def _factor(self) -> float:
        return self.scale * min(self.count / self.ramp, 1.0)

    def weight(self) -> Tensor:
        """W of the coming step."""
        left, right = self.a, self.a[:, : self.short]
        if self.wide:
            left, right = right, left
        return torch.baddbmm(self.base, left, right.mT, alpha=self._factor())

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step of Adam on A."""
        tall = gradient.mT if self.wide else gradient
        change = tall @ self.a[:, : self.short]
        change[:, : self.short] += tall.mT @ self.a
        self.a.add_(self.rule.direction(change.mul_(self._factor())), alpha=-rate)
        self.count += 1


class TuckerAdapter(Adapter):
    """W = W_0 + scale U C V': dC = scale U'dW V, dU = scale dW V C', dV = scale dW'U C; from C = 0.

    The Tucker product of a tensor of order two: a core and one factor for each side.
    """

    def __init__(self, frozen_weight: Tensor, u: Tensor, v: Tensor, scale: float) -> None:
        self.base, self.u, self.v, self.scale = frozen_weight, u.clone(), v.clone(), scale
        self.core = frozen_weight.new_zeros(len(u), u.shape[2], v.shape[2])
        self.rules = Adam(), Adam(), Adam()

    def weight(self) -> Tensor:
        """W_0 + scale U C V'."""
        return torch.baddbmm(self.base, self.u @ self.core, self.v.mT, alpha=self.scale)

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step of Adam on the core and both factors."""
        right, left = gradient @ self.v, gradient.mT @ self.u
        parts = (self.core, self.u, self.v)
        slopes = (self.u.mT @ right, right @ self.core.mT, left @ self.core)
        for part, slope, rule in zip(parts, slopes, self.rules, strict=True):
            part.add_(rule.direction(slope.mul_(self.scale)), alpha=-rate)
