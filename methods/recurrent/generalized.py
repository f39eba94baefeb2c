"""Generalized teacher forcing of shallow piecewise linear networks, with a hand-written gradient, batched over seeds.

The counterpart of `forcing.py`. Shapes: R seeds, S windows, T steps, M units, H hidden units, N observed units.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.recurrent import compiled_generalized
from dynamark.methods.recurrent.compiled import available

__all__ = ["Mixed", "mixed", "mixed_eagerly"]

# a, W1, W2, h1, h2: parameters of z -> a z + W1 (relu(W2 z + h2) - relu(W2 z)) + h1; if not clipped, without the second relu.
Parameters = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def mixed_eagerly(parameters: Parameters, z: Tensor, x: Tensor, alpha: Tensor, interval: int, clipped: bool) -> Tensor:
    """The reference implementation for one seed, step by step in autograd; `mixed` is tested against it.

    z_{t+1} = F((1 - alpha) z_t + alpha x_t), mixing the observed units only, if t > 1 and (t - 1) mod interval = 0, else F(z_t);
    z_1 = z. Returns z_2 ... z_{T+1} [T, S, M].
    """
    a, w1, w2, h1, h2 = parameters
    states, observed = [], x.shape[-1]
    for t in range(x.shape[-2]):
        if t and t % interval == 0:
            z = torch.cat([torch.lerp(z[..., :observed], x[..., t, :], alpha), z[..., observed:]], dim=-1)
        u = z @ w2.mT
        phi = (u + h2).relu() - u.relu() if clipped else (u + h2).relu()
        z = a * z + phi @ w1.mT + h1
        states.append(z)
    return torch.stack(states)


def mixed(
    parameters: Parameters,
    z: Float[Tensor, "R S M"],
    x: Float[Tensor, "R S T N"],
    alpha: Float[Tensor, " R"],
    interval: int,
    clipped: bool,
) -> Float[Tensor, "R T S M"]:
    """The result of `mixed_eagerly` for all seeds, by the fused pass."""
    return Mixed.apply(*parameters, z, x, alpha, interval, clipped)[0]  # type: ignore[no-untyped-call]


class Mixed(torch.autograd.Function):
    """The fused pass: compiled kernels if numba is installed and the tensors are on the CPU, else torch.

    There is no gradient with respect to x and alpha.
    """

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, Tensor]:
        """The states after each step [R, T, S, M]; and the mixed states before each step, for the backward pass."""
        return _engine(args[0])[0](*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Save what the backward pass needs."""
        *parameters, _, x, alpha, interval, clipped = inputs
        ctx.settings = (interval, clipped, x.shape[-1])
        ctx.save_for_backward(*parameters, alpha, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients with respect to the parameters and z_1."""
        gradients = _engine(ctx.saved_tensors[0])[1](*ctx.saved_tensors, cotangents[0], *ctx.settings)
        return *gradients, None, None, None, None


def _engine(a: Tensor) -> tuple[Any, Any]:
    if available() and a.device.type == "cpu":
        return compiled_generalized.forward, compiled_generalized.backward
    return _forward, _backward


def _forward(
    a: Tensor,
    w1: Tensor,
    w2: Tensor,
    h1: Tensor,
    h2: Tensor,
    z: Tensor,
    x: Tensor,
    alpha: Tensor,
    interval: int,
    clipped: bool,
) -> tuple[Tensor, Tensor]:
    """The states after each step and the mixed states before each step, both [R, T, S, M]."""
    seeds, windows, steps, observed = x.shape
    before = a.new_empty(seeds, steps, *z.shape[1:])
    after, u = torch.empty_like(before), a.new_empty(seeds, windows, h2.shape[-1])
    rate, offset, shift, mix = a[:, None], h1[:, None], h2[:, None], alpha[:, None, None]
    out_weights, in_weights = w1.mT, w2.mT
    views = (before, before[..., :observed], after)
    slices = zip(*(v.unbind(1) for v in views), x.unbind(2), strict=True)
    for t, (state, observed_part, out, datum) in enumerate(slices):
        state.copy_(z)
        if t and t % interval == 0:
            observed_part.lerp_(datum, mix.expand_as(datum))
        torch.bmm(state, in_weights, out=u)
        phi = (u + shift).clamp_(min=0)
        if clipped:
            phi -= u.clamp(min=0)
        torch.addcmul(offset, rate, state, out=out)
        out.baddbmm_(phi, out_weights)
        z = out
    return after, before


def _backward(
    a: Tensor, w1: Tensor, w2: Tensor, h1: Tensor, h2: Tensor, alpha: Tensor, before: Tensor, cotangent: Tensor,
    interval: int, clipped: bool, observed: int,
) -> tuple[Tensor, ...]:  # fmt: skip
    """g_{t+1} = dL/dz_{t+1} + d_{t+1}; d_t = a g_{t+1} + ((g_{t+1} W1) phi'(W2 z_t)) W2, observed part times 1 - alpha."""
    total = cotangent.clone(memory_format=torch.contiguous_format)
    inside = before @ w2[:, None].mT
    active = (inside > -h2[:, None, None]).to(a.dtype)
    slope = active - (inside > 0).to(a.dtype) if clipped else active
    to_hidden = torch.empty_like(inside)
    total_steps, slope_steps, to_hidden_steps = total.unbind(1), slope.unbind(1), to_hidden.unbind(1)
    rate, to_state = a[:, None], torch.zeros_like(total_steps[0])
    observed_part, weight = to_state[..., :observed], 1 - alpha[:, None, None]
    for t in range(len(total_steps) - 1, -1, -1):
        g, to_hidden_t = total_steps[t], to_hidden_steps[t]
        g += to_state
        torch.bmm(g, w1, out=to_hidden_t)
        torch.mul(rate, g, out=to_state)
        to_state.baddbmm_(to_hidden_t * slope_steps[t], w2)
        if t and t % interval == 0:
            observed_part.mul_(weight)
    phi = (inside + h2[:, None, None]).clamp_(min=0)
    if clipped:
        phi -= inside.clamp(min=0)
    by_shift = (to_hidden * active).flatten(1, 2).sum(1)
    flat, states, features, to_hidden = (v.flatten(1, 2) for v in (total, before, phi, to_hidden * slope))
    return (flat * states).sum(1), flat.mT @ features, to_hidden.mT @ states, flat.sum(1), by_shift, to_state
