"""Dynamical low-rank training: integrate the gradient flow on the manifold of fixed rank by its factors K, L and S."""

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
    """Bases after the K and the L step, and S = (U_1^T U) S (V^T V_1) in them: W itself is projected, not moved.

    K = U S - eta dW V, L = V S^T - eta dW^T U, both at the same weights; U_1 spans K (augmented: [K, U]), V_1 likewise L.
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
    """K and L step, then S <- S - eta U^T dW V and b <- b - eta db in the new bases; and the loss before."""
    by_weight, _, loss = gradients([u @ s @ v.mT for u, s, v in layers], biases, x, y)
    based = [new_bases(own, d, rate, augmented) for own, d in zip(layers, by_weight, strict=True)]
    by_weight, by_bias, _ = gradients([u @ s @ v.mT for u, s, v in based], biases, x, y)
    moved = [(u, s - rate * u.mT @ d @ v, v) for (u, s, v), d in zip(based, by_weight, strict=True)]
    return moved, [b - rate * d for b, d in zip(biases, by_bias, strict=True)], loss


@dataclass(frozen=True)
class DynamicalLowRank:
    """DLRT of fixed rank, W = U S V^T: K and L step, new bases by QR, then a step of S and the biases in them.

    What a step does to W does not depend on how small its singular values are, where two factors stall. Two gradients a step: K
    and L share one, since both are taken at the same weights (the official code evaluates it twice). Starts as `TwoFactors`.

    Source: Schotthöfer, Zangrando, Kusch, Ceruti and Tudisco, Low-rank lottery tickets: finding efficient low-rank neural
    networks via matrix differential equations, NeurIPS 2022, algorithm 1 (there eta = 0.05; here that of the baselines).
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
        """One network a problem, all members together."""
        layers = frames(problems, runs, rank_of(problems[0], self.rank), self.decay, self.start)
        biases = [torch.zeros_like(u[..., 0]) for u, _, _ in layers]
        steps = steps_of(problems[0], runs[0], self.epochs, self.batch)
        for step, (x, y) in enumerate(batches(problems, runs, steps, self.batch), 1):
            layers, biases, loss = _step(layers, biases, x, y, self.rate, augmented=False)
            report(runs, step, steps, loss, 2)
        return members([(u @ s, v.mT) for u, s, v in layers], biases)


def cut(layer: Layer, tolerance: float, least: int, most: int) -> Layer:
    """U S V^T of the smallest rank whose dropped singular values have norm at most `tolerance` |S|_F, within the bounds."""
    u, s, v = layer
    p, values, qt = torch.linalg.svd(s, full_matrices=False)
    tails = values[0].square().flip(0).cumsum(0).flip(0).sqrt()
    needed = int((tails > tolerance * tails[0]).sum())
    rank = min(max(needed, least), most, len(tails))
    return u @ p[..., :rank], values[:, :rank].diag_embed(), v @ qt.mT[..., :rank]


@dataclass(frozen=True)
class AdaptiveDynamicalLowRank:
    """DLRT that finds its ranks: bases augmented to [K, U] and [L, V], a step of S, then |dropped| <= theta |S|_F.

    theta: the tolerance; larger ones compress more. Ranks start at `start_rank`, which also bounds them, and stay above 1.
    Facts: the rank of each layer, and `compression`, the share of the parameters of full layers that is saved. The ranks of
    members differ, so that they are trained one by one.

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
        """The network."""
        layers = frames([problem], [run], self.start_rank, 1.0, self.start)
        biases = [torch.zeros_like(u[..., 0]) for u, _, _ in layers]
        steps = steps_of(problem, run, self.epochs, self.batch)
        for step, (x, y) in enumerate(batches([problem], [run], steps, self.batch), 1):
            layers, biases, loss = _step(layers, biases, x, y, self.rate, augmented=True)
            layers = [cut(own, self.theta, 2, self.start_rank) for own in layers]
            report([run], step, steps, loss, 2)
        network = members([(u @ s, v.mT) for u, s, v in layers], biases)[0]
        for i, (_, s, _) in enumerate(layers):
            run.fact(f"rank_{i + 1}", float(s.shape[-1]))
        full = sum((columns + 1) * rows for rows, columns in zip(problem.widths[1:], problem.widths[:-1], strict=True))
        run.fact("compression", 1 - network.parameter_count() / full)
        return network
