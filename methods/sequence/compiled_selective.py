"""The compiled pass of a selective state space model, which stores no decays and drives, and few of the states.

The backward pass computes the states of each chunk again from the first one, in the cache of the processor. Storing all of them
would take longer, because they do not fit into it.

Shapes: N sequences of all seeds, T steps, L lanes, S states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics.compiling import as_array, kernel
from dynamark.tasks.numerics.elementary import by_precision, exponential

__all__ = ["Selective"]

# Steps whose states are computed again together.
_CHUNK = 32


class Selective(torch.autograd.Function):
    """y_t = h_t c_t, h_t = e^{step_t a} h_{t-1} + step_t x_t b_t, with seeds along the first axis."""

    @staticmethod
    def forward(
        x: Float[Tensor, "member batch time lane"],
        step: Float[Tensor, "member batch time lane"],
        a: Float[Tensor, "member lane state"],
        b: Float[Tensor, "member batch time state"],
        c: Float[Tensor, "member batch time state"],
    ) -> tuple[Tensor, Tensor]:
        """y, and h before each chunk for the backward pass."""
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        h = x.new_empty(*x.shape[:2], -(-x.shape[2] // _CHUNK), *a.shape[1:])
        _walk(*map(as_array, (x, step, a, b, c, y, h)))
        return y, h

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        """Save what the backward pass needs."""
        ctx.save_for_backward(*inputs, output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, ...]:
        """The gradients with respect to all inputs."""
        *inputs, h = ctx.saved_tensors
        to_inputs = [torch.zeros_like(part, memory_format=torch.contiguous_format) for part in inputs]
        _walk_back(*map(as_array, (gradients[0], *inputs, h, *to_inputs)))
        return tuple(to_inputs)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Any, Any]:
        """Fold the mapped axis into the first axis."""
        size = info.batch_size
        parts = (
            part.expand(size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip(inputs, in_dims, strict=True)
        )
        out = Selective.apply(*(part.flatten(0, 1) for part in parts))  # type: ignore[no-untyped-call]
        return tuple(part.unflatten(0, (size, -1)) for part in out), (0, 0)


@by_precision
def _walk(x: Any, step: Any, a: Any, b: Any, c: Any, y: Any, h: Any) -> None:  # pragma: no cover - compiled
    members, batch, time, lanes = x.shape
    states = a.shape[2]
    one, zero = x.dtype.type(1), x.dtype.type(0)
    current = np.empty((lanes, states), x.dtype)
    for m in range(members):
        for n in range(batch):
            current[:] = 0
            for t in range(time):
                if t % _CHUNK == 0:
                    h[m, n, t // _CHUNK] = current
                into, out = b[m, n, t], c[m, n, t]
                for k in range(lanes):
                    rate, delta, state = a[m, k], step[m, n, t, k], current[k]
                    drive, total = delta * x[m, n, t, k], zero
                    for s in range(states):
                        value = exponential(delta * rate[s], one) * state[s] + drive * into[s]
                        state[s] = value
                        total += value * out[s]
                    y[m, n, t, k] = total


@kernel
def _again(x: Any, step: Any, a: Any, b: Any, decays: Any, past: Any) -> None:  # pragma: no cover - compiled
    """The decays of a chunk, and the states past[t + 1] after each of its steps, from past[0]."""
    time, lanes = x.shape
    one = x.dtype.type(1)
    for t in range(time):
        into = b[t]
        for k in range(lanes):
            rate, delta, last, now, decay = a[k], step[t, k], past[t, k], past[t + 1, k], decays[t, k]
            drive = delta * x[t, k]
            for s in range(len(rate)):
                factor = exponential(delta * rate[s], one)
                decay[s] = factor
                now[s] = factor * last[s] + drive * into[s]


@by_precision
def _walk_back(  # pragma: no cover - compiled
    to_y: Any,
    x: Any,
    step: Any,
    a: Any,
    b: Any,
    c: Any,
    h: Any,
    to_x: Any,
    to_step: Any,
    to_a: Any,
    to_b: Any,
    to_c: Any,
) -> None:
    members, batch, time, lanes = x.shape
    states, zero = a.shape[2], x.dtype.type(0)
    carry = np.empty((lanes, states), x.dtype)
    decays, past = np.empty((_CHUNK, lanes, states), x.dtype), np.empty((_CHUNK + 1, lanes, states), x.dtype)
    for m in range(members):
        for n in range(batch):
            carry[:] = 0
            for chunk in range(h.shape[2] - 1, -1, -1):
                first = chunk * _CHUNK
                end = min(first + _CHUNK, time)
                past[0] = h[m, n, chunk]
                _again(x[m, n, first:end], step[m, n, first:end], a[m], b[m, n, first:end], decays, past)
                for t in range(end - 1, first - 1, -1):
                    into, out, by_into, by_out = b[m, n, t], c[m, n, t], to_b[m, n, t], to_c[m, n, t]
                    for k in range(lanes):
                        rate, delta, value, pull = a[m, k], step[m, n, t, k], x[m, n, t, k], to_y[m, n, t, k]
                        last, now, decay = past[t - first, k], past[t - first + 1, k], decays[t - first, k]
                        back, by_rate = carry[k], to_a[m, k]
                        by_drive, by_exponent, drive = zero, zero, delta * value
                        for s in range(states):
                            g = back[s] + pull * out[s]
                            decayed = g * decay[s]
                            by_decay = decayed * last[s]
                            by_out[s] += pull * now[s]
                            by_into[s] += drive * g
                            by_drive += g * into[s]
                            by_exponent += by_decay * rate[s]
                            by_rate[s] += by_decay * delta
                            back[s] = decayed
                        to_x[m, n, t, k] = by_drive * delta
                        to_step[m, n, t, k] = by_drive * value + by_exponent
