"""Identity teacher forcing of almost-linear networks, with a hand-written gradient, batched over seeds.

A step has little arithmetic and many calls, so recording it in autograd costs more than computing it. Here a step is four
calls, the backward recursion stores only the cotangents, and the gradient with respect to W is one product over all times.
Shapes: R seeds, S windows, T steps, M units, N observed units; the last P units are rectified.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.recurrent import compiled

__all__ = ["Forced", "forced", "forced_eagerly"]


def forced_eagerly(a: Tensor, w: Tensor, h: Tensor, z: Tensor, x: Tensor, rectified: int, interval: int) -> Tensor:
    """The reference implementation for one seed, step by step in autograd; `forced` is tested against it.

    z_{t+1} = a z_t + W phi(z_t) + h from z_1 = z; where t > 1 and (t - 1) mod interval = 0, the first N coordinates of z_t are
    first replaced by x_t, and no gradient flows through them. Returns the states z_2 ... z_{T+1} before forcing [T, S, M].
    """
    states, observed = [], x.shape[-1]
    for t in range(x.shape[-2]):
        if t and t % interval == 0:
            z = torch.cat([x[..., t, :], z[..., observed:]], dim=-1)
        linear = z.shape[-1] - rectified
        phi = torch.cat([z[..., :linear], z[..., linear:].relu()], dim=-1)
        z = a * z + phi @ w.mT + h
        states.append(z)
    return torch.stack(states)


def forced(
    a: Float[Tensor, "R M"],
    w: Float[Tensor, "R M M"],
    h: Float[Tensor, "R M"],
    z: Float[Tensor, "R S M"],
    x: Float[Tensor, "R S T N"],
    rectified: int,
    interval: int,
) -> Float[Tensor, "R T S M"]:
    """The result of `forced_eagerly` for all seeds, by the fused pass."""
    return Forced.apply(a, w, h, z, x, rectified, interval)[0]  # type: ignore[no-untyped-call]


class Forced(torch.autograd.Function):
    """The fused pass: compiled kernels if numba is installed and the tensors are on the CPU, else torch.

    There is no gradient with respect to x.
    """

    @staticmethod
    def forward(
        a: Tensor, w: Tensor, h: Tensor, z: Tensor, x: Tensor, rectified: int, interval: int
    ) -> tuple[Tensor, Tensor]:
        """The states after each step [R, T, S, M]; and the forced states before each step, for the backward pass."""
        return _engine(a)[0](a, w, h, z, x, rectified, interval)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Save what the backward pass needs."""
        a, w, _, _, x, *ctx.settings = inputs
        ctx.observed = x.shape[-1]
        ctx.save_for_backward(a, w, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients with respect to a, W, h and z_1."""
        a = ctx.saved_tensors[0]
        return *_engine(a)[1](*ctx.saved_tensors, cotangents[0], *ctx.settings, ctx.observed), None, None, None


def _engine(a: Tensor) -> tuple[Any, Any]:
    if compiled.available() and a.device.type == "cpu":
        return compiled.forward, compiled.backward
    return _forward, _backward


def _forward(
    a: Tensor, w: Tensor, h: Tensor, z: Tensor, x: Tensor, rectified: int, interval: int
) -> tuple[Tensor, Tensor]:
    """The states after each step and the forced states before each step, both [R, T, S, M]."""
    seeds, _, steps, observed = x.shape
    before = a.new_empty(seeds, steps, *z.shape[1:])
    after, phi = torch.empty_like(before), torch.empty_like(z)
    rate, offset, weights, relu_part = a[:, None], h[:, None], w.mT, phi[..., a.shape[-1] - rectified :]
    # Views are created once: slicing would take a third of the time of a step.
    views = (before, before[..., :observed], after)
    slices = zip(*(v.unbind(1) for v in views), x.unbind(2), strict=True)
    for t, (state, observed_part, out, datum) in enumerate(slices):
        state.copy_(z)
        if t and t % interval == 0:
            observed_part.copy_(datum)
        phi.copy_(state)
        relu_part.clamp_(min=0)
        torch.addcmul(offset, rate, state, out=out)
        out.baddbmm_(phi, weights)
        z = out
    return after, before


def _backward(
    a: Tensor, w: Tensor, before: Tensor, cotangent: Tensor, rectified: int, interval: int, observed: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """g_{t+1} = dL/dz_{t+1} + d_{t+1}; d_t = a g_{t+1} + (g_{t+1} W) phi'(z_t), zero on replaced coordinates."""
    linear = a.shape[-1] - rectified
    total = cotangent.clone(memory_format=torch.contiguous_format)
    slopes = (before[..., linear:] > 0).to(a.dtype).unbind(1)
    total_steps = total.unbind(1)
    rate, back, to_state = a[:, None], torch.empty_like(total_steps[0]), torch.zeros_like(total_steps[0])
    relu_part, observed_part = back[..., linear:], to_state[..., :observed]
    for t in range(len(total_steps) - 1, -1, -1):
        g = total_steps[t]
        g += to_state
        torch.bmm(g, w, out=back)
        relu_part *= slopes[t]
        torch.addcmul(back, rate, g, out=to_state)
        if t and t % interval == 0:
            observed_part.zero_()
    flat, states = total.flatten(1, 2), before.flatten(1, 2)
    by_rate, active = (flat * states).sum(1), states.clone()
    active[..., linear:].clamp_(min=0)
    return by_rate, flat.mT @ active, flat.sum(1), to_state
