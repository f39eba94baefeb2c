"""Trained perceptrons with weights in factors, and how they start."""

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

# Where the factors start: random frames and values, or the leading part of He's matrices.
Start = Literal["random", "he"]


@dataclass(frozen=True)
class FactoredNetwork:
    """A perceptron whose weights are products of the factors of each layer (one factor: a full matrix)."""

    factors: tuple[tuple[Tensor, ...], ...]
    biases: tuple[Tensor, ...]

    def logits(self, inputs: Float[Tensor, "sample *feature"]) -> Float[Tensor, "sample label"]:
        """The outputs of the last layer."""
        weights = [(layer[0] if len(layer) == 1 else torch.linalg.multi_dot(layer))[None] for layer in self.factors]
        return outputs(weights, [b[None] for b in self.biases], inputs.flatten(1)[None])[-1][0]

    def parameter_count(self) -> int:
        """Entries of all factors and biases."""
        return sum(f.numel() for layer in self.factors for f in layer) + sum(b.numel() for b in self.biases)


def members(factors: Sequence[tuple[Tensor, ...]], biases: Sequence[Tensor]) -> list[FactoredNetwork]:
    """The networks of a cohort, one a member."""
    return [
        FactoredNetwork(tuple(tuple(f[i] for f in layer) for layer in factors), tuple(b[i] for b in biases))
        for i in range(len(biases[0]))
    ]


def rank_of(problem: Training, rank: int | None) -> int:
    """The method's own rank if it has one, else the problem's, else that of full matrices."""
    return rank or problem.rank or max(problem.widths)


def _sizes(problem: Training) -> list[tuple[int, int]]:
    return list(zip(problem.widths[1:], problem.widths[:-1], strict=True))


def _normal(run: Run, rows: int, columns: int, like: Tensor) -> Tensor:
    return torch.randn(rows, columns, generator=run.generator, dtype=like.dtype).to(like.device)


def he_weights(problems: Sequence[Training], runs: Sequence[Run]) -> list[Tensor]:
    """Full matrices with entries N(0, 2/in) [seed, out, in] (He et al. 2015)."""
    like = problems[0].inputs
    drawn = [[_normal(run, *size, like) * (2 / size[1]) ** 0.5 for size in _sizes(problems[0])] for run in runs]
    return [torch.stack(layer) for layer in zip(*drawn, strict=True)]


def frames(
    problems: Sequence[Training], runs: Sequence[Run], rank: int, decay: float, start: Start = "random"
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """U [seed, out, r], S diagonal [seed, r, r] and V [seed, in, r] of each layer; r is `rank`, at most the smaller side.

    `random`: orthonormal frames, singular values |N(0, 1)| in descending order, the start of the official code of Schotthöfer et
    al. 2022; `he`: the leading ones of a matrix with entries N(0, 2/in) (He et al. 2015). The j-th value (from 0) is divided by
    decay^j.
    """
    like = problems[0].inputs
    drawn: list[list[tuple[Tensor, Tensor, Tensor]]] = []
    for run in runs:
        own = []
        for rows, columns in _sizes(problems[0]):
            r = min(rank, rows, columns)
            if start == "he":
                u, values, vt = torch.linalg.svd(_normal(run, rows, columns, like) * (2 / columns) ** 0.5)
                u, values, v = u[:, :r], values[:r], vt[:r].mT
            else:
                u, v = (torch.linalg.qr(_normal(run, n, r, like))[0] for n in (rows, columns))
                values = _normal(run, r, 1, like)[:, 0].abs().sort(descending=True)[0]
            own.append((u, (values / decay ** torch.arange(r, dtype=like.dtype, device=like.device)).diag(), v))
        drawn.append(own)
    layers = range(len(problems[0].widths) - 1)
    return [
        (
            torch.stack([own[i][0] for own in drawn]),
            torch.stack([own[i][1] for own in drawn]),
            torch.stack([own[i][2] for own in drawn]),
        )
        for i in layers
    ]
