"""Stochastic gradient descent on full matrices, with optional truncation after training, and on two factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dynamark.methods.fields import Batch, Count, Positive, Range, SearchSpace
from dynamark.methods.lowrank.backpropagation import batches, gradients, report, steps_of
from dynamark.methods.lowrank.networks import FactoredNetwork, Start, frames, he_weights, members, rank_of
from dynamark.tasks.problems import Run, Training

__all__ = ["FullTraining", "TwoFactors"]


@dataclass(frozen=True)
class FullTraining:
    """W <- W - eta dW: stochastic gradient descent on full matrices; with `truncate`, each W is truncated by SVD at the end.

    He initialization. One gradient per step.

    Source: the full network and the singular value decomposition after training in Schotthöfer, Zangrando, Kusch, Ceruti and
    Tudisco, Low-rank lottery tickets, NeurIPS 2022.
    key: schotthoefer2022
    """

    rate: Positive = 0.1
    epochs: Positive = 20.0
    batch: Batch = 128
    truncate: bool = False
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {"rate": (0.1, 0.03, 0.05, 0.2)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        weights = he_weights(problems, runs)
        biases = [torch.zeros_like(w[..., 0]) for w in weights]
        steps = steps_of(problems[0], runs[0], self.epochs, self.batch)
        for step, (x, y) in enumerate(batches(problems, runs, steps, self.batch), 1):
            by_weight, by_bias, loss = gradients(weights, biases, x, y)
            weights = [w - self.rate * d for w, d in zip(weights, by_weight, strict=True)]
            biases = [b - self.rate * d for b, d in zip(biases, by_bias, strict=True)]
            report(runs, step, steps, loss, 1)
        rank = rank_of(problems[0], self.rank)
        return members([_truncated(w, rank) if self.truncate else (w,) for w in weights], biases)


def _truncated(weight: Tensor, rank: int) -> tuple[Tensor, ...]:
    """Two factors of the best rank-`rank` approximation, or the matrix itself if `rank` is not below its smaller side."""
    if rank >= min(weight.shape[1:]):
        return (weight,)
    u, s, vt = torch.linalg.svd(weight, full_matrices=False)
    return u[..., :rank] * s[:, None, :rank], vt[:, :rank]


@dataclass(frozen=True)
class TwoFactors:
    """W = U V^T: U <- U - eta dW V and V <- V - eta dW^T U simultaneously, by stochastic gradient descent.

    start: `random`: singular values |N(0, 1)|/decay^j (j from 0) in random orthonormal frames; `he`: the leading singular values
        and vectors of a He-initialized matrix, with the same decay. U and V each get the square roots of the singular values.

    The update of a direction is proportional to its singular value, so that training stalls if the initial singular values decay.
    One gradient per step. Source: the vanilla factorization of Schotthöfer et al. 2022, figure 4.
    key: schotthoefer2022
    """

    rate: Positive = 0.1
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    decay: Annotated[float, Range(low=1)] = 1.0
    start: Start = "random"
    search_space: ClassVar[SearchSpace] = {"rate": (0.1, 0.03, 0.05, 0.2)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        start = frames(problems, runs, rank_of(problems[0], self.rank), self.decay, self.start)
        left, right = [u @ s.sqrt() for u, s, _ in start], [v @ s.sqrt() for _, s, v in start]
        biases = [torch.zeros_like(u[..., 0]) for u in left]
        steps = steps_of(problems[0], runs[0], self.epochs, self.batch)
        for step, (x, y) in enumerate(batches(problems, runs, steps, self.batch), 1):
            by_weight, by_bias, loss = gradients([u @ v.mT for u, v in zip(left, right, strict=True)], biases, x, y)
            pairs = [
                (u - self.rate * d @ v, v - self.rate * d.mT @ u)
                for u, v, d in zip(left, right, by_weight, strict=True)
            ]
            left, right = [u for u, _ in pairs], [v for _, v in pairs]
            biases = [b - self.rate * d for b, d in zip(biases, by_bias, strict=True)]
            report(runs, step, steps, loss, 1)
        return members([(u, v.mT) for u, v in zip(left, right, strict=True)], biases)
