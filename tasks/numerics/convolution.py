"""Causal convolution by FFT, with matrix-valued kernels and with banks of scalar filters."""

from __future__ import annotations

import torch
from jaxtyping import Float
from scipy.fft import next_fast_len
from torch import Tensor

__all__ = ["causal_convolution", "filtered"]


def causal_convolution(
    x: Float[Tensor, "*batch time channel"], kernel: Float[Tensor, "lag channel dim"]
) -> Float[Tensor, "*batch time dim"]:
    """y_t = sum_{i <= t} x_{t-i} K_i, by one FFT per channel: O(time log time).

    Zero-padded, so the convolution is not circular. Values of x after t change y_t by rounding errors only.
    """
    time, lags = x.shape[-2], min(kernel.shape[0], x.shape[-2])
    size = next_fast_len(time + lags - 1, real=True)
    spectrum = torch.fft.rfft(x, size, dim=-2)
    response = torch.fft.rfft(kernel[:lags], size, dim=0)
    product = torch.einsum("...fc,fcd->...fd", spectrum, response)
    return torch.fft.irfft(product, size, dim=-2)[..., :time, :]


def filtered(
    x: Float[Tensor, "*batch time channel"], bank: Float[Tensor, "lag filter"]
) -> Float[Tensor, "*batch time channel filter"]:
    """Every channel convolved with every filter: U_{t,c,j} = sum_{i <= t} bank_{i,j} x_{t-i,c}."""
    time, lags = x.shape[-2], min(bank.shape[0], x.shape[-2])
    size = next_fast_len(time + lags - 1, real=True)
    spectrum = torch.fft.rfft(x, size, dim=-2)[..., None]
    response = torch.fft.rfft(bank[:lags], size, dim=0)[:, None]
    return torch.fft.irfft(spectrum * response, size, dim=-3)[..., :time, :, :]
