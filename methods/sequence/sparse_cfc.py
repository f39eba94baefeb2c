"""The closed-form continuous-time cell with a recurrent matrix of low rank and few entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from dynamark.methods.fields import Order, Range, SearchSpace
from dynamark.methods.sequence.cfc import CfC, _CfCLayer
from dynamark.methods.sequence.stack import Affine

__all__ = ["LowRankCfC"]


class _LowRankLayer(_CfCLayer):
    """The CfC layer with (W_1 W_2) o M instead of its recurrent matrix."""

    mask: Tensor

    def __init__(self, method: LowRankCfC, channels: int, dim: int, draw: torch.Generator) -> None:
        nn.Module.__init__(self)
        units, backbone, rank = method.units, method.backbone, method.rank
        self.inputs = Affine(channels - 1, backbone, draw)
        shapes = [(units, rank), (rank, backbone)] if rank else [(units, backbone)]
        factors = [torch.randn(shape, generator=draw) * (2 / sum(shape)) ** 0.5 for shape in shapes]
        self.factors = nn.ParameterList([nn.Parameter(factor) for factor in factors])
        self.register_buffer("mask", (torch.rand(units, backbone, generator=draw) >= method.sparsity).float())
        self.heads = nn.Parameter(torch.randn(backbone, 4 * units, generator=draw) / backbone**0.5)
        self.bias = nn.Parameter(torch.zeros(1, 4 * units))
        self.outputs = Affine(units, dim, draw)

    @property
    def recurrent(self) -> Tensor:  # type: ignore[override]
        """The recurrent matrix [unit, backbone]."""
        first, *rest = self.factors
        return (first @ rest[0] if rest else first) * self.mask


@dataclass(frozen=True)
class LowRankCfC(CfC):
    """A CfC with W = (W_1 W_2) o M for the part of z's matrix that multiplies h: W_1 [unit, rank], W_2 [rank, backbone].

    W_1 and W_2 have Glorot's variance 2/(rows + columns); with rank 0, W is one such matrix. M is 0 or 1, each entry 0 with
    probability `sparsity`, drawn once and constant in training; W is not rescaled. W_1 and W_2 have rank (units + backbone)
    parameters instead of units x backbone.

    Differs from the paper: the matrix belongs to the backbone that all four heads share, instead of to each head.

    key: tumma2024
    """

    rank: Order = 4
    sparsity: Annotated[float, Range(low=0, below=1)] = 0.5
    search_space: ClassVar[SearchSpace] = {
        "rate": (1e-2, 3e-3, 1e-3, 3e-2),
        "rank": (4, 2, 8),
        "sparsity": (0.5, 0.0, 0.8),
    }

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One CfC layer with these recurrent weights."""
        return _LowRankLayer(self, channels, dim, draw)
