"""Attention whose weights come from a linear stochastic model of the signal, and rotary dot-product attention of equal size."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dynamark.methods.fields import Count, Size
from dynamark.methods.sequence.stack import Affine, SequenceMethod
from dynamark.methods.training import Recipe

__all__ = ["AdaptiveFilterAttention", "RotaryAttention", "filter_logits", "path_variance", "rotated"]

# A layer has no variance below this one: in single precision its logarithm would have no accuracy.
_LEAST_VARIANCE = 1e-6


def path_variance(decayed: Tensor, process: Tensor, measured: Tensor, anchor: Tensor) -> Tensor:
    """V = process (1 - E^2) + measured E^2 + anchor, E = e^{-mu lag}: of e^{lambda lag} y_j as an estimate of the state now.

    process: stationary variance sigma^2 / (2 mu), which stays finite as mu -> 0. measured: variance of the noise of y_j. anchor:
    variance of the query.
    """
    return process + anchor + (measured - process) * decayed.square()


def filter_logits(distance: Tensor, variance: Tensor, power: Tensor, robust: Tensor, scale: Tensor) -> Tensor:
    """-power ln V - robust ln(1 + |r|^2 / (scale V)): the log-likelihood of a Student residual r of variance V."""
    return -power * variance.log() - robust * torch.log1p(distance / (scale * variance))


def rotated(z: Float[Tensor, "*batch 2 mode"], angle: Float[Tensor, "*angles mode"]) -> Float[Tensor, "*batch 2 mode"]:
    """e^{i angle} z, with the real and the imaginary part of z on the axis before the last."""
    cos, sin = angle.cos(), angle.sin()
    real, imaginary = z.unbind(-2)
    return torch.stack([cos * real - sin * imaginary, sin * real + cos * imaginary], dim=-2)


def _unsoftplus(values: Tensor) -> Tensor:
    """The numbers whose softplus these are."""
    return values.expm1().log()


class _AttentionLayer(nn.Module):
    """Complex queries, keys and values q, k, v of m modes a head; y = read(Re(e^{i w t'} sum_j a_ij e^{-i w t_j} v_j W)).

    Token i is (u_i, y_{i-1}) at the time t_i of y_{i-1}; its output is for the time t' of the next sample, one gap later.
    """

    def __init__(self, method: RotaryAttention, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        size, self.heads, self.modes = method.embedding, method.heads, method.modes
        width = self.heads * self.modes
        self.embed = Affine(channels - 1, size, draw)
        # Complex entries of Rayleigh modulus and uniform phase: real and imaginary parts are independent normal variables.
        self.project = nn.Parameter(torch.randn(size, 6 * width, generator=draw) / (size + width) ** 0.5)
        self.back = nn.Parameter(torch.randn(2 * width, size, generator=draw) / (2 * (size + width)) ** 0.5)
        self.read = Affine(size, dim, draw)
        self.frequency = nn.Parameter(torch.logspace(-1, math.log10(3), self.modes).repeat(self.heads, 1))
        self.temperature = nn.Parameter(_unsoftplus(torch.ones(self.heads)))

    def forward(self, x: Float[Tensor, "*batch time channel"]) -> Float[Tensor, "*batch time dim"]:
        """The outputs; time and memory grow with the square of the length."""
        after = x[..., -1].double().cumsum(-1)
        before = (after - x[..., -1]).to(x)[..., None, :]
        tokens = self.embed(x[..., :-1]) @ self.project
        tokens = tokens.reshape(*x.shape[:-1], 3, self.heads, 2, self.modes)
        parts = tokens.movedim(-4, 0).movedim(-4, -3)  # [part, *batch, head, time, 2, mode]
        frequency = self.frequency[:, None]
        q, k, v = rotated(parts, -before[..., None] * frequency).flatten(-2)
        mixed = self.mix(q, k, v, before, x[..., None, :, -1:])
        mixed = mixed.reshape(*mixed.shape[:-1], 2, self.modes)
        mixed = rotated(mixed, after.to(x)[..., None, :, None] * frequency)
        return self.read(mixed.movedim(-4, -3).flatten(-3) @ self.back)

    @abstractmethod
    def mix(self, q: Tensor, k: Tensor, v: Tensor, times: Tensor, gaps: Tensor) -> Tensor:
        """The weighted sums of values [*batch, head, time, 2 mode]; times [*batch, 1, time], gaps [*batch, 1, time, 1]."""


def _causal(logits: Float[Tensor, "*batch time time"]) -> Float[Tensor, "*batch time time"]:
    """Softmax over the tokens up to each."""
    future = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).triu(1)
    return logits.masked_fill(future, -torch.inf).softmax(-1)


class _RotaryLayer(_AttentionLayer):
    def mix(self, q: Tensor, k: Tensor, v: Tensor, times: Tensor, gaps: Tensor) -> Tensor:
        scale = functional.softplus(self.temperature) / self.modes**0.5
        return _causal(scale[:, None, None] * (q @ k.mT)) @ v


class _FilterLayer(_AttentionLayer):
    def __init__(self, method: RotaryAttention, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__(method, channels, dim, draw)
        one = torch.ones(self.heads)
        self.log_decay = nn.Parameter(torch.logspace(-2, math.log10(0.3), self.heads).log())
        self.process, self.measured, self.anchor, self.tail = (
            nn.Parameter(_unsoftplus(size * one)) for size in (0.1, 1.0, 1.0, 4.0)
        )

    def mix(self, q: Tensor, k: Tensor, v: Tensor, times: Tensor, gaps: Tensor) -> Tensor:
        decay = self.log_decay.exp()[:, None, None]
        decayed = (-decay * (times[..., :, None] - times[..., None, :]).clamp(min=0)).exp()
        distance = q.square().sum(-1)[..., None] + decayed * (
            decayed * k.square().sum(-1)[..., None, :] - 2 * (q @ k.mT)
        )
        process, measured, anchor, tail, power = (
            functional.softplus(part)[:, None, None]
            for part in (self.process, self.measured, self.anchor, self.tail, self.temperature)
        )
        variance = path_variance(decayed, process, measured, anchor).clamp(min=_LEAST_VARIANCE)
        robust = power * (tail + 1 / self.modes)
        logits = filter_logits(distance.clamp(min=0), variance, power, robust, tail * self.modes)
        return (-decay * gaps).exp() * ((_causal(logits) * decayed) @ v)


@dataclass(frozen=True)
class RotaryAttention(SequenceMethod):
    """a_ij = softmax_j b Re(q_i^* e^{i w (t_i - t_j)} k_j) / sqrt(m), j <= i: attention with rotary times.

    q, k, v: `modes` complex numbers for each of the heads, linear in an affine `embedding` of (u_i, y_{i-1}). The values are
    rotated to the time of the next sample. w: trained, initially log-spaced from 0.1 to 3 per unit of time; b: trained, initially
    1. The learning rate of both is `rate` / 2.

    Differs from the paper: frequencies are trained and times are real numbers, as in `afa`, of which this is the rival of equal
    size; the values are rotated too.

    key: su2024
    """

    embedding: Size = 16
    heads: Count = 4
    modes: Size = 8

    timed: ClassVar[bool] = True

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One attention layer."""
        return _RotaryLayer(self, channels, dim, draw)

    def recipe(self) -> Recipe:
        """Adam, with half the learning rate for the parameters of the dynamics."""
        dynamics = "log_decay|frequency|process|measured|anchor|tail|temperature"
        return Recipe(steps=self.steps, rate=self.rate, validate_every=50, rates={dynamics: 0.5})


@dataclass(frozen=True)
class AdaptiveFilterAttention(RotaryAttention):
    """a_ij = softmax_j b [-ln V_ij - (nu + 1/m) ln(1 + |r_ij|^2 / (nu m V_ij))], r_ij = q_i - e^{lambda (t_i - t_j)} k_j, j <= i.

    lambda = -mu + i w. V_ij = s (1 - E^2) + n E^2 + g, E = e^{-mu (t_i - t_j)}: the variance of e^{lambda (t_i - t_j)} y_j as an
    estimate of a state with stationary variance s, of which y_j is measured with variance n. The output is
    e^{lambda (t' - t_i)} sum_j a_ij e^{lambda (t_i - t_j)} v_j, for the time t' of the next sample. mu (0.01 to 0.3 over heads at
    the start), w, s, n, g, nu and b are trained. Source: Racioppo 2025, section 4; nu, b and the stationary form of V: his code.

    Differs from the code: Adam has the same moments for all parameters, and the learning rate warms up over 30 % of the steps.

    key: racioppo2025
    """

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One attention layer with the weights of a filter."""
        return _FilterLayer(self, channels, dim, draw)
