"""The diagonal linear recurrence with constant coefficients, and its gradient in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Complex
from torch import Tensor

from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.scan import diagonal_scan

__all__ = ["invariant_scan"]


def invariant_scan(
    a: Complex[Tensor, " mode"], b: Complex[Tensor, "*batch time mode"]
) -> Complex[Tensor, "*batch time mode"]:
    """h_t = a h_{t-1} + b_t with h_{-1} = 0, a in complex128: O(time mode), whatever the number of channels around it.

    The state is carried in double precision and stored in the precision of b. The adjoint is the recurrence run backwards:
    g_t = dL/dh_t + conj(a) g_{t+1}, dL/db_t = g_t and dL/da = sum_t g_t conj(h_{t-1}).
    """
    if not (compiling.available() and b.device.type == "cpu"):
        return diagonal_scan(a.to(b).expand(b.shape), b)
    lifted = b.reshape(1, -1, *b.shape[-2:])
    h: Tensor = _Scan.apply(a[None], lifted)  # type: ignore[no-untyped-call]
    return h.reshape(b.shape)


class _Scan(torch.autograd.Function):
    """The recurrences of several members: a [member, mode], b [member, batch, time, mode]."""

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        h = torch.empty_like(b, memory_format=torch.contiguous_format)
        _walk(*map(_pairs, (a, b, h)))
        return h

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        a, h = ctx.saved_tensors
        to_a, to_b = torch.zeros_like(a), torch.empty_like(h)
        _walk_back(*map(_pairs, (a, h, gradients[0], to_a, to_b)))
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


def _pairs(x: Tensor) -> Any:
    """Real and imaginary parts along the last axis: numba does not mix complex numbers of two precisions."""
    return torch.view_as_real(x.detach().resolve_conj().contiguous()).numpy()


@compiling.kernel
def _walk(a: Any, b: Any, h: Any) -> None:  # pragma: no cover - compiled
    members, batch, time, modes, _ = b.shape
    real, imag = np.empty(modes), np.empty(modes)
    for m in range(members):
        rate = a[m]
        for n in range(batch):
            real[:] = 0.0
            imag[:] = 0.0
            for t in range(time):
                drive, out = b[m, n, t], h[m, n, t]
                for k in range(modes):
                    x = rate[k, 0] * real[k] - rate[k, 1] * imag[k] + drive[k, 0]
                    y = rate[k, 0] * imag[k] + rate[k, 1] * real[k] + drive[k, 1]
                    real[k], imag[k] = x, y
                    out[k, 0], out[k, 1] = x, y


@compiling.kernel
def _walk_back(a: Any, h: Any, to_h: Any, to_a: Any, to_b: Any) -> None:  # pragma: no cover - compiled
    members, batch, time, modes, _ = h.shape
    real, imag = np.empty(modes), np.empty(modes)
    for m in range(members):
        rate, by_rate = a[m], to_a[m]
        for n in range(batch):
            real[:] = 0.0
            imag[:] = 0.0
            for t in range(time - 1, -1, -1):
                pull, out = to_h[m, n, t], to_b[m, n, t]
                for k in range(modes):
                    x = rate[k, 0] * real[k] + rate[k, 1] * imag[k] + pull[k, 0]
                    y = rate[k, 0] * imag[k] - rate[k, 1] * real[k] + pull[k, 1]
                    real[k], imag[k] = x, y
                    out[k, 0], out[k, 1] = x, y
                if t > 0:
                    last = h[m, n, t - 1]
                    for k in range(modes):
                        by_rate[k, 0] += real[k] * last[k, 0] + imag[k] * last[k, 1]
                        by_rate[k, 1] += imag[k] * last[k, 0] - real[k] * last[k, 1]
