"""The gated recurrent unit (GRU), with a hand-written gradient that is batched over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.fields import Size, Steps
from dynamark.methods.sequence import compiled_gated, steps
from dynamark.methods.sequence.recurrence import compiled_on
from dynamark.methods.sequence.stack import Affine, SequenceMethod
from dynamark.methods.sequence.steps import Stepwise, arrays

__all__ = ["GRU", "gru_scan", "gru_steps"]


def gru_scan(
    gates: Float[Tensor, "time batch gates"],
    recurrent: Float[Tensor, "unit gates"],
    bias: Float[Tensor, " unit"],
) -> Float[Tensor, "time batch unit"]:
    """h_t = n + z (h_{t-1} - n), (r, z) = sigmoid(x_rz + h_{t-1} U_rz), n = tanh(x_n + r (h_{t-1} U_n + b)), h_{-1} = 0.

    gates: the input's contributions x = (x_r, x_z, x_n) at every step. Under `vmap` a step is one batched product for all seeds.
    """
    states: Tensor = _Scan.apply(gates[:, None], recurrent[None], bias[None, None])[0]  # type: ignore[no-untyped-call]
    return states[:, 0]


class _Scan(torch.autograd.Function):
    """The recurrence for seeds stacked along axis 1: gates [time, member, batch, 3 unit]."""

    @staticmethod
    def forward(gates: Tensor, recurrent: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if compiled_on(gates):
            return compiled_gated.gru_forward(gates, recurrent, bias)  # type: ignore[return-value]
        time, members, batch, three = gates.shape
        units = three // 3
        rz = gates.new_empty(time, members, batch, 2 * units)
        inner, candidate, states = (gates.new_empty(time, members, batch, units) for _ in range(3))
        into_rz, into_n = recurrent[..., : 2 * units], recurrent[..., 2 * units :]
        h = gates.new_zeros(members, batch, units)
        for t in range(time):
            torch.baddbmm(gates[t, ..., : 2 * units], h, into_rz, out=rz[t])
            rz[t].sigmoid_()
            torch.baddbmm(bias, h, into_n, out=inner[t])
            torch.addcmul(gates[t, ..., 2 * units :], rz[t, ..., :units], inner[t], out=candidate[t])
            candidate[t].tanh_()
            torch.lerp(candidate[t], h, rz[t, ..., units:], out=states[t])
            h = states[t]
        return states, rz, inner, candidate

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(inputs[1], *output)
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients; that of each gate is dL/dh_t times a precomputed factor, so a step takes four kernels."""
        recurrent, states, rz, inner, n = ctx.saved_tensors
        # None if no output depends on the states.
        to_outputs = torch.zeros_like(states) if gradients[0] is None else gradients[0]
        if compiled_on(states):
            return compiled_gated.gru_backward(to_outputs, recurrent, states, rz, inner, n)
        time, members, batch, units = states.shape
        r, z = rz[..., :units], rz[..., units:]
        before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        by_n = (1 - z) * (1 - n * n)
        factors = torch.stack([by_n * inner * r * (1 - r), (before - n) * z * (1 - z), by_n * r], dim=-2)
        to_states, to_products = torch.empty_like(states), torch.empty_like(factors)
        back, carry = recurrent.mT, torch.zeros_like(states[0])
        for t in range(time - 1, -1, -1):
            torch.add(to_outputs[t], carry, out=to_states[t])
            torch.mul(to_states[t][..., None, :], factors[t], out=to_products[t])
            torch.mul(to_states[t], z[t], out=carry)
            carry = torch.baddbmm(carry, to_products[t].flatten(-2), back)
        products = to_products.flatten(-2)
        by_member = products.transpose(0, 1).reshape(members, time * batch, -1)
        to_recurrent = before.transpose(0, 1).reshape(members, time * batch, units).mT @ by_member
        to_bias = to_products[..., 2, :].sum((0, 2))[:, None]
        return torch.cat([products[..., : 2 * units], to_states * by_n], dim=-1), to_recurrent, to_bias

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Any, Any]:
        size = info.batch_size
        gates, recurrent, bias = (
            x.unsqueeze(place).expand(*x.shape[:place], size, *x.shape[place:]) if d is None else x.movedim(d, place)
            for x, d, place in zip(inputs, in_dims, (1, 0, 0), strict=True)
        )
        out = _Scan.apply(gates.flatten(1, 2), recurrent.flatten(0, 1), bias.flatten(0, 1))  # type: ignore[no-untyped-call]
        return tuple(x.unflatten(1, (size, -1)) for x in out), (1, 1, 1, 1)


class _GRULayer(nn.Module):
    """The recurrence after an affine map of the inputs and before an affine map of the states."""

    def __init__(self, units: int, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__()
        self.inputs = Affine(channels, 3 * units, draw)
        self.recurrent = nn.Parameter(torch.randn(units, 3 * units, generator=draw) / units**0.5)
        self.bias = nn.Parameter(torch.zeros(units))
        self.outputs = Affine(units, dim, draw)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.inputs(x.movedim(-2, 0).contiguous())
        return self.outputs(gru_scan(gates, self.recurrent, self.bias).movedim(0, -2))

    def steps(self) -> Stepwise:
        """The layer as a recurrence, one sample at a time."""
        return gru_steps(self.inputs, self.recurrent, self.bias, self.outputs)


def gru_steps(inputs: Affine, recurrent: Tensor, bias: Tensor, outputs: Affine) -> Stepwise:
    """A GRU as a recurrence, one sample at a time."""
    weights = arrays(inputs.weight, inputs.bias, recurrent, bias, outputs.weight, outputs.bias)
    return Stepwise(steps.gru, weights, len(bias))


@dataclass(frozen=True)
class GRU(SequenceMethod):
    """h_t = n + z (h_{t-1} - n), (r, z) = sigmoid(W x + U h + b)_rz, n = tanh(W_n x + b_n + r (U_n h + c)), y = C h + d.

    units: size of h. The weights are those of PyTorch's GRU without its two redundant biases, initialized with variance 1/fan-in.

    key: cho2014
    """

    units: Size = 32
    steps: Steps = 1000

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One GRU layer."""
        return _GRULayer(self.units, channels, dim, draw)
