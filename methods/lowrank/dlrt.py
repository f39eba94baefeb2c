"""Dynamical low-rank training (DLRT): gradient flow on the manifold of fixed-rank matrices, by K, L and S steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dynamark.methods.fields import Batch, Count, Positive, Range, SearchSpace
from dynamark.methods.lowrank.backpropagation import batches, gradients, report, steps_of
from dynamark.methods.lowrank.networks import FactoredNetwork, Start, frames, members, rank_of
from dynamark.tasks.problems import Run, Training

__all__ = ["AdaptiveDynamicalLowRank", "DynamicalLowRank", "cut", "new_bases"]

Layer = tuple[Tensor, Tensor, Tensor]


def new_bases(layer: Layer, gradient: Tensor, rate: float, augmented: bool) -> Layer:
    """(U_1, S_1, V_1): the bases after the K and the L step, and S_1 = (U_1^T U) S (V^T V_1), the projection of W on them.

    K = U S - eta dW V and L = V S^T - eta dW^T U, both at the same weights; U_1 is an orthonormal basis of K, V_1 of L
    (`augmented`: of [K, U] and [L, V]).
    """
    u, s, v = layer
    left, right = u @ s - rate * gradient @ v, v @ s.mT - rate * gradient.mT @ u
    if augmented:
        left, right = torch.cat([left, u], dim=-1), torch.cat([right, v], dim=-1)
    new_u, new_v = torch.linalg.qr(left)[0], torch.linalg.qr(right)[0]
    return new_u, (new_u.mT @ u) @ s @ (v.mT @ new_v), new_v


def _step(
    layers: Sequence[Layer], biases: Sequence[Tensor], x: Tensor, y: Tensor, rate: float, augmented: bool
) -> tuple[list[Layer], list[Tensor], Tensor]:
    """K and L step, then S <- S - eta U^T dW V and b <- b - eta db in the new bases; and the loss before the step."""
    by_weight, _, loss = gradients([u @ s @ v.mT for u, s, v in layers], biases, x, y)
    projected = [new_bases(layer, d, rate, augmented) for layer, d in zip(layers, by_weight, strict=True)]
    by_weight, by_bias, _ = gradients([u @ s @ v.mT for u, s, v in projected], biases, x, y)
    following = [(u, s - rate * u.mT @ d @ v, v) for (u, s, v), d in zip(projected, by_weight, strict=True)]
    return following, [b - rate * d for b, d in zip(biases, by_bias, strict=True)], loss


@dataclass(frozen=True)
class DynamicalLowRank:
    """DLRT with fixed rank, W = U S V^T: K and L step, new bases by QR, then a gradient step of S and the biases.

    The change of W per step is robust to small singular values, with which `TwoFactors` stalls. Two gradients per step: the K and
    L steps share one, because both are evaluated at the same weights (the official code evaluates it twice). The initialization
    is that of `TwoFactors`.

    Source: Schotthöfer, Zangrando, Kusch, Ceruti and Tudisco, Low-rank lottery tickets: finding efficient low-rank neural
    networks via matrix differential equations, NeurIPS 2022, algorithm 1 (there eta = 0.05; here the eta of the baselines).
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
        layers = frames(problems, runs, rank_of(problems[0], self.rank), self.decay, self.start)
        biases = [torch.zeros_like(u[..., 0]) for u, _, _ in layers]
        steps = steps_of(problems[0], runs[0], self.epochs, self.batch)
        for step, (x, y) in enumerate(batches(problems, runs, steps, self.batch), 1):
            layers, biases, loss = _step(layers, biases, x, y, self.rate, augmented=False)
            report(runs, step, steps, loss, 2)
        return members([(u @ s, v.mT) for u, s, v in layers], biases)


def cut(layer: Layer, tolerance: float, least: int, most: int) -> Layer:
    """U S V^T truncated to the smallest rank, from `least` to `most`, with |dropped singular values| <= tolerance |S|_F."""
    u, s, v = layer
    p, values, qt = torch.linalg.svd(s, full_matrices=False)
    tails = values[0].square().flip(0).cumsum(0).flip(0).sqrt()
    needed = int((tails > tolerance * tails[0]).sum())
    rank = min(max(needed, least), most, len(tails))
    return u @ p[..., :rank], values[:, :rank].diag_embed(), v @ qt.mT[..., :rank]


@dataclass(frozen=True)
class AdaptiveDynamicalLowRank:
    """Rank-adaptive DLRT: bases of [K, U] and [L, V], a step of S, then truncation with |dropped values| <= theta |S|_F.

    theta: truncation tolerance; larger values compress more.
    start_rank: initial and largest rank of each layer; ranks are at least 2.

    Records the facts `rank_<layer>` and `compression`, the fraction of the parameters of full layers that is saved. Seeds are not
    batched, because their ranks differ.

    Source: Schotthöfer et al. 2022, algorithm 1 with the augmented bases of Ceruti, Kusch and Lubich 2022. The line of the
    official code that forms the new V lacks a transpose; this follows the paper.
    key: schotthoefer2022
    """

    theta: Annotated[float, Range(low=0, below=1)] = 0.1
    rate: Positive = 0.1
    epochs: Positive = 20.0
    batch: Batch = 128
    start_rank: Count = 32
    start: Start = "random"
    search_space: ClassVar[SearchSpace] = {"rate": (0.1, 0.05, 0.2), "theta": (0.1, 0.05, 0.15)}

    def fit_network(self, problem: Training, run: Run) -> FactoredNetwork:
        """The trained network."""
        layers = frames([problem], [run], self.start_rank, 1.0, self.start)
        biases = [torch.zeros_like(u[..., 0]) for u, _, _ in layers]
        steps = steps_of(problem, run, self.epochs, self.batch)
        for step, (x, y) in enumerate(batches([problem], [run], steps, self.batch), 1):
            layers, biases, loss = _step(layers, biases, x, y, self.rate, augmented=True)
            layers = [cut(layer, self.theta, 2, self.start_rank) for layer in layers]
            report([run], step, steps, loss, 2)
        network = members([(u @ s, v.mT) for u, s, v in layers], biases)[0]
        for i, (_, s, _) in enumerate(layers):
            run.fact(f"rank_{i + 1}", float(s.shape[-1]))
        full = sum((columns + 1) * rows for rows, columns in zip(problem.widths[1:], problem.widths[:-1], strict=True))
        run.fact("compression", 1 - network.parameter_count() / full)
        return network
