"""The compiled pass of a selective state space model, which does not store the decay and the drive of each step.

Shapes: N sequences of all seeds, T steps, L lanes, S states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics.compiling import as_array
from dynamark.tasks.numerics.elementary import by_precision, exponential

__all__ = ["Selective"]


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
        """y, and all h for the backward pass."""
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        h = x.new_empty(*x.shape, a.shape[-1])
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
    members, batch, time, lanes, states = h.shape
    one, zero = x.dtype.type(1), x.dtype.type(0)
    current = np.empty((lanes, states), x.dtype)
    for m in range(members):
        for n in range(batch):
            current[:] = 0
            for t in range(time):
                into, out = b[m, n, t], c[m, n, t]
                for k in range(lanes):
                    rate, delta, state, stored = a[m, k], step[m, n, t, k], current[k], h[m, n, t, k]
                    drive, total = delta * x[m, n, t, k], zero
                    for s in range(states):
                        value = exponential(delta * rate[s], one) * state[s] + drive * into[s]
                        state[s] = value
                        stored[s] = value
                        total += value * out[s]
                    y[m, n, t, k] = total


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
    members, batch, time, lanes, states = h.shape
    one, zero = x.dtype.type(1), x.dtype.type(0)
    carry, rest = np.empty((lanes, states), x.dtype), np.zeros(states, x.dtype)
    for m in range(members):
        for n in range(batch):
            carry[:] = 0
            for t in range(time - 1, -1, -1):
                into, out, by_into, by_out = b[m, n, t], c[m, n, t], to_b[m, n, t], to_c[m, n, t]
                for k in range(lanes):
                    rate, delta, value, now = a[m, k], step[m, n, t, k], x[m, n, t, k], h[m, n, t, k]
                    last, back, by_rate, pull = h[m, n, t - 1, k] if t else rest, carry[k], to_a[m, k], to_y[m, n, t, k]
                    by_drive, by_exponent, drive = zero, zero, delta * value
                    for s in range(states):
                        g = back[s] + pull * out[s]
                        decay = exponential(delta * rate[s], one)
                        by_decay = g * decay * last[s]
                        by_out[s] += pull * now[s]
                        by_into[s] += drive * g
                        by_drive += g * into[s]
                        by_exponent += by_decay * rate[s]
                        by_rate[s] += by_decay * delta
                        back[s] = g * decay
                    to_x[m, n, t, k] = by_drive * delta
                    to_step[m, n, t, k] = by_drive * value + by_exponent
