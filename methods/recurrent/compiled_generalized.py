"""Compiled kernels of generalized teacher forcing; see `compiled.py`.

Shapes: R seeds, M units, H hidden units, T steps, S windows, N observed units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynamark.methods.recurrent.compiled import add_outer, add_product
from dynamark.tasks.numerics.compiling import as_array, kernel

__all__ = ["backward", "forward"]


def forward(
    a: Tensor,
    w1: Tensor,
    w2: Tensor,
    h1: Tensor,
    h2: Tensor,
    z: Tensor,
    x: Tensor,
    alpha: Tensor,
    interval: int,
    clipped: bool,
) -> tuple[Tensor, Tensor]:
    """The states after each step [R, T, S, M] and the mixed states before each step [R, T, M, S]."""
    seeds, windows, steps, _ = x.shape
    before = a.new_empty(seeds, steps, a.shape[1], windows)
    after = torch.empty_like(before)
    arguments = (a, w1, w2, h1, h2, alpha, z.mT, x.permute(0, 2, 3, 1), before, after)
    _walk(*map(as_array, arguments), interval, clipped)
    return after.mT, before


def backward(
    a: Tensor, w1: Tensor, w2: Tensor, h1: Tensor, h2: Tensor, alpha: Tensor, before: Tensor, cotangent: Tensor,
    interval: int, clipped: bool, observed: int,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The gradients with respect to the parameters and z_1."""
    gradients = [torch.zeros_like(v, memory_format=torch.contiguous_format) for v in (a, w1, w2, h1, h2)]
    carried = a.new_zeros(*a.shape, before.shape[-1])
    arguments = (a, w1.mT, w2, w2.mT, h2, alpha, before, cotangent.mT, *gradients, carried)
    _walk_back(*map(as_array, arguments), interval, clipped, observed)
    return *gradients, carried.mT


@kernel
def _walk(  # pragma: no cover - compiled
    a: Any, w1: Any, w2: Any, h1: Any, h2: Any, alpha: Any, z: Any, x: Any, before: Any, after: Any,
    interval: int, clipped: bool,
) -> None:  # fmt: skip
    seeds, steps, units, windows = before.shape
    hidden, observed = h2.shape[1], x.shape[2]
    zero, one = a.dtype.type(0), a.dtype.type(1)  # integers would lift the arithmetic to double precision
    clip = one if clipped else zero
    inside = np.empty((hidden, windows), a.dtype)
    for r in range(seeds):
        for t in range(steps):
            last = z[r] if t == 0 else after[r, t - 1]
            for i in range(units):
                mix = alpha[r] if t > 0 and t % interval == 0 and i < observed else zero
                datum = x[r, t, i] if i < observed else last[i]
                source, state, out, rate, shift = last[i], before[r, t, i], after[r, t, i], a[r, i], h1[r, i]
                for s in range(windows):
                    value = source[s] + mix * (datum[s] - source[s])
                    state[s] = value
                    out[s] = shift + rate * value
            inside[:] = zero
            add_product(w2[r], before[r, t], inside)
            for k in range(hidden):
                u, shift = inside[k], h2[r, k]
                for s in range(windows):
                    value = u[s]
                    top = value + shift
                    u[s] = (top if top > zero else zero) - clip * (value if value > zero else zero)
            add_product(w1[r], inside, after[r, t])


@kernel
def _walk_back(  # pragma: no cover - compiled
    a: Any, w1t: Any, w2: Any, w2t: Any, h2: Any, alpha: Any, before: Any, cotangent: Any,
    by_a: Any, by_w1: Any, by_w2: Any, by_h1: Any, by_h2: Any, carried: Any,
    interval: int, clipped: bool, observed: int,
) -> None:  # fmt: skip
    seeds, steps, units, windows = before.shape
    hidden = h2.shape[1]
    zero, one = a.dtype.type(0), a.dtype.type(1)
    clip = one if clipped else zero
    total = np.empty((units, windows), a.dtype)
    inside, to_hidden = np.empty((hidden, windows), a.dtype), np.empty((hidden, windows), a.dtype)
    for r in range(seeds):
        back = carried[r]
        for t in range(steps - 1, -1, -1):
            for i in range(units):
                g, b, upstream, state, rate = total[i], back[i], cotangent[r, t, i], before[r, t, i], a[r, i]
                slope, shift = zero, zero
                for s in range(windows):
                    value = upstream[s] + b[s]
                    g[s] = value
                    b[s] = rate * value
                    slope += value * state[s]
                    shift += value
                by_a[r, i] += slope
                by_h1[r, i] += shift
            inside[:] = zero
            to_hidden[:] = zero
            add_product(w2[r], before[r, t], inside)
            add_product(w1t[r], total, to_hidden)
            for k in range(hidden):
                pull, u, shift = to_hidden[k], inside[k], h2[r, k]
                slope = zero
                for s in range(windows):
                    value, force = u[s], pull[s]
                    top = value + shift
                    on = one if top > zero else zero
                    off = clip if value > zero else zero
                    slope += force * on
                    u[s] = top * on - value * off
                    pull[s] = force * (on - off)
                by_h2[r, k] += slope
            add_outer(total, inside, by_w1[r])
            add_outer(to_hidden, before[r, t], by_w2[r])
            add_product(w2t[r], to_hidden, back)
            if t > 0 and t % interval == 0:
                for i in range(observed):
                    b = back[i]
                    for s in range(windows):
                        b[s] *= one - alpha[r]
