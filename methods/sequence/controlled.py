"""Structured linear controlled differential equations: linear in the state, with transition matrices linear in the input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Positive, Range, SearchSpace, Share, Size
from dynamark.methods.sequence.compiled_structured import structured_scan, structured_step
from dynamark.methods.sequence.convolutional import StepsRange
from dynamark.methods.sequence.stack import SequenceMethod
from dynamark.methods.sequence.steps import Stepwise, arrays
from dynamark.methods.sequence.structures import STRUCTURES
from dynamark.tasks.numerics.thin import thin_affine

__all__ = ["KINDS_OF_MAPS", "Maps", "MapsKind", "SLiCE"]

MapsKind = Literal["diag", "block", "dplr", "sparse", "wh", "dense"]

# The structure of `structures` behind each kind.
KINDS_OF_MAPS: dict[str, str] = {
    "diag": "diagonal",
    "block": "blocks",
    "dplr": "low_rank",
    "sparse": "sparse",
    "wh": "hadamard",
    "dense": "blocks",
}


class Maps(nn.Module):
    """A(w) = sum_i w_i A_i, one structured state x state matrix A_i for each of `channels` inputs.

    diag: diagonal. block: block-diagonal with blocks of size `block`. dplr: diagonal plus rank `rank`. sparse: a share `density`
    of the entries of each row, at places drawn once, the same for all A_i. wh: H diag(tanh a_i) / sqrt(state), H the
    Walsh-Hadamard matrix. dense: all entries.

    Entries start as N(0, size^2 / block), block = 1 for diag and wh and block = state for dense and sparse: E |A_i h|^2 =
    size^2 |h|^2, for sparse times `density`. Diagonal and low-rank part of dplr have half of this each.
    Raises UserError if the structure does not fit the number of states.
    """

    columns: Tensor

    def __init__(
        self, kind: str, channels: int, states: int, draw: torch.Generator, size: float, *, block: int = 4,
        rank: int = 1, density: float = 0.125,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kind, self.channels, self.rank = kind, channels, rank if kind == "dplr" else 0
        if kind == "wh" and states & (states - 1):
            raise UserError(f"states = {states}: the Walsh-Hadamard structure needs a power of two")
        if kind == "block" and states % block:
            raise UserError(f"states = {states}: blocks of size {block} need a multiple of {block}")
        per_row = max(1, round(density * states)) if kind == "sparse" else 0
        entries = {"block": block, "dense": states, "sparse": per_row}.get(kind, 1)
        scale = size / {"block": block, "dense": states, "sparse": states}.get(kind, 1) ** 0.5
        scale = scale / 2**0.5 if kind == "dplr" else scale
        self.entries = nn.Parameter(scale * torch.randn(channels, states * entries, generator=draw))
        if kind == "dplr":
            factor = (size**2 / (2 * states * rank)) ** 0.25
            self.pairs = nn.Parameter(factor * torch.randn(2, channels * rank, states, generator=draw))
        else:
            self.register_buffer("pairs", torch.zeros(2, 0, states))
        places = [torch.randperm(states, generator=draw)[:per_row] for _ in range(states)] if per_row else []
        self.register_buffer("columns", torch.stack(places) if per_row else torch.zeros(states, 0, dtype=torch.int64))

    def table(self) -> Float[Tensor, "channel entry"]:
        """The entries of all A_i, for dplr of the diagonal parts."""
        return self.entries.tanh() if self.kind == "wh" else self.entries

    def forward(self, weights: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch entry"]:
        """The parameters theta of A(w) in its structure."""
        flat = weights.reshape(-1, self.channels)
        theta = thin_affine(flat, self.table())
        if self.rank:
            theta = torch.cat([theta, flat.repeat_interleave(self.rank, dim=-1)], dim=-1)
        return theta.reshape(*weights.shape[:-1], theta.shape[-1])

    def of_tokens(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch entry"]:
        """The parameters of A_i for each token i."""
        theta = self.table()[tokens]
        if self.rank:
            one_hot = nn.functional.one_hot(tokens, self.channels).to(theta)
            theta = torch.cat([theta, one_hot.repeat_interleave(self.rank, dim=-1)], dim=-1)
        return theta

    def scan(self, theta: Tensor, drive: Tensor, keep: Tensor, start: Tensor) -> Tensor:
        """All h_t = keep h_{t-1} + A_t h_{t-1} + drive_t from h_{-1} = start."""
        return structured_scan(KINDS_OF_MAPS[self.kind], theta, drive, keep, start, self.pairs, self.columns)

    def dense(self) -> Float[Tensor, "channel state state"]:
        """The matrices A_i in full."""
        states = self.pairs.shape[-1]
        theta = self(torch.eye(self.channels).to(self.entries))
        product, unit = STRUCTURES[KINDS_OF_MAPS[self.kind]].product, torch.eye(states).to(self.entries)
        images = product(
            theta[:, None].expand(-1, states, -1), self.pairs, self.columns, unit.expand(len(theta), -1, -1)
        )
        return images.mT

    def parameter_count(self) -> int:
        """The number of entries of all A_i."""
        return self.entries.numel() + (self.pairs.numel() if self.rank else 0)


class _ControlledLayer(nn.Module):
    def __init__(self, method: SLiCE, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        self.dt, states = method.dt, method.states
        self.maps = Maps(
            method.structure, channels + 1, states, draw, method.size / max(1, channels) ** 0.5, block=method.block,
            rank=method.rank, density=method.density,
        )  # fmt: skip
        low, high = (math.log(bound) for bound in method.steps_range)
        self.log_decay = nn.Parameter(low + (high - low) * torch.rand(states, generator=draw))
        with torch.no_grad():
            self.maps.entries[0] = 0  # at the start the drift is the decay alone
            if method.structure == "dplr":
                self.maps.pairs[0, : method.rank] = 0
            scale = (1 - self._keep().square()).sqrt()  # so that white inputs give states of unit variance
        self.b = nn.Parameter(scale * torch.randn(channels, states, generator=draw) / max(1, channels) ** 0.5)
        self.c = nn.Parameter(torch.randn(states, dim, generator=draw) / states**0.5)
        self.d = nn.Parameter(torch.randn(channels, dim, generator=draw) / max(1, channels) ** 0.5)

    def _keep(self) -> Tensor:
        return (-self.log_decay.exp()).exp()

    def forward(self, x: Float[Tensor, "*batch time channel"]) -> Float[Tensor, "*batch time dim"]:
        rows = x.reshape(-1, x.shape[-1])
        path = self.dt * torch.cat([torch.ones_like(rows[:, :1]), rows], dim=-1)
        theta, drive = (part.reshape(*x.shape[:-1], -1) for part in (self.maps(path), thin_affine(rows, self.b)))
        h = self.maps.scan(theta, drive, self._keep(), torch.zeros_like(self.log_decay))
        y = thin_affine(h.reshape(len(rows), -1), self.c) + thin_affine(rows, self.d)
        return y.reshape(*x.shape[:-1], -1)

    def steps(self) -> Stepwise:
        """The layer as a recurrence, one sample at a time."""
        maps = self.maps
        parts = arrays(self.dt * maps.table(), self._keep(), self.b, self.c, self.d, maps.pairs)
        forth = STRUCTURES[KINDS_OF_MAPS[maps.kind]].forth
        weights = (*parts, maps.columns.cpu().numpy(), np.array([self.dt]))
        return Stepwise(structured_step.given(forth=forth), weights, len(self.log_decay))


@dataclass(frozen=True)
class SLiCE(SequenceMethod):
    """h_t = e^{-a} h_{t-1} + dt (A_0 + sum_i x^i_t A_i) h_{t-1} + B x_t, y_t = C h_t + D x_t: a structured linear CDE.

    structure: of the matrices A_i, see `Maps`: `diag`, `block` (of size `block`), `dplr` (diagonal plus rank `rank`), `sparse` (a
    share `density` of the entries), `wh` (Walsh-Hadamard), `dense`. size: |sum_i x^i A_i h| per |h| at the start, expected for
    inputs of unit variance. dt: the time between samples. States are clipped at +-10,000.

    B x_t stands for a constant state, with which the equation is linear in the state alone. Differs from the paper: at the start
    A_0 = 0 and a is log-uniform in `steps_range`, because a random A_0 grows over long sequences; the state starts at 0; the
    sparse places are the same for all inputs, so that their sum is as sparse; all structures start at the same size.

    key: walker2025
    """

    structure: MapsKind = "block"
    states: Size = 32
    block: Annotated[int, Range(1, 256)] = 4
    rank: Count = 1
    density: Share = 0.125
    size: Positive = 0.5
    dt: Positive = 0.025
    steps_range: StepsRange = (1e-3, 1e-1)
    search_space: ClassVar[SearchSpace] = {"rate": (1e-2, 3e-3, 1e-3, 3e-2), "activation": ("none", "gelu")}

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One layer with these maps."""
        return _ControlledLayer(self, channels, dim, draw)
