"""The compiled scan of linear recurrences whose structured transition matrix changes at every step.

Shapes: N sequences of all seeds, T steps, S states. As in the selective scan, the transition matrices are not formed: the scan
reads the parameters of each step. The products with them are those of `structures`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dynamark.methods.sequence.recurrence import compiled_on
from dynamark.methods.sequence.structures import STRUCTURES
from dynamark.tasks.numerics.compiling import Kernel, as_array, kernel

__all__ = ["LIMIT", "structured_scan", "structured_step"]

# States are clipped at +- this value, so that an unstable recurrence stays finite; a clipped state passes no gradient back.
LIMIT = 1e4


def structured_scan(
    structure: str,
    theta: Float[Tensor, "*batch time entry"],
    drive: Float[Tensor, "*batch time state"],
    keep: Float[Tensor, " state"],
    start: Float[Tensor, " state"],
    pairs: Float[Tensor, "2 rank state"],
    columns: Int[Tensor, "state per_row"],
) -> Float[Tensor, "*batch time state"]:
    """All h_t = keep h_{t-1} + N(theta_t) h_{t-1} + drive_t, h_{-1} = start, clipped at +-`LIMIT`; N of `structures`."""
    if compiled_on(drive):
        parts = (part.reshape(1, -1, *part.shape[-2:]) for part in (theta, drive))
        constant = (part[None] for part in (keep, start, pairs, columns))
        states = _Scan.apply(structure, *parts, *constant)  # type: ignore[no-untyped-call]
        return states.reshape(drive.shape)
    product, h, out = STRUCTURES[structure].product, start.expand(drive[..., 0, :].shape), []
    for entries, push in zip(theta.unbind(-2), drive.unbind(-2), strict=True):
        h = (keep * h + product(entries, pairs, columns, h) + push).clamp(-LIMIT, LIMIT)
        out.append(h)
    return torch.stack(out, dim=-2)


class _Scan(torch.autograd.Function):
    """The compiled scan, with seeds along the first axis of every tensor."""

    @staticmethod
    def forward(
        structure: str, theta: Tensor, drive: Tensor, keep: Tensor, start: Tensor, pairs: Tensor, columns: Tensor
    ) -> Tensor:
        states = torch.empty_like(drive, memory_format=torch.contiguous_format)
        _walks(structure)[0](*map(as_array, (theta, drive, keep, start, pairs, columns, states)))
        return states

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.structure = inputs[0]
        ctx.save_for_backward(*inputs[1:], output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        theta, _, keep, start, pairs, columns, states = ctx.saved_tensors
        to_theta, to_drive, to_keep, to_start, to_pairs = (
            torch.zeros_like(part, memory_format=torch.contiguous_format)
            for part in (theta, states, keep, start, pairs)
        )
        arrays = (gradients[0], theta, keep, start, pairs, columns, states)
        results = (to_theta, to_drive, to_keep, to_start, to_pairs)
        _walks(ctx.structure)[1](*map(as_array, (*arrays, *results)))
        return None, *results, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], structure: str, *inputs: Tensor) -> tuple[Any, int]:
        size = info.batch_size
        parts = (
            part.expand(size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip(inputs, in_dims[1:], strict=True)
        )
        states = _Scan.apply(structure, *(part.flatten(0, 1) for part in parts))  # type: ignore[no-untyped-call]
        return states.unflatten(0, (size, -1)), 0


@functools.cache
def _walks(structure: str) -> tuple[Kernel, Kernel]:
    """The scan and its gradient for a structure."""
    own = STRUCTURES[structure]
    return _walk.given(forth=own.forth), _walk_back.given(back=own.back)


# The product of a structure and its gradient, replaced for each structure by its own.
forth: Any = None
back: Any = None


@kernel
def _walk(  # pragma: no cover - compiled
    theta: Any, drive: Any, keep: Any, start: Any, pairs: Any, columns: Any, states: Any
) -> None:
    members, batch, time, size = states.shape
    low, high = drive.dtype.type(-LIMIT), drive.dtype.type(LIMIT)
    product = np.empty(size, drive.dtype)
    for m in range(members):
        hold, fixed, places = keep[m], pairs[m], columns[m]
        for n in range(batch):
            last = start[m]
            for t in range(time):
                forth(theta[m, n, t], fixed, places, last, product)
                push, state = drive[m, n, t], states[m, n, t]
                for i in range(size):
                    state[i] = min(max(hold[i] * last[i] + product[i] + push[i], low), high)
                last = state


@kernel
def _walk_back(  # pragma: no cover - compiled
    to_states: Any,
    theta: Any,
    keep: Any,
    start: Any,
    pairs: Any,
    columns: Any,
    states: Any,
    to_theta: Any,
    to_drive: Any,
    to_keep: Any,
    to_start: Any,
    to_pairs: Any,
) -> None:
    members, batch, time, size = states.shape
    low, high, zero = states.dtype.type(-LIMIT), states.dtype.type(LIMIT), states.dtype.type(0)
    carry = np.empty(size, states.dtype)
    for m in range(members):
        hold, fixed, places = keep[m], pairs[m], columns[m]
        for n in range(batch):
            carry[:] = zero
            for t in range(time - 1, -1, -1):
                state, pull, g = states[m, n, t], to_states[m, n, t], to_drive[m, n, t]
                last = states[m, n, t - 1] if t else start[m]
                for i in range(size):
                    g[i] = carry[i] + pull[i] if low < state[i] < high else zero
                    to_keep[m, i] += g[i] * last[i]
                    carry[i] = hold[i] * g[i]
                back(g, theta[m, n, t], fixed, places, last, to_theta[m, n, t], to_pairs[m], carry)
            for i in range(size):
                to_start[m, i] += carry[i]


@kernel
def structured_step(x: Any, state: Any, y: Any, weights: Any) -> None:
    """One step of `SLiCE`, for its free runs."""
    table, keep, b, c, d, pairs, columns, dt = weights
    channels, own = table.shape
    rank = pairs.shape[1]
    theta, product = np.empty(own + rank), np.empty(len(state))
    theta[:own] = table[0] + x @ table[1:]
    for k in range(rank):
        channel = k // (rank // channels)
        theta[own + k] = dt[0] * (x[channel - 1] if channel else 1.0)
    forth(theta, pairs, columns, state, product)
    state[:] = np.minimum(np.maximum(keep * state + product + x @ b, -LIMIT), LIMIT)
    y[:] = state @ c + x @ d
