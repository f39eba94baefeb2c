"""Impulse responses of diagonal systems: sums of complex exponentials on a time grid."""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

__all__ = ["exponential_sums"]


def exponential_sums(
    rates: Complex[Tensor, "*batch mode"], weights: Complex[Tensor, "*batch row mode"], length: int
) -> Float[Tensor, "*batch row time"]:
    """K_l = Re sum_n w_n e^{l a_n}, l = 0 .. length-1, for a_n with Re a_n <= 0.

    With l = q R + r the sum is a product of a [Q, n] and an [n, R] matrix, Q = R = sqrt(length): 2 sqrt(length)
    exponentials per mode instead of `length`, and no array [length, n]. Use complex128: phases at late times need it.
    """
    inner = math.isqrt(length - 1) + 1
    outer = -(-length // inner)
    fast = torch.exp(rates[..., None, :] * torch.arange(inner, device=rates.device)[:, None])
    slow = torch.exp(rates[..., None, :] * (inner * torch.arange(outer, device=rates.device))[:, None])
    left = (weights[..., :, None, :] * slow[..., None, :, :]).flatten(-3, -2)
    # Re(x y) = Re x Re y - Im x Im y: one real matrix product.
    real = torch.cat([left.real, -left.imag], dim=-1) @ torch.cat([fast.real, fast.imag], dim=-1).mT
    return real.reshape(*weights.shape[:-1], outer * inner)[..., :length]
