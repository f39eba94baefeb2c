"""The diagonal linear recurrence with constant coefficients, and its gradient in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.scan import diagonal_scan

__all__ = ["invariant_scan"]


def invariant_scan(
    a: Complex[Tensor, " mode"], b: Float[Tensor, "*batch time two_mode"]
) -> Float[Tensor, "*batch time two_mode"]:
    """h_t = a h_{t-1} + b_t with h_{-1} = 0, a in complex128: O(time mode), whatever the number of channels around it.

    The last axis of b and h holds all real parts, then all imaginary parts, so that products with them are single real ones.
    The state is carried in double precision and stored in the precision of b. The adjoint is the recurrence run backwards:
    g_t = dL/dh_t + conj(a) g_{t+1}, dL/db_t = g_t and dL/da = sum_t g_t conj(h_{t-1}).
    """
    if not (compiling.available() and b.device.type == "cpu"):
        drive = torch.complex(*b.chunk(2, dim=-1))
        states = diagonal_scan(a.to(drive).expand(drive.shape), drive)
        return torch.cat([states.real, states.imag], dim=-1)
    rates = torch.cat([a.real, a.imag])
    h: Tensor = _Scan.apply(rates[None], b.reshape(1, -1, *b.shape[-2:]))  # type: ignore[no-untyped-call]
    return h.reshape(b.shape)


class _Scan(torch.autograd.Function):
    """The recurrences of several members: a [member, 2 mode], b [member, batch, time, 2 mode]."""

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        h = torch.empty_like(b, memory_format=torch.contiguous_format)
        _walk(*map(compiling.as_array, (a, b, h)))
        return h

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        a, h = ctx.saved_tensors
        to_a, to_b = torch.zeros_like(a), torch.empty_like(h)
        _walk_back(*map(compiling.as_array, (a, h, gradients[0], to_a, to_b)))
        return to_a, to_b

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], a: Tensor, b: Tensor) -> tuple[Tensor, int]:
        size = info.batch_size
        parts = (
            part.expand(size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip((a, b), in_dims, strict=True)
        )
        h: Tensor = _Scan.apply(*(part.flatten(0, 1) for part in parts))  # type: ignore[no-untyped-call]
        return h.reshape(size, -1, *h.shape[1:]), 0


@compiling.kernel
def _walk(a: Any, b: Any, h: Any) -> None:  # pragma: no cover - compiled
    members, batch, time, both = b.shape
    modes = both // 2
    real, imag = np.empty(modes), np.empty(modes)
    for m in range(members):
        rate_real, rate_imag = a[m, :modes], a[m, modes:]
        for n in range(batch):
            real[:] = 0.0
            imag[:] = 0.0
            for t in range(time):
                drive_real, drive_imag = b[m, n, t, :modes], b[m, n, t, modes:]
                out_real, out_imag = h[m, n, t, :modes], h[m, n, t, modes:]
                for k in range(modes):
                    x = rate_real[k] * real[k] - rate_imag[k] * imag[k] + drive_real[k]
                    y = rate_real[k] * imag[k] + rate_imag[k] * real[k] + drive_imag[k]
                    real[k], imag[k] = x, y
                    out_real[k], out_imag[k] = x, y


@compiling.kernel
def _walk_back(a: Any, h: Any, to_h: Any, to_a: Any, to_b: Any) -> None:  # pragma: no cover - compiled
    members, batch, time, both = h.shape
    modes = both // 2
    real, imag, rest = np.empty(modes), np.empty(modes), np.zeros(both, h.dtype)
    for m in range(members):
        rate_real, rate_imag, by_real, by_imag = a[m, :modes], a[m, modes:], to_a[m, :modes], to_a[m, modes:]
        for n in range(batch):
            real[:] = 0.0
            imag[:] = 0.0
            for t in range(time - 1, -1, -1):
                pull_real, pull_imag = to_h[m, n, t, :modes], to_h[m, n, t, modes:]
                out_real, out_imag = to_b[m, n, t, :modes], to_b[m, n, t, modes:]
                last = h[m, n, t - 1] if t > 0 else rest
                last_real, last_imag = last[:modes], last[modes:]
                for k in range(modes):
                    x = rate_real[k] * real[k] + rate_imag[k] * imag[k] + pull_real[k]
                    y = rate_real[k] * imag[k] - rate_imag[k] * real[k] + pull_imag[k]
                    real[k], imag[k] = x, y
                    out_real[k], out_imag[k] = x, y
                for k in range(modes):
                    by_real[k] += real[k] * last_real[k] + imag[k] * last_imag[k]
                    by_imag[k] += imag[k] * last_real[k] - real[k] * last_imag[k]
