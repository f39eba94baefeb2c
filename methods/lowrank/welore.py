"""WeLore: ranks of matrices by one threshold of their normalized singular values, then fine-tuning of the low-rank ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Batch, Count, Positive, SearchSpace, Share
from dynamark.methods.lowrank.backpropagation import batches, gradients, report, steps_of
from dynamark.methods.lowrank.networks import FactoredNetwork, he_weights, members, rank_of
from dynamark.methods.lowrank.optimizers import Full, Layer, Momentum
from dynamark.tasks.problems import Run, Training

__all__ = ["FactorPair", "Frozen", "WeLore", "kept_ranks", "ranks_within", "truncated"]

# Matrices of which at least half of the singular values go become two factors (0.4999 in the official code).
_HALF = 0.4999


def kept_ranks(spectra: Sequence[Tensor], threshold: float) -> list[int]:
    """The number of singular values of each matrix with (s - min)/(max - min) >= threshold, at least 1; spectra [value] each.

    All of them where fewer than half go: such a matrix stays as it is.
    """
    ranks = []
    for values in spectra:
        spread = values.max() - values.min()
        normalized = (values - values.min()) / spread if spread > 0 else torch.ones_like(values)
        rank = max(1, int((normalized >= threshold).sum()))
        ranks.append(rank if 1 - rank / len(values) > _HALF else len(values))
    return ranks


def ranks_within(spectra: Sequence[Tensor], total: int) -> tuple[list[int], float]:
    """The ranks at the smallest threshold at which they sum to at most `total`, and that threshold, by bisection."""
    low, high = 0.0, 1.0 + 1e-9
    if sum(kept_ranks(spectra, low)) <= total:
        return kept_ranks(spectra, low), low
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if sum(kept_ranks(spectra, middle)) <= total else (middle, high)
    return kept_ranks(spectra, high), high


def truncated(weight: Float[Tensor, "seed out in"], rank: int) -> tuple[Tensor, Tensor]:
    """U S^{1/2} and S^{1/2} V' of the best approximation of rank r."""
    u, s, vt = torch.linalg.svd(weight, full_matrices=False)
    root = s[:, :rank].sqrt()
    return u[..., :rank] * root[:, None], root[..., None] * vt[:, :rank]


class FactorPair:
    """W = F G: F <- F - eta dW G' and G <- G - eta F'dW, both at the same weights."""

    def __init__(self, left: Tensor, right: Tensor) -> None:
        self.left, self.right = left, right

    def weight(self) -> Tensor:
        """F G."""
        return self.left @ self.right

    def factors(self) -> tuple[Tensor, ...]:
        """F and G."""
        return self.left, self.right

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step of gradient descent on both factors."""
        left, right = gradient @ self.right.mT, self.left.mT @ gradient
        self.left, self.right = self.left - rate * left, self.right - rate * right


class Frozen:
    """W that is not trained."""

    def __init__(self, value: Tensor) -> None:
        self.value = value

    def weight(self) -> Tensor:
        """W."""
        return self.value

    def factors(self) -> tuple[Tensor, ...]:
        """W alone."""
        return (self.value,)

    def step(self, gradient: Tensor, rate: float) -> None:
        """Nothing."""


@dataclass(frozen=True)
class WeLore:
    """W <- W - eta dW; then every W with a low rank, by one threshold for all, becomes F G, and F and G alone are trained on.

    Normalized singular values (s - min)/(max - min) below kappa are pruned. A matrix that loses at least half of them becomes two
    factors, the others stay full and frozen. kappa is the smallest at which the ranks sum to what the rank r of the problem gives
    all matrices together, sum min(r, out, in): the total of `svd_after`, but unevenly shared. Fine-tuning trains factors and
    biases for the last `tuning` of the steps at rate `slow` eta. Records the facts `rank_<layer>` and `threshold`.

    Seeds are not batched, because their ranks differ. One gradient per step.

    Source: Jaiswal, Yin, Zhang, Liu, Zhao, Tian and Wang, From GaLore to WeLore, 2024, sections on reduction and fine-tuning.
    key: jaiswal2024
    """

    rate: Positive = 0.1
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    tuning: Share = 0.5
    slow: Positive = 0.1
    search_space: ClassVar[SearchSpace] = {"rate": (0.1, 0.05, 0.2), "slow": (0.1, 0.3, 1.0)}

    def fit_network(self, problem: Training, run: Run) -> FactoredNetwork:
        """The trained network."""
        layers: list[Layer] = [Full(weight, Momentum(0.0)) for weight in he_weights([problem], [run])]
        biases = [Full(torch.zeros_like(layer.weight()[..., 0]), Momentum(0.0)) for layer in layers]
        steps, rate = steps_of(problem, run, self.epochs, self.batch), self.rate
        last = max(1, round(steps * (1 - self.tuning)))
        for step, (x, y) in enumerate(batches([problem], [run], steps, self.batch), 1):
            by_weight, by_bias, loss = gradients([w.weight() for w in layers], [b.weight() for b in biases], x, y)
            for layer, d in zip([*layers, *biases], [*by_weight, *by_bias], strict=True):
                layer.step(d, rate)
            report([run], step, steps, loss, 1)
            if step == last:
                layers, rate = self._reduced([layer.weight() for layer in layers], problem, run), self.slow * self.rate
        return members([layer.factors() for layer in layers], [bias.weight() for bias in biases])[0]

    def _reduced(self, weights: Sequence[Tensor], problem: Training, run: Run) -> list[Layer]:
        rank = rank_of(problem, self.rank)
        spectra = [torch.linalg.svdvals(w[0]) for w in weights]
        ranks, threshold = ranks_within(spectra, sum(min(rank, len(values)) for values in spectra))
        run.fact("threshold", threshold)
        for i, own in enumerate(ranks):
            run.fact(f"rank_{i + 1}", float(own))
        return [
            Frozen(w) if own == min(w.shape[1:]) else FactorPair(*truncated(w, own))
            for w, own in zip(weights, ranks, strict=True)
        ]
