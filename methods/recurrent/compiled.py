"""Compiled kernels of teacher forcing: an optional extra that changes the run time, and the gradients only by rounding errors.

Used if numba is installed (`pip install 'dynamark[numba]'`). The data of one step is contiguous, [unit, window], with the window
as the innermost axis, so that every inner loop is one vector operation. Matrix products are written in blocks, because entering
a loop over 16 windows costs more than running it. The backward pass recomputes what it can instead of storing it, because
allocating memory costs more than arithmetic.
Shapes: R seeds, M units, T steps, S windows, N observed units; the last P units are rectified.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics.compiling import as_array, available, kernel

__all__ = ["add_outer", "add_product", "available", "backward", "forward"]


def forward(
    a: Float[Tensor, "R M"],
    w: Float[Tensor, "R M M"],
    h: Float[Tensor, "R M"],
    z: Float[Tensor, "R S M"],
    x: Float[Tensor, "R S T N"],
    rectified: int,
    interval: int,
) -> tuple[Tensor, Tensor]:
    """The states after each step [R, T, S, M] and the forced states before each step [R, T, M, S]."""
    before = a.new_empty(len(a), x.shape[2], a.shape[1], x.shape[1])
    after = torch.empty_like(before)
    arguments = (a, w, h, z.mT, x.permute(0, 2, 3, 1), before, after)
    _walk(*map(as_array, arguments), rectified, interval)
    return after.mT, before


def backward(
    a: Tensor, w: Tensor, before: Tensor, cotangent: Tensor, rectified: int, interval: int, observed: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients with respect to a, W, h and z_1."""
    by_rate, by_weight, by_shift = (torch.zeros_like(v, memory_format=torch.contiguous_format) for v in (a, w, a))
    carried = a.new_zeros(*a.shape, before.shape[-1])
    arguments = (a, w.mT, before, cotangent.mT, by_rate, by_weight, by_shift, carried)
    _walk_back(*map(as_array, arguments), rectified, interval, observed)
    return by_rate, by_weight, by_shift, carried.mT


@kernel
def add_product(w: Any, x: Any, out: Any) -> None:  # pragma: no cover - compiled
    """out += w x, in blocks of two rows and four columns; x and out are [unit, window]."""
    rows, columns = w.shape
    windows = x.shape[1]
    even, whole = rows - rows % 2, columns - columns % 4
    for i in range(0, even, 2):
        one, two = out[i], out[i + 1]
        for j in range(0, whole, 4):
            p0, p1, p2, p3 = w[i, j], w[i, j + 1], w[i, j + 2], w[i, j + 3]
            q0, q1, q2, q3 = w[i + 1, j], w[i + 1, j + 1], w[i + 1, j + 2], w[i + 1, j + 3]
            x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
            for s in range(windows):
                v0, v1, v2, v3 = x0[s], x1[s], x2[s], x3[s]
                one[s] += p0 * v0 + p1 * v1 + p2 * v2 + p3 * v3
                two[s] += q0 * v0 + q1 * v1 + q2 * v2 + q3 * v3
        for j in range(whole, columns):
            p0, q0, x0 = w[i, j], w[i + 1, j], x[j]
            for s in range(windows):
                one[s] += p0 * x0[s]
                two[s] += q0 * x0[s]
    for i in range(even, rows):
        one = out[i]
        for j in range(columns):
            p0, x0 = w[i, j], x[j]
            for s in range(windows):
                one[s] += p0 * x0[s]


@kernel
def add_outer(left: Any, right: Any, out: Any) -> None:  # pragma: no cover - compiled
    """out += left right', both [unit, window]."""
    windows = left.shape[1]
    for k in range(len(right)):
        one = right[k]
        for i in range(len(left)):
            two, total = left[i], out[i, k]
            for s in range(windows):
                total += one[s] * two[s]
            out[i, k] = total


@kernel
def _walk(  # pragma: no cover - compiled
    a: Any, w: Any, h: Any, z: Any, x: Any, before: Any, after: Any, rectified: int, interval: int
) -> None:
    seeds, steps, units, windows = before.shape
    observed, linear = x.shape[2], units - rectified
    zero = a.dtype.type(0)  # an integer would lift the arithmetic to double precision
    active = np.empty((units, windows), a.dtype)
    for r in range(seeds):
        for t in range(steps):
            force = t > 0 and t % interval == 0
            last = z[r] if t == 0 else after[r, t - 1]
            for i in range(units):
                source = x[r, t, i] if force and i < observed else last[i]
                state, phi, out, rate, shift = before[r, t, i], active[i], after[r, t, i], a[r, i], h[r, i]
                for s in range(windows):
                    value = source[s]
                    state[s] = value
                    phi[s] = value if i < linear or value > zero else zero
                    out[s] = shift + rate * value
            add_product(w[r], active, after[r, t])


@kernel
def _walk_back(  # pragma: no cover - compiled
    a: Any, wt: Any, before: Any, cotangent: Any, by_rate: Any, by_weight: Any, by_shift: Any, carried: Any,
    rectified: int, interval: int, observed: int,
) -> None:  # fmt: skip
    seeds, steps, units, windows = before.shape
    linear, zero = units - rectified, a.dtype.type(0)
    active, total = np.empty((units, windows), a.dtype), np.empty((units, windows), a.dtype)
    for r in range(seeds):
        back = carried[r]
        for t in range(steps - 1, -1, -1):
            force = t > 0 and t % interval == 0
            for i in range(units):
                g, b, upstream, state, phi = total[i], back[i], cotangent[r, t, i], before[r, t, i], active[i]
                rate, shift = zero, zero
                for s in range(windows):
                    value = upstream[s] + b[s]
                    g[s] = value
                    b[s] = zero
                    phi[s] = state[s] if i < linear or state[s] > zero else zero
                    rate += value * state[s]
                    shift += value
                by_rate[r, i] += rate
                by_shift[r, i] += shift
            add_outer(total, active, by_weight[r])
            add_product(wt[r], total, back)
            for i in range(units):
                g, b, phi, rate = total[i], back[i], active[i], a[r, i]
                is_forced = force and i < observed
                for s in range(windows):
                    slope = b[s] if i < linear or phi[s] > zero else zero
                    b[s] = zero if is_forced else slope + rate * g[s]
