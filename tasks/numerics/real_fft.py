"""The Fourier transform of real sequences with its gradient by a real transform, which takes half the time of PyTorch's."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Complex, Float
from torch import Tensor

__all__ = ["real_fft"]


def real_fft(x: Float[Tensor, "*batch time"], size: int) -> Complex[Tensor, "*batch frequency"]:
    """X_k = sum_t x_t e^{-2 pi i k t / n}, k = 0 .. n/2, of x padded with zeros to n = `size`.

    The gradient is dL/dx_t = Re sum_k dL/dX_k e^{2 pi i k t / n}: an inverse real transform counts each frequency twice, except
    0 and n/2, so all others are halved first. PyTorch takes a complex transform of length n instead.
    """
    spectrum: Tensor = _RealFFT.apply(x, size)  # type: ignore[no-untyped-call]
    return spectrum


class _RealFFT(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, size: int) -> Tensor:
        return torch.fft.rfft(x, size)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.time, ctx.size = inputs[0].shape[-1], inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        weight = torch.full(gradient.shape[-1:], 0.5, dtype=gradient.real.dtype, device=gradient.device)
        weight[0] = 1
        if ctx.size % 2 == 0:
            weight[-1] = 1
        return torch.fft.irfft(gradient * weight, ctx.size, norm="forward")[..., : ctx.time], None
