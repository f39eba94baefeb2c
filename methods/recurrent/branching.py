"""Sparse teacher forcing of dendritic networks, batched over seeds: a reference in autograd, and a compiled version.

Shapes: R seeds, S windows, T steps, M units, B branches, N observed.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.recurrent import compiled_dendritic
from dynamark.methods.recurrent.compiled import available

__all__ = ["branched", "branched_eagerly", "dendrites"]

# a [R, M], W [R, M, M], h [R, M], alpha [R, B], H [R, M, B]
Parameters = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def dendrites(
    z: Float[Tensor, "*R S M"], alpha: Float[Tensor, "*R B"], thresholds: Float[Tensor, "*R M B"]
) -> Float[Tensor, "*R S M"]:
    """phi(z)_i = sum_b alpha_b (relu(z_i - H_ib) - relu(z_i))."""
    pieces = (z[..., None] - thresholds[..., None, :, :]).relu() - z.relu()[..., None]
    return (pieces @ alpha[..., None, :, None])[..., 0]


def branched_eagerly(
    parameters: Parameters, z: Float[Tensor, "R S M"], x: Float[Tensor, "R S T N"], interval: int
) -> Float[Tensor, "R T S M"]:
    """z_{t+1} = a z_t + W phi(z_t) + h; where t > 1 and (t - 1) mod interval = 0, z_t[:N] is first replaced by x_t."""
    a, w, h, alpha, thresholds = parameters
    states, observed = [], x.shape[-1]
    for t in range(x.shape[-2]):
        if t and t % interval == 0:
            z = torch.cat([x[:, :, t], z[..., observed:]], dim=-1)
        z = a[:, None] * z + dendrites(z, alpha, thresholds) @ w.mT + h[:, None]
        states.append(z)
    return torch.stack(states, dim=1)


def branched(
    parameters: Parameters, z: Float[Tensor, "R S M"], x: Float[Tensor, "R S T N"], interval: int
) -> Float[Tensor, "R T S M"]:
    """The result of `branched_eagerly`, by compiled kernels if numba is installed and the tensors are on the CPU."""
    if not (available() and z.device.type == "cpu"):
        return branched_eagerly(parameters, z, x, interval)
    return Branched.apply(*parameters, z, x, interval)[0]  # type: ignore[no-untyped-call]


class Branched(torch.autograd.Function):
    """The compiled forward and backward pass. There is no gradient with respect to x."""

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, Tensor]:
        """The states after each step [R, T, S, M]; and the forced states before each step, for the backward pass."""
        return compiled_dendritic.forward(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Save what the backward pass needs."""
        a, w, _, alpha, thresholds, _, x, interval = inputs
        ctx.settings = (interval, x.shape[-1])
        ctx.save_for_backward(a, w, alpha, thresholds, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients with respect to the parameters and z_1."""
        a, w, alpha, thresholds, before = ctx.saved_tensors
        interval, dim = ctx.settings
        return *compiled_dendritic.backward(a, w, alpha, thresholds, before, cotangents[0], interval, dim), None, None
