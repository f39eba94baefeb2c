"""Banks of fixed filters, one impulse response per column, for regression on filtered inputs and outputs."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics.spectral_filters import spectral_filters, wedge_filters

__all__ = ["poles", "spectral", "taps", "wedge"]


def taps(length: int, count: int) -> Float[Tensor, "lag filter"]:
    """Unit impulses at lags 0 .. count-1: the filters of FIR and ARX models."""
    return torch.eye(length, min(count, length), dtype=torch.float64)


def poles(length: int, count: int) -> Float[Tensor, "lag filter"]:
    """a^i sqrt(1 - a^2) for `count` real poles a = 1 - 10^{-g}, g evenly spaced in [0, log10(T) + 1]."""
    gap = 10.0 ** -torch.linspace(0, math.log10(length) + 1, count, dtype=torch.float64)
    powers = torch.exp(torch.arange(length, dtype=torch.float64)[:, None] * torch.log1p(-gap[1:]))
    # The first gap is 1: a pole at 0, whose impulse response is the unit impulse.
    return torch.cat([taps(length, 1), powers * (gap[1:] * (2 - gap[1:])).sqrt()], dim=1)


def spectral(length: int, count: int, both_signs: bool) -> Float[Tensor, "lag filter"]:
    """The filters phi_j of spectral filtering; with `both_signs` also (-1)^i phi_j(i), for poles near -1."""
    phi = spectral_filters(length, min(count, length))[1]
    if not both_signs:
        return phi
    sign = 1.0 - 2.0 * (torch.arange(length) % 2)
    return torch.cat([phi, sign[:, None] * phi], dim=1)


def wedge(length: int, count: int, angle: float, mirrored: bool) -> Float[Tensor, "lag filter"]:
    """Filters for poles a with |arg a| <= angle; with `mirrored`, also for |arg(-a)| <= angle."""
    return wedge_filters(length, min(count, length), angle, mirrored)
