"""The selective state space model: a diagonal recurrence whose step size, input and output maps depend on the input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dynamark.methods.fields import Count, Positive, SearchSpace, Size
from dynamark.methods.sequence import steps
from dynamark.methods.sequence.compiled_selective import Selective
from dynamark.methods.sequence.convolutional import StepsRange
from dynamark.methods.sequence.recurrence import compiled_on
from dynamark.methods.sequence.stack import Affine, SequenceMethod
from dynamark.methods.sequence.steps import Stepwise, arrays
from dynamark.tasks.numerics.scan import diagonal_scan
from dynamark.tasks.numerics.thin import thin_affine

__all__ = ["Mamba", "selective_scan"]


def selective_scan(
    x: Float[Tensor, "*batch time lane"],
    step: Float[Tensor, "*batch time lane"],
    a: Float[Tensor, "lane state"],
    b: Float[Tensor, "*batch time state"],
    c: Float[Tensor, "*batch time state"],
) -> Float[Tensor, "*batch time lane"]:
    """y_t = h_t c_t, h_t = e^{step_t a} h_{t-1} + step_t x_t b_t: one state vector h [state] per lane."""
    if compiled_on(x):
        parts = (x.reshape(1, -1, *x.shape[-2:]), step.reshape(1, -1, *x.shape[-2:]), a[None])
        rows = (part.reshape(1, -1, *part.shape[-2:]) for part in (b, c))
        return Selective.apply(*parts, *rows)[0].reshape(x.shape)  # type: ignore[no-untyped-call]
    decay = torch.exp(step[..., None] * a)
    drive = (step * x)[..., None] * b[..., None, :]
    h = diagonal_scan(decay.flatten(-2), drive.flatten(-2)).reshape(drive.shape)
    return (h @ c[..., None])[..., 0]


class _MambaLayer(nn.Module):
    def __init__(self, method: Mamba, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        lanes, states, rank = method.lanes, method.states, -(-method.lanes // 32)
        self.rank = rank
        self.enter = Affine(channels, 2 * lanes, draw)
        self.taps = nn.Parameter(torch.randn(method.taps, lanes, generator=draw) / method.taps**0.5)
        self.shift = nn.Parameter(torch.zeros(lanes))
        self.select = nn.Parameter(torch.randn(lanes, rank + 2 * states, generator=draw) / lanes**0.5)
        self.widen = nn.Parameter(torch.randn(rank, lanes, generator=draw) / rank**0.5)
        low, high = (math.log(bound) for bound in method.steps_range)
        start = torch.exp(low + (high - low) * torch.rand(lanes, generator=draw))
        self.step = nn.Parameter(start.expm1().log())  # so that softplus(step) is log-uniform
        self.log_decay = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(lanes, 1))
        self.direct = nn.Parameter(torch.ones(lanes))
        self.leave = Affine(lanes, dim, draw)

    def forward(self, u: Tensor) -> Tensor:
        x, gate = thin_affine(u, self.enter.weight, self.enter.bias).chunk(2, dim=-1)
        padded = functional.pad(x, (0, 0, len(self.taps) - 1, 0))
        time = x.shape[-2]
        x = sum((padded[..., k : k + time, :] * tap for k, tap in enumerate(self.taps)), self.shift)
        x = functional.silu(x)
        states = self.log_decay.shape[1]
        low, b, c = (x @ self.select).tensor_split((self.rank, self.rank + states), dim=-1)
        step = functional.softplus(thin_affine(low, self.widen, self.step))
        y = selective_scan(x, step, -self.log_decay.exp(), b, c) + self.direct * x
        return thin_affine(y * functional.silu(gate), self.leave.weight, self.leave.bias)

    def steps(self) -> Stepwise:
        """The layer as a recurrence, one sample at a time."""
        enter, leave, rates = self.enter, self.leave, -self.log_decay.exp()
        selection = (self.taps, self.shift, self.select, self.widen, self.step, rates, self.direct)
        weights = arrays(enter.weight, enter.bias, *selection, leave.weight, leave.bias)
        return Stepwise(steps.mamba, weights, (len(self.taps) - 1) * len(self.direct) + rates.numel())


@dataclass(frozen=True)
class Mamba(SequenceMethod):
    """y = W_out ((h_t C_t + D x_t) silu(z_t)), h_t = e^{Delta_t A} h_{t-1} + Delta_t x_t B_t, x = silu(conv(W_in u)), z = W_z u.

    Delta_t = softplus(W_2 W_1 x_t + b), W_1 of rank lanes/32, B_t = W_B x_t, C_t = W_C x_t; A = -e^a starts at -1 .. -states in
    every lane, softplus(b) log-uniform in `steps_range`. lanes: width of x, in the paper twice the model width. taps: length of
    the causal convolution of each lane. Source: Gu and Dao 2024, algorithm 2 and figure 3 (S6 in a Mamba block).

    key: gu2024b
    """

    lanes: Size = 16
    states: Size = 16
    taps: Count = 4
    steps_range: StepsRange = (1e-3, 1e-1)
    rate: Positive = 3e-3
    search_space: ClassVar[SearchSpace] = {"rate": (3e-3, 1e-3, 1e-2, 3e-2), "activation": ("none", "gelu")}

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One Mamba block."""
        return _MambaLayer(self, channels, dim, draw)
