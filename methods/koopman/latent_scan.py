"""A gated latent process that samples itself, with a hand-written gradient that is batched over seeds.

A step of this small network is dominated by the overhead per operation, which autograd and `vmap` multiply.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["LEAST", "MOST", "latent_scan"]

# Bounds of the logarithm of a variance.
LEAST, MOST = -10.0, 4.0


def latent_scan(
    noise: Float[Tensor, "time series latent"],
    into: Float[Tensor, "latent gates"],
    offset: Float[Tensor, " gates"],
    recurrent: Float[Tensor, "unit gates"],
    bias: Float[Tensor, " unit"],
    read: Float[Tensor, "unit twice"],
    shift: Float[Tensor, " twice"],
) -> tuple[Tensor, Tensor, Tensor]:
    """z_t = m_t + exp(v_t/2) e_t, (m_t, v_t) = h_t R + s, h_t = GRU(z_{t-1}, h_{t-1}), z_{-1} = h_{-1} = 0, v_t clamped.

    The GRU is that of `gru_scan`, its gates x = z W + w. noise: e. Returns z, m and v [time, series, latent].
    """
    parts = (
        noise[:, None],
        into[None],
        offset[None, None],
        recurrent[None],
        bias[None, None],
        read[None],
        shift[None, None],
    )
    z, both = _Scan.apply(*parts)[:2]  # type: ignore[no-untyped-call]
    mean, log_variance = both[:, 0].chunk(2, dim=-1)
    return z[:, 0], mean, log_variance


class _Scan(torch.autograd.Function):
    """The recurrence for seeds stacked along axis 1: noise [time, member, series, latent]."""

    @staticmethod
    def forward(
        noise: Tensor, into: Tensor, offset: Tensor, recurrent: Tensor, bias: Tensor, read: Tensor, shift: Tensor
    ) -> tuple[Tensor, ...]:
        time, members, series, latent = noise.shape
        units = recurrent.shape[1]
        states, candidate, inner = (noise.new_empty(time, members, series, units) for _ in range(3))
        gates = noise.new_empty(time, members, series, 2 * units)
        z, both = noise.new_empty(noise.shape), noise.new_empty(time, members, series, 2 * latent)
        h, previous = noise.new_zeros(members, series, units), noise.new_zeros(members, series, latent)
        for t in range(time):
            x = torch.baddbmm(offset, previous, into)
            own = h @ recurrent
            torch.add(x[..., : 2 * units], own[..., : 2 * units], out=gates[t]).sigmoid_()
            torch.add(own[..., 2 * units :], bias, out=inner[t])
            torch.addcmul(x[..., 2 * units :], gates[t, ..., :units], inner[t], out=candidate[t]).tanh_()
            torch.lerp(candidate[t], h, gates[t, ..., units:], out=states[t])
            h = states[t]
            torch.baddbmm(shift, h, read, out=both[t])
            both[t, ..., latent:].clamp_(LEAST, MOST)
            torch.addcmul(both[t, ..., :latent], (both[t, ..., latent:] / 2).exp_(), noise[t], out=z[t])
            previous = z[t]
        return z, both, states, candidate, inner, gates

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        noise, into, _, recurrent, _, read, _ = inputs
        ctx.save_for_backward(noise, into, recurrent, read, *output)
        ctx.mark_non_differentiable(*output[2:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the weights; the noise has none."""
        noise, into, recurrent, read, z, both, states, candidate, inner, gates = ctx.saved_tensors
        latent, units, time = noise.shape[-1], recurrent.shape[1], len(noise)
        to_z, to_both = gradients[0], gradients[1]
        half = (both[..., latent:] / 2).exp() * noise / 2
        free = (both[..., latent:] > LEAST) & (both[..., latent:] < MOST)
        r, u = gates[..., :units], gates[..., units:]
        before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        by_candidate, by_update = (1 - u) * (1 - candidate.square()), (before - candidate) * u * (1 - u)
        by_reset = by_candidate * inner * r * (1 - r)
        factors = torch.stack([by_reset, by_update, by_candidate * r], dim=-2)
        at_read, at_products = torch.empty_like(both), torch.empty_like(factors)
        at_gates = gates.new_empty(*gates.shape[:-1], 3 * units)
        carry_h, carry_z = torch.zeros_like(states[0]), torch.zeros_like(z[0])
        for t in range(time - 1, -1, -1):
            own = to_z[t] + carry_z
            torch.add(to_both[t, ..., :latent], own, out=at_read[t, ..., :latent])
            variance = torch.addcmul(to_both[t, ..., latent:], own, half[t]).mul_(free[t])
            at_read[t, ..., latent:] = variance
            h = torch.baddbmm(carry_h, at_read[t], read.mT)
            torch.mul(h[..., None, :], factors[t], out=at_products[t])
            flat = at_products[t].flatten(-2)
            at_gates[t, ..., : 2 * units] = flat[..., : 2 * units]
            torch.mul(h, by_candidate[t], out=at_gates[t, ..., 2 * units :])
            carry_h = torch.baddbmm(h * u[t], flat, recurrent.mT)
            carry_z = at_gates[t] @ into.mT
        delayed = torch.cat([torch.zeros_like(z[:1]), z[:-1]])
        return (
            None,
            _product(delayed, at_gates),
            _total(at_gates),
            _product(before, at_products.flatten(-2)),
            _total(at_products[..., 2, :]),
            _product(states, at_read),
            _total(at_read),
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Any, Any]:
        size = info.batch_size
        places = (1, *[0] * (len(inputs) - 1))
        stacked = (
            x.unsqueeze(place).expand(*x.shape[:place], size, *x.shape[place:]) if d is None else x.movedim(d, place)
            for x, d, place in zip(inputs, in_dims, places, strict=True)
        )
        out = _Scan.apply(*(x.flatten(place, place + 1) for x, place in zip(stacked, places, strict=True)))  # type: ignore[no-untyped-call]
        return tuple(x.unflatten(1, (size, -1)) for x in out), (1,) * len(out)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """sum over time and series of left^T right, of each member."""
    a, b = (x.transpose(0, 1).flatten(1, 2) for x in (left, right))
    return a.mT @ b


def _total(x: Tensor) -> Tensor:
    """The sum over time and series, of each member [member, 1, .]."""
    return x.sum((0, 2))[:, None]
