"""LoRA and its form with frozen A, on a network that has not been trained before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from dynamark.methods.fields import Batch, Count, Positive, SearchSpace
from dynamark.methods.lowrank.adapters import TwoFactorAdapter
from dynamark.methods.lowrank.networks import FactoredNetwork, he_weights, rank_of
from dynamark.methods.lowrank.optimizers import Adam, descend
from dynamark.tasks.problems import Run, Training

__all__ = ["LoRA"]


@dataclass(frozen=True)
class LoRA:
    """W = W_0 + (alpha/r) B A, W_0 frozen: Adam on B and A, from B = 0 and A uniform on +-1/sqrt(in).

    freeze_a: A keeps its start, so that the change of W stays in the row space of A: B alone is trained, a linear problem for a
        linear network.
    alpha: scale of the adapter; None takes alpha = r, a scale of 1 at every rank.

    Adapted: the task has no pretrained network, so W_0 is the He-initialized one of `FullTraining`, of which only the adapters
    and the biases are trained. What is reported as size is W, into which the adapter is merged.

    Source: Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen, LoRA: low-rank adaptation of large language models, ICLR 2022,
    section 4.1; frozen A: Zhang, Zhang, Shi, Chu and Li, LoRA-FA, 2023.
    key: hu2022
    """

    rate: Positive = 1e-2
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    alpha: Positive | None = None
    freeze_a: bool = False
    search_space: ClassVar[SearchSpace] = {"rate": (1e-2, 5e-3, 2e-2, 4e-2)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        layers = []
        for weight in he_weights(problems, runs):
            rank = min(rank_of(problems[0], self.rank), *weight.shape[1:])
            columns = weight.shape[2]
            starts = [torch.rand(rank, columns, generator=run.generator, dtype=weight.dtype) for run in runs]
            a = (2 * torch.stack(starts).to(weight.device) - 1) / columns**0.5
            scale = 1.0 if self.alpha is None else self.alpha / rank
            layers.append(TwoFactorAdapter(weight, a, scale, self.freeze_a))
        return descend(problems, runs, layers, Adam, self.rate, self.epochs, self.batch)
