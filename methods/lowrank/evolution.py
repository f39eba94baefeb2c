"""EGGROLL: evolution strategies whose perturbations of matrices have low rank; no gradient is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dynamark.methods.fields import Batch, Count, Positive, Range, SearchSpace
from dynamark.methods.lowrank.backpropagation import batches, report, steps_of
from dynamark.methods.lowrank.networks import FactoredNetwork, he_weights, members
from dynamark.methods.lowrank.optimizers import Adam, Full
from dynamark.tasks.problems import Run, Training

__all__ = ["EvolutionStrategy", "Noise", "estimate", "losses", "standardized"]


@dataclass(frozen=True)
class Noise:
    """The perturbations of one layer, one for each pair of members: E_k = left_k right_k'/sqrt(r), or right_k whole; and biases.

    left [pair, out, r] or None, right [pair, in, r] or [pair, out, in], bias [pair, out]; entries N(0, 1).
    """

    left: Float[Tensor, "pair out rank"] | None
    right: Tensor
    bias: Float[Tensor, "pair out"]

    @staticmethod
    def draw(weight: Float[Tensor, "out in"], pairs: int, rank: int | None, run: Run) -> Noise:
        """Fresh noise; of full rank where `rank` is None."""
        rows, columns = weight.shape

        def normal(*size: int) -> Tensor:
            return torch.randn(size, generator=run.generator, dtype=weight.dtype).to(weight.device)

        if rank is None:
            return Noise(None, normal(pairs, rows, columns), normal(pairs, rows))
        return Noise(normal(pairs, rows, rank) / rank**0.5, normal(pairs, columns, rank), normal(pairs, rows))

    def applied(self, values: Float[Tensor, "sign pair sample in"]) -> Float[Tensor, "sign pair sample out"]:
        """h E_k' + e_k, without forming E_k."""
        if self.left is None:
            return values @ self.right.mT + self.bias[:, None]
        return (values @ self.right) @ self.left.mT + self.bias[:, None]

    def mean(self, scores: Float[Tensor, " pair"]) -> tuple[Float[Tensor, "out in"], Float[Tensor, " out"]]:
        """sum_k score_k E_k and sum_k score_k e_k."""
        bias = scores @ self.bias
        if self.left is None:
            return torch.einsum("k,koi->oi", scores, self.right), bias
        left = (scores[:, None, None] * self.left).movedim(1, 0).flatten(1)
        return left @ self.right.movedim(1, 0).flatten(1).mT, bias


def losses(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    noise: Sequence[Noise],
    sigma: float,
    inputs: Float[Tensor, "sample feature"],
    labels: Int[Tensor, " sample"],
) -> Float[Tensor, "sign pair"]:
    """The cross-entropy of every member, W + sigma E_k first and W - sigma E_k second, on one batch that all share."""
    signs = torch.tensor([sigma, -sigma], dtype=inputs.dtype, device=inputs.device)[:, None, None, None]
    values = inputs.expand(2, len(noise[0].bias), -1, -1)
    for layer, (weight, bias, own) in enumerate(zip(weights, biases, noise, strict=True)):
        values = values @ weight.mT + bias + signs * own.applied(values)
        values = values if layer == len(weights) - 1 else values.relu()
    logs = values.log_softmax(-1)
    return -logs.gather(-1, labels.expand(*logs.shape[:2], -1)[..., None])[..., 0].mean(-1)


def standardized(scores: Float[Tensor, "sign pair"]) -> Float[Tensor, "sign pair"]:
    """Mean 0 and deviation 1 over the population; all 0 where all are equal."""
    spread = scores.std(correction=0)
    return (scores - scores.mean()) / spread if spread > 0 else torch.zeros_like(scores)


def estimate(
    scores: Float[Tensor, "sign pair"], noise: Sequence[Noise], sigma: float
) -> list[tuple[Float[Tensor, "out in"], Float[Tensor, " out"]]]:
    """N^{-1/2} sum_k score_k sigma E_k over all N members, for each layer: the direction of ascent."""
    differences = (scores[0] - scores[1]) * (sigma / scores.numel() ** 0.5)
    return [own.mean(differences) for own in noise]


@dataclass(frozen=True)
class EvolutionStrategy:
    """W <- W + eta Adam(N^{-1/2} sum_k z_k sigma E_k), E_k = A_k B_k'/sqrt(r): EGGROLL, without a gradient.

    z_k: the negative losses of N members W + sigma E_k in antithetic pairs on one batch, standardized over the population. The
    entries of A_k and B_k are N(0, 1); E_k is never formed. Biases have noise of their own. Reports no gradient evaluations, and
    the fact `evaluations`, the number of losses of a batch.

    rank: of a perturbation, not of the weights, which stay full. noise: `full` draws all entries of E_k.

    Source: Sarkar, Fellows, Duque, et al., Evolution strategies at the hyperscale, 2025; what a low rank changes in the estimate:
    claim C33.
    key: sarkar2025
    """

    rate: Positive = 0.02
    epochs: Positive = 20.0
    batch: Batch = 128
    population: Annotated[int, Range(2, 100_000)] = 64
    sigma: Positive = 0.05
    rank: Count = 1
    noise: Literal["low_rank", "full"] = "low_rank"
    search_space: ClassVar[SearchSpace] = {"rate": (0.02, 0.01, 0.04), "sigma": (0.05, 0.1)}

    def fit_network(self, problem: Training, run: Run) -> FactoredNetwork:
        """The trained network."""
        weights = [Full(weight[0], Adam()) for weight in he_weights([problem], [run])]
        biases = [Full(torch.zeros_like(weight.value[..., 0]), Adam()) for weight in weights]
        pairs, rank = max(1, self.population // 2), self.rank if self.noise == "low_rank" else None
        steps = steps_of(problem, run, self.epochs, self.batch)
        for step, (x, y) in enumerate(batches([problem], [run], steps, self.batch), 1):
            noise = [Noise.draw(weight.value, pairs, rank, run) for weight in weights]
            values = losses([w.value for w in weights], [b.value for b in biases], noise, self.sigma, x[0], y[0])
            ascent = estimate(standardized(-values), noise, self.sigma)
            for weight, bias, (by_weight, by_bias) in zip(weights, biases, ascent, strict=True):
                weight.step(-by_weight, self.rate)
                bias.step(-by_bias, self.rate)
            report([run], step, steps, values.mean()[None], 0)
        run.fact("evaluations", float(steps * 2 * pairs))
        return members([(weight.value[None],) for weight in weights], [bias.value[None] for bias in biases])[0]
