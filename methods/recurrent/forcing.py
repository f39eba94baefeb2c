"""Identity teacher forcing of almost-linear networks, forward and backward by hand, all seeds at once.

The recursion is short on arithmetic and long on calls: what autograd records step by step costs more than what it computes.
Here a step is four calls, the backward recursion keeps only the cotangents, and the gradient by W is one product over all
times. Shapes: R seeds, S windows, T steps, M units, N observed, the last P rectified.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.recurrent import compiled

__all__ = ["Forced", "forced", "forced_eagerly"]


def forced_eagerly(a: Tensor, w: Tensor, h: Tensor, z: Tensor, x: Tensor, rectified: int, interval: int) -> Tensor:
    """The definition, step by step in autograd: one member; what `forced` is tested against.

    z_{t+1} = a z_t + W phi(z_t) + h from z_1 = z; before the step out of time t > 1 with (t - 1) mod interval = 0 the first N
    coordinates of z_t are overwritten by x_t, and the gradient ends there. Returns z_2 ... z_{T+1}, not forced [T, S, M].
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
    """What `forced_eagerly` returns, of all members together by the fused pass."""
    return Forced.apply(a, w, h, z, x, rectified, interval)[0]  # type: ignore[no-untyped-call]


class Forced(torch.autograd.Function):
    """The fused pass: by compiled kernels where they are installed and the tensors are on the CPU, else by torch.

    No gradient flows to x.
    """

    @staticmethod
    def forward(
        a: Tensor, w: Tensor, h: Tensor, z: Tensor, x: Tensor, rectified: int, interval: int
    ) -> tuple[Tensor, Tensor]:
        """States [R, T, S, M] after each step; and, for the way back, the forced states before it."""
        return _engine(a)[0](a, w, h, z, x, rectified, interval)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep what the way back needs."""
        a, w, _, _, x, *ctx.settings = inputs
        ctx.observed = x.shape[-1]
        ctx.save_for_backward(a, w, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients by a, W, h and z_1."""
        a = ctx.saved_tensors[0]
        return *_engine(a)[1](*ctx.saved_tensors, cotangents[0], *ctx.settings, ctx.observed), None, None, None


def _engine(a: Tensor) -> tuple[Any, Any]:
    if compiled.available() and a.device.type == "cpu":
        return compiled.forward, compiled.backward
    return _forward, _backward


def _forward(
    a: Tensor, w: Tensor, h: Tensor, z: Tensor, x: Tensor, rectified: int, interval: int
) -> tuple[Tensor, Tensor]:
    """States after each step and forced states before it, both [R, T, S, M]."""
    seeds, _, steps, observed = x.shape
    before = a.new_empty(seeds, steps, *z.shape[1:])
    after, phi = torch.empty_like(before), torch.empty_like(z)
    rate, offset, weights, bent = a[:, None], h[:, None], w.mT, phi[..., a.shape[-1] - rectified :]
    # Views made once: in a step of a few small products, slicing would be a third of the time.
    views = (before, before[..., :observed], after)
    slices = zip(*(v.unbind(1) for v in views), x.unbind(2), strict=True)
    for t, (state, seen, out, datum) in enumerate(slices):
        state.copy_(z)
        if t and t % interval == 0:
            seen.copy_(datum)
        phi.copy_(state)
        bent.clamp_(min=0)
        torch.addcmul(offset, rate, state, out=out)
        out.baddbmm_(phi, weights)
        z = out
    return after, before


def _backward(
    a: Tensor, w: Tensor, before: Tensor, cotangent: Tensor, rectified: int, interval: int, observed: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """g_{t+1} = dL/dz_{t+1} + d_{t+1}; d_t = a g_{t+1} + (g_{t+1} W) phi'(z_t), zero on overwritten coordinates."""
    linear = a.shape[-1] - rectified
    total = cotangent.clone(memory_format=torch.contiguous_format)
    slopes = (before[..., linear:] > 0).to(a.dtype).unbind(1)
    ways = total.unbind(1)
    rate, back, carried = a[:, None], torch.empty_like(ways[0]), torch.zeros_like(ways[0])
    bent, seen = back[..., linear:], carried[..., :observed]
    for t in range(len(ways) - 1, -1, -1):
        g = ways[t]
        g += carried
        torch.bmm(g, w, out=back)
        bent *= slopes[t]
        torch.addcmul(back, rate, g, out=carried)
        if t and t % interval == 0:
            seen.zero_()
    flat, states = total.flatten(1, 2), before.flatten(1, 2)
    by_rate, active = (flat * states).sum(1), states.clone()
    active[..., linear:].clamp_(min=0)
    return by_rate, flat.mT @ active, flat.sum(1), carried
