"""The closed-form continuous-time cell, whose input includes the time between samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dynamark.methods.fields import Size, Steps
from dynamark.methods.sequence import compiled_continuous, steps
from dynamark.methods.sequence.recurrence import Recurrence, compiled_on, recur
from dynamark.methods.sequence.stack import Affine, SequenceMethod
from dynamark.methods.sequence.steps import Stepwise, arrays
from dynamark.tasks.numerics.thin import thin_affine

__all__ = ["CfC"]

# LeCun's scaled tanh: unit-variance inputs give outputs of about unit variance.
_HEIGHT, _SLOPE = 1.7159, 0.666


class _Cell(Recurrence):
    """x: the input's contribution to the backbone. weights: recurrent matrix, the four heads [backbone, 4 unit], their bias."""

    def run(self, x: Tensor, times: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        recurrent, heads, bias = weights
        if compiled_on(x):
            return compiled_continuous.cfc_forward(x, times, recurrent, heads, bias, _HEIGHT, _SLOPE)
        units = recurrent.shape[-2]
        backbone = torch.empty_like(x)
        head_values = x.new_empty(*x.shape[:-1], 4 * units)
        states, mix = (x.new_empty(*x.shape[:-1], units) for _ in range(2))
        h = x.new_zeros((*x.shape[1:-1], units))
        for t in range(len(x)):
            torch.baddbmm(x[t], h, recurrent, out=backbone[t])
            backbone[t].mul_(_SLOPE).tanh_()
            torch.baddbmm(bias, backbone[t], heads, alpha=_HEIGHT, out=head_values[t])
            head_values[t, ..., : 2 * units].tanh_()
            first, second, a, b = head_values[t].chunk(4, dim=-1)
            torch.addcmul(b, a, times[t], out=mix[t])
            mix[t].sigmoid_()
            torch.lerp(first, second, mix[t], out=states[t])
            h = states[t]
        return states, backbone, head_values, mix

    def pull(
        self, to_states: Tensor, x: Tensor, times: Tensor, weights: tuple[Tensor, ...], saved: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        if compiled_on(x):
            return compiled_continuous.cfc_backward(to_states, times, weights, saved, _HEIGHT, _SLOPE)
        states, backbone, head_values, mix = saved
        recurrent, heads, _ = weights
        units = states.shape[-1]
        first, second = head_values[..., :units], head_values[..., units : 2 * units]
        by_mix = (second - first) * mix * (1 - mix)
        # The gradients with respect to the four heads are dL/dh times these factors.
        factors = torch.stack([(1 - mix) * (1 - first**2), mix * (1 - second**2), by_mix * times, by_mix], dim=-2)
        by_backbone = _HEIGHT * _SLOPE * (1 - backbone**2)
        to_heads, to_x = torch.empty_like(factors), torch.empty_like(x)
        back, forth = recurrent.mT, heads.mT
        carry = torch.zeros_like(states[0])
        for t in range(len(x) - 1, -1, -1):
            torch.mul((to_states[t] + carry)[..., None, :], factors[t], out=to_heads[t])
            torch.mul(torch.bmm(to_heads[t].flatten(-2), forth), by_backbone[t], out=to_x[t])
            carry = torch.bmm(to_x[t], back)
        flat = to_heads.flatten(-2)
        past = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        return (
            to_x,
            torch.einsum("tmbi,tmbj->mij", past, to_x),
            _HEIGHT * torch.einsum("tmbi,tmbj->mij", backbone, flat),
            flat.sum((0, 2))[:, None],
        )


class _CfCLayer(nn.Module):
    """The cell after an affine map of the inputs, the last of which is the gap, and before an affine map of the states."""

    def __init__(self, method: CfC, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        units, backbone = method.units, method.backbone
        self.inputs = Affine(channels - 1, backbone, draw)
        self.recurrent = nn.Parameter(torch.randn(units, backbone, generator=draw) / units**0.5)
        self.heads = nn.Parameter(torch.randn(backbone, 4 * units, generator=draw) / backbone**0.5)
        self.bias = nn.Parameter(torch.zeros(1, 4 * units))
        self.outputs = Affine(units, dim, draw)

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(-2, 0)
        inputs = thin_affine(x[..., :-1].contiguous(), self.inputs.weight, self.inputs.bias)
        states = recur(_Cell(), inputs, x[..., -1:], self.recurrent, self.heads, self.bias)
        return thin_affine(states, self.outputs.weight, self.outputs.bias).movedim(0, -2)

    def steps(self) -> Stepwise:
        """The layer as a recurrence, one sample at a time."""
        inputs, outputs = self.inputs, self.outputs
        backbone = (_SLOPE * part for part in (inputs.weight, inputs.bias, self.recurrent))
        weights = arrays(*backbone, _HEIGHT * self.heads, self.bias[0], outputs.weight, outputs.bias)
        return Stepwise(steps.cfc, weights, len(self.recurrent))


@dataclass(frozen=True)
class CfC(SequenceMethod):
    """h+ = (1 - s) tanh f1(z) + s tanh f2(z), s = sigmoid(a(z) gap + b(z)), z = 1.7159 tanh(0.666 (W [u, h] + c)); y = C h + d.

    f1, f2, a, b: affine functions of z. units: size of h. backbone: size of z. gap: time since the previous sample; 1 for evenly
    spaced samples or if `blind`. Source: Hasani et al. 2022, equation (10), in the variant of their code (all heads share a
    backbone of one layer).

    key: hasani2022
    """

    units: Size = 32
    backbone: Size = 128
    steps: Steps = 1000

    timed: ClassVar[bool] = True

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One CfC layer."""
        return _CfCLayer(self, channels, dim, draw)
