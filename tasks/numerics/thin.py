"""Affine maps of many rows with few inputs or few outputs, compiled: a matrix product takes several times as long."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics import compiling

__all__ = ["thin_affine"]

# The largest number of inputs or outputs for which the compiled loops are faster than a matrix product.
_FEW = 4
# Gradients of the weights are added up in blocks of rows, so that rounding errors of single precision stay small.
_BLOCK = 128


def thin_affine(
    x: Float[Tensor, "*batch channel"], weight: Float[Tensor, "channel dim"], bias: Float[Tensor, " dim"] | None = None
) -> Float[Tensor, "*batch dim"]:
    """x W + b; compiled if W has at most four rows or at most four columns."""
    channels, dim = weight.shape
    rows = x.reshape(-1, channels)
    fits = compiling.available() and x.device.type == "cpu" and x.dtype == weight.dtype
    if not (fits and 0 < min(channels, dim) <= _FEW):
        y = rows @ weight
        return (y if bias is None else y + bias).reshape(*x.shape[:-1], dim)
    shift = weight.new_zeros(dim) if bias is None else bias
    y = _Thin.apply(rows[None], weight[None], shift[None])  # type: ignore[no-untyped-call]
    return y.reshape(*x.shape[:-1], dim)


class _Thin(torch.autograd.Function):
    """Several members: x [member, row, channel], W [member, channel, dim], b [member, dim]."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        y = x.new_empty(*x.shape[:-1], weight.shape[-1])
        walk, turned = (_few_inputs, weight) if weight.shape[1] <= _FEW else (_few_outputs, weight.mT)
        walk(*map(compiling.as_array, (x, turned, bias, y)))
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        (pull,) = gradients
        few_inputs = weight.shape[1] <= _FEW
        to_x = None
        if ctx.needs_input_grad[0]:
            # The gradient is a thin product as well, with the roles of inputs and outputs exchanged.
            to_x, none = (
                torch.empty_like(x, memory_format=torch.contiguous_format),
                x.new_zeros(x.shape[0], x.shape[-1]),
            )
            walk, turned = (_few_outputs, weight) if few_inputs else (_few_inputs, weight.mT)
            walk(*map(compiling.as_array, (pull, turned, none, to_x)))
        if few_inputs:
            to_weight, to_bias = torch.zeros_like(weight), weight.new_zeros(weight.shape[0], weight.shape[-1])
            _outer_products(*map(compiling.as_array, (x, pull, to_weight, to_bias)))
        else:
            turned = weight.new_zeros(weight.mT.shape)
            _outer_products(*map(compiling.as_array, (pull, x, turned, weight.new_zeros(len(x), x.shape[-1]))))
            to_weight, to_bias = turned.mT, pull.sum(1)
        return to_x, to_weight, to_bias

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        size = info.batch_size
        parts = (
            part.expand(size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip(inputs, in_dims, strict=True)
        )
        y: Tensor = _Thin.apply(*(part.flatten(0, 1) for part in parts))  # type: ignore[no-untyped-call]
        return y.unflatten(0, (size, -1)), 0  # type: ignore[no-untyped-call]


@compiling.kernel
def _few_inputs(x: Any, weight: Any, bias: Any, y: Any) -> None:  # pragma: no cover - compiled
    members, rows, dim = y.shape
    channels = x.shape[2]
    for m in range(members):
        own, shift = weight[m], bias[m]
        for r in range(rows):
            row, out = x[m, r], y[m, r]
            if channels == 1:
                first = row[0]
                for i in range(dim):
                    out[i] = shift[i] + first * own[0, i]
            elif channels == 2:
                first, second = row[0], row[1]
                for i in range(dim):
                    out[i] = shift[i] + first * own[0, i] + second * own[1, i]
            else:
                out[:] = shift
                for c in range(channels):
                    factor = row[c]
                    for i in range(dim):
                        out[i] += factor * own[c, i]


@compiling.kernel
def _few_outputs(x: Any, weight: Any, bias: Any, y: Any) -> None:  # pragma: no cover - compiled
    """weight is transposed, [member, dim, channel]."""
    members, rows, dim = y.shape
    channels = x.shape[2]
    for m in range(members):
        for i in range(dim):
            own, shift = weight[m, i], bias[m, i]
            for r in range(rows):
                row, total = x[m, r], x.dtype.type(0)
                for c in range(channels):
                    total += row[c] * own[c]
                y[m, r, i] = shift + total


@compiling.kernel
def _outer_products(few: Any, many: Any, total: Any, sums: Any) -> None:  # pragma: no cover - compiled
    """total [member, few, many] += few' many, and sums [member, many] += many, over all rows."""
    members, rows, size = many.shape
    count = few.shape[2]
    part, whole = np.empty((count, size), many.dtype), np.empty(size, many.dtype)
    zero = many.dtype.type(0)
    for m in range(members):
        for first in range(0, rows, _BLOCK):
            part[:] = zero
            whole[:] = zero
            for r in range(first, min(first + _BLOCK, rows)):
                row, factors = many[m, r], few[m, r]
                for i in range(size):
                    whole[i] += row[i]
                for c in range(count):
                    factor, own = factors[c], part[c]
                    for i in range(size):
                        own[i] += factor * row[i]
            for i in range(size):
                sums[m, i] += whole[i]
            for c in range(count):
                for i in range(size):
                    total[m, c, i] += part[c, i]
