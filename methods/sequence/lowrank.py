"""Gated recurrent units whose recurrent matrices are low-rank, optionally plus a diagonal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dynamark.methods.fields import Count, SearchSpace
from dynamark.methods.sequence.gru import GRU, gru_scan, gru_steps
from dynamark.methods.sequence.stack import Affine
from dynamark.methods.sequence.steps import Stepwise
from dynamark.tasks.numerics.thin import thin_affine

__all__ = ["LowRankGRU"]


class _LowRankLayer(nn.Module):
    """A GRU layer whose recurrent matrices are products of low-rank factors."""

    def __init__(self, method: LowRankGRU, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        units, rank = method.units, method.rank
        self.inputs = Affine(channels, 3 * units, draw)
        # The entries of the product have variance 1/units, as in the full matrix.
        self.left = nn.Parameter(torch.randn(3, units, rank, generator=draw) / units**0.5)
        self.right = nn.Parameter(torch.randn(3, rank, units, generator=draw) / rank**0.5)
        self.diagonal = nn.Parameter(torch.zeros(3, units)) if method.diagonal else None
        self.bias = nn.Parameter(torch.zeros(units))
        self.outputs = Affine(units, dim, draw)

    def recurrent(self) -> Tensor:
        """The recurrent matrices of the three gates, concatenated [unit, 3 unit]."""
        gates = self.left @ self.right
        if self.diagonal is not None:
            gates = gates + torch.diag_embed(self.diagonal)
        return gates.movedim(0, 1).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        gates = thin_affine(x.movedim(-2, 0).contiguous(), self.inputs.weight, self.inputs.bias)
        states = gru_scan(gates, self.recurrent(), self.bias)
        return thin_affine(states, self.outputs.weight, self.outputs.bias).movedim(0, -2)

    def steps(self) -> Stepwise:
        """The layer as a recurrence, one sample at a time."""
        return gru_steps(self.inputs, self.recurrent(), self.bias, self.outputs)


@dataclass(frozen=True)
class LowRankGRU(GRU):
    """A GRU with U = L R + diag d in each gate, L [unit, rank], R [rank, unit]: 2 n r + n parameters instead of n^2.

    diagonal: whether to include d, which is initialized to 0. Source: Miceli Barone 2018, section 2.2.

    Differs from the paper: no factors are shared between gates.

    key: micelibarone2018
    """

    rank: Count = 4
    diagonal: bool = True
    search_space: ClassVar[SearchSpace] = {"rate": (1e-2, 3e-3, 1e-3, 3e-2), "rank": (4, 2, 8)}

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One low-rank GRU layer."""
        return _LowRankLayer(self, channels, dim, draw)
