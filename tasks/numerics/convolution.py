"""Causal convolution by FFT, with matrix-valued kernels and with banks of scalar filters."""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

from dynamark.tasks.numerics.real_fft import real_fft

__all__ = ["causal_convolution", "channelwise_convolution", "combined_convolution", "filtered"]


def causal_convolution(
    x: Float[Tensor, "*batch time channel"], kernel: Float[Tensor, "lag channel dim"]
) -> Float[Tensor, "*batch time dim"]:
    """y_t = sum_{i <= t} x_{t-i} K_i, by one FFT per channel: O(time log time).

    Zero-padded, so the convolution is not circular. Values of x after t change y_t by rounding errors only.
    """
    time, lags = x.shape[-2], min(kernel.shape[0], x.shape[-2])
    size = next_fast_len(time + lags - 1, real=True)
    return _applied(x, torch.fft.rfft(kernel[:lags], size, dim=0), size)


def channelwise_convolution(
    x: Float[Tensor, "*batch time channel"], kernel: Float[Tensor, "lag channel"]
) -> Float[Tensor, "*batch time channel"]:
    """y_{t,c} = sum_{i <= t} x_{t-i,c} K_{i,c}: every channel has its own kernel."""
    time, lags = x.shape[-2], min(kernel.shape[0], x.shape[-2])
    size = next_fast_len(time + lags - 1, real=True)
    product = real_fft(x.mT, size) * real_fft(kernel[:lags].mT, size)
    return torch.fft.irfft(product, size)[..., :time].mT


def combined_convolution(
    x: Float[Tensor, "*batch time channel"],
    bank: Float[Tensor, "lag filter"],
    mix: Float[Tensor, "filter channel dim"],
    taps: Float[Tensor, "tap channel dim"],
) -> Float[Tensor, "*batch time dim"]:
    """The convolution with K = sum_j bank_j mix_j + taps, where filters and taps are fewer than pairs of channel and output.

    Only filters and taps are transformed: the transform of K is their combination at every frequency.
    """
    lags = bank.shape[0]
    size = next_fast_len(x.shape[-2] + lags - 1, real=True)
    unit = torch.eye(len(taps), dtype=bank.dtype, device=bank.device)
    basis = torch.cat([bank, functional.pad(unit, (0, 0, 0, lags - len(taps)))], dim=1)
    spectrum = torch.fft.rfft(basis, size, dim=0)
    weights = torch.cat([mix, taps]).flatten(1)
    response = torch.complex(spectrum.real @ weights, spectrum.imag @ weights)
    return _applied(x, response.reshape(-1, *mix.shape[1:]), size)


def _applied(
    x: Float[Tensor, "*batch time channel"], response: Complex[Tensor, "frequency channel dim"], size: int
) -> Float[Tensor, "*batch time dim"]:
    product = torch.einsum("...fc,fcd->...fd", torch.fft.rfft(x, size, dim=-2), response)
    return torch.fft.irfft(product, size, dim=-2)[..., : x.shape[-2], :]


def filtered(
    x: Float[Tensor, "*batch time channel"], bank: Float[Tensor, "lag filter"]
) -> Float[Tensor, "*batch time channel filter"]:
    """Every channel convolved with every filter: U_{t,c,j} = sum_{i <= t} bank_{i,j} x_{t-i,c}."""
    time, lags = x.shape[-2], min(bank.shape[0], x.shape[-2])
    size = next_fast_len(time + lags - 1, real=True)
    spectrum = torch.fft.rfft(x, size, dim=-2)[..., None]
    response = torch.fft.rfft(bank[:lags], size, dim=0)[:, None]
    return torch.fft.irfft(spectrum * response, size, dim=-3)[..., :time, :, :]
