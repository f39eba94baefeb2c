"""Perceptrons with factored weights, and their initialization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.lowrank.backpropagation import outputs
from dynamark.tasks.problems import Run, Training

__all__ = ["FactoredNetwork", "Start", "frames", "he_weights", "members", "rank_of"]

# Initial factors: random frames and singular values, or the leading part of He-initialized matrices.
Start = Literal["random", "he"]


@dataclass(frozen=True)
class FactoredNetwork:
    """A perceptron; the weight matrix of a layer is the product of its factors (a single factor is a full matrix)."""

    factors: tuple[tuple[Tensor, ...], ...]
    biases: tuple[Tensor, ...]

    def logits(self, inputs: Float[Tensor, "sample *feature"]) -> Float[Tensor, "sample label"]:
        """The outputs of the last layer, before the softmax."""
        weights = [(layer[0] if len(layer) == 1 else torch.linalg.multi_dot(layer))[None] for layer in self.factors]
        return outputs(weights, [b[None] for b in self.biases], inputs.flatten(1)[None])[-1][0]

    def parameter_count(self) -> int:
        """The number of entries of all factors and biases."""
        return sum(f.numel() for layer in self.factors for f in layer) + sum(b.numel() for b in self.biases)


def members(factors: Sequence[tuple[Tensor, ...]], biases: Sequence[Tensor]) -> list[FactoredNetwork]:
    """One network per seed, from factors [seed, ...] and biases [seed, out] of each layer."""
    return [
        FactoredNetwork(tuple(tuple(f[i] for f in layer) for layer in factors), tuple(b[i] for b in biases))
        for i in range(len(biases[0]))
    ]


def rank_of(problem: Training, rank: int | None) -> int:
    """`rank` if given, else the rank in the problem, else the largest layer width (full rank)."""
    return rank or problem.rank or max(problem.widths)


def _sizes(problem: Training) -> list[tuple[int, int]]:
    return list(zip(problem.widths[1:], problem.widths[:-1], strict=True))


def _normal(run: Run, rows: int, columns: int, like: Tensor) -> Tensor:
    return torch.randn(rows, columns, generator=run.generator, dtype=like.dtype).to(like.device)


def he_weights(problems: Sequence[Training], runs: Sequence[Run]) -> list[Tensor]:
    """Full matrices with entries N(0, 2/in) [seed, out, in] (He et al. 2015)."""
    like = problems[0].inputs
    samples = [[_normal(run, *size, like) * (2 / size[1]) ** 0.5 for size in _sizes(problems[0])] for run in runs]
    return [torch.stack(layer) for layer in zip(*samples, strict=True)]


def frames(
    problems: Sequence[Training], runs: Sequence[Run], rank: int, decay: float, start: Start = "random"
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Initial U [seed, out, r], diagonal S [seed, r, r] and V [seed, in, r] of each layer; r = min(rank, out, in).

    start: `random`: random orthonormal frames and singular values |N(0, 1)| in descending order, as in the official code of
        Schotthöfer et al. 2022; `he`: the leading singular vectors and values of a matrix with entries N(0, 2/in) (He et al.
        2015).
    decay: the j-th singular value (j from 0) is divided by decay^j.
    """
    like = problems[0].inputs
    networks: list[list[tuple[Tensor, Tensor, Tensor]]] = []
    for run in runs:
        layers = []
        for rows, columns in _sizes(problems[0]):
            r = min(rank, rows, columns)
            if start == "he":
                u, values, vt = torch.linalg.svd(_normal(run, rows, columns, like) * (2 / columns) ** 0.5)
                u, values, v = u[:, :r], values[:r], vt[:r].mT
            else:
                u, v = (torch.linalg.qr(_normal(run, n, r, like))[0] for n in (rows, columns))
                values = _normal(run, r, 1, like)[:, 0].abs().sort(descending=True)[0]
            layers.append((u, (values / decay ** torch.arange(r, dtype=like.dtype, device=like.device)).diag(), v))
        networks.append(layers)
    return [
        (
            torch.stack([layers[i][0] for layers in networks]),
            torch.stack([layers[i][1] for layers in networks]),
            torch.stack([layers[i][2] for layers in networks]),
        )
        for i in range(len(problems[0].widths) - 1)
    ]
