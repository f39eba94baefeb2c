"""Kin of LoRA: one factor in place of two, and a core between two factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dynamark.methods.fields import Batch, Count, Positive, SearchSpace, Steps
from dynamark.methods.lowrank.adapters import SingleFactorAdapter, TuckerAdapter, draws
from dynamark.methods.lowrank.networks import FactoredNetwork, he_weights, rank_of
from dynamark.methods.lowrank.optimizers import Adam, descend
from dynamark.tasks.problems import Run, Training

__all__ = ["SingLoRA", "TuckerLoRA"]


@dataclass(frozen=True)
class SingLoRA:
    """W = W_0 + (alpha/r) u(t) A A*', u(t) = min(t/ramp, 1), W_0 frozen: Adam on one factor A [max(out, in), r].

    A* consists of the first min(out, in) rows of A. A starts from N(0, 1/max(out, in)), so that the ramp u makes W_0 the start.
    It has max(out, in) r parameters where LoRA has (out + in) r, and it is no general adapter: of a square change it reaches the
    best positive semidefinite matrix of rank r only (claim C38).

    alpha: scale of the adapter; None takes alpha = r.

    Adapted: W_0 is the He-initialized network of `FullTraining`, not a pretrained one; biases are trained.

    Source: Bensaid, Rotstein, Velich, Bensaid and Kimmel, SingLoRA: low rank adaptation using a single matrix, 2025.
    key: bensaid2025
    """

    rate: Positive = 1e-2
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    alpha: Positive | None = None
    ramp: Steps = 20
    search_space: ClassVar[SearchSpace] = {"rate": (1e-2, 5e-3, 2e-2, 4e-2), "ramp": (20, 5)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        layers = []
        for weight in he_weights(problems, runs):
            rank, longer = min(rank_of(problems[0], self.rank), *weight.shape[1:]), max(weight.shape[1:])
            scale = 1.0 if self.alpha is None else self.alpha / rank
            layers.append(
                SingleFactorAdapter(weight, draws(runs, weight, longer, rank) / longer**0.5, scale, self.ramp)
            )
        return descend(problems, runs, layers, Adam, self.rate, self.epochs, self.batch)


@dataclass(frozen=True)
class TuckerLoRA:
    """W = W_0 + scale U C V', W_0 frozen: Adam on the core C [r, r] and the factors U [out, r], V [in, r], from C = 0.

    FLoRA: the Tucker product of a tensor of order N, here with N = 2; what it gains on tensors of order 4 is claim C45. The
    entries of U and V start from N(0, 1/(2 r)), as the official code's. A matrix has r^2 + (out + in) r parameters.

    Adapted: W_0 is the He-initialized network of `FullTraining`, not a pretrained one; biases are trained.

    Source: Si, Wang, Yang, Xu, Li, Dai, Qiao, Yang and Shen, FLoRA: low-rank core space for N-dimension, 2024; the scale of 4 is
    its code's.
    key: si2024
    """

    rate: Positive = 1e-2
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    scale: Positive = 4.0
    search_space: ClassVar[SearchSpace] = {"rate": (1e-2, 2e-3, 5e-3, 2e-2)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        layers = []
        for weight in he_weights(problems, runs):
            rank = min(rank_of(problems[0], self.rank), *weight.shape[1:])
            u, v = (draws(runs, weight, size, rank) / (2 * rank) ** 0.5 for size in weight.shape[1:])
            layers.append(TuckerAdapter(weight, u, v, self.scale))
        return descend(problems, runs, layers, Adam, self.rate, self.epochs, self.batch)
