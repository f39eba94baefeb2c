"""Compiled kernels of dendritic networks; see `compiled.py`.

Shapes: R seeds, M units, B branches, T steps, S windows, N observed units.
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
    a: Tensor, w: Tensor, h: Tensor, alpha: Tensor, thresholds: Tensor, z: Tensor, x: Tensor, interval: int
) -> tuple[Tensor, Tensor]:
    """The states after each step [R, T, S, M] and the forced states before each step [R, T, M, S]."""
    before = a.new_empty(len(a), x.shape[2], a.shape[1], x.shape[1])
    after = torch.empty_like(before)
    arguments = (a, w, h, alpha, thresholds, z.mT, x.permute(0, 2, 3, 1), before, after)
    _walk(*map(as_array, arguments), interval)
    return after.mT, before


def backward(
    a: Tensor,
    w: Tensor,
    alpha: Tensor,
    thresholds: Tensor,
    before: Tensor,
    cotangent: Tensor,
    interval: int,
    observed: int,
) -> tuple[Tensor, ...]:
    """The gradients with respect to a, W, h, alpha, H and z_1."""
    gradients = [torch.zeros_like(v, memory_format=torch.contiguous_format) for v in (a, w, a, alpha, thresholds)]
    carried = a.new_zeros(*a.shape, before.shape[-1])
    arguments = (a, w.mT, alpha, thresholds, before, cotangent.mT, *gradients, carried)
    _walk_back(*map(as_array, arguments), interval, observed)
    return *gradients, carried.mT


@kernel
def _bend(state: Any, alpha: Any, threshold: Any, phi: Any) -> None:  # pragma: no cover - compiled
    """phi = sum_b alpha_b (relu(z - H_b) - relu(z)) of one unit in all windows."""
    zero = state.dtype.type(0)
    phi[:] = zero
    for b in range(len(alpha)):
        weight, level = alpha[b], threshold[b]
        for s in range(len(state)):
            top = state[s] - level
            value = state[s]
            phi[s] += weight * ((top if top > zero else zero) - (value if value > zero else zero))


@kernel
def _pull(  # pragma: no cover - compiled
    state: Any, pull: Any, alpha: Any, threshold: Any, by_alpha: Any, by_threshold: Any
) -> None:
    """Multiply pull by phi'(z) in place, and add the gradients with respect to alpha and H of one unit."""
    zero, one = state.dtype.type(0), state.dtype.type(1)
    slope = np.zeros(len(state), state.dtype)
    for b in range(len(alpha)):
        weight, level = alpha[b], threshold[b]
        sum_alpha, sum_threshold = zero, zero
        for s in range(len(state)):
            value = state[s]
            top = value - level
            on, off = one if top > zero else zero, one if value > zero else zero
            sum_alpha += pull[s] * (top * on - value * off)
            sum_threshold += pull[s] * on
            slope[s] += weight * (on - off)
        by_alpha[b] += sum_alpha
        by_threshold[b] -= weight * sum_threshold
    for s in range(len(state)):
        pull[s] *= slope[s]


@kernel
def _walk(  # pragma: no cover - compiled
    a: Any, w: Any, h: Any, alpha: Any, thresholds: Any, z: Any, x: Any, before: Any, after: Any,
    interval: int,
) -> None:  # fmt: skip
    seeds, steps, units, windows = before.shape
    observed = x.shape[2]
    active = np.empty((units, windows), a.dtype)
    for r in range(seeds):
        for t in range(steps):
            force = t > 0 and t % interval == 0
            last = z[r] if t == 0 else after[r, t - 1]
            for i in range(units):
                source = x[r, t, i] if force and i < observed else last[i]
                state, out, rate, shift = before[r, t, i], after[r, t, i], a[r, i], h[r, i]
                for s in range(windows):
                    state[s] = source[s]
                    out[s] = shift + rate * source[s]
                _bend(state, alpha[r], thresholds[r, i], active[i])
            add_product(w[r], active, after[r, t])


@kernel
def _walk_back(  # pragma: no cover - compiled
    a: Any, wt: Any, alpha: Any, thresholds: Any, before: Any, cotangent: Any, by_rate: Any, by_weight: Any, by_shift: Any,
    by_alpha: Any, by_threshold: Any, carried: Any, interval: int, observed: int,
) -> None:  # fmt: skip
    seeds, steps, units, windows = before.shape
    zero = a.dtype.type(0)  # an integer would lift the arithmetic to double precision
    active, total = np.empty((units, windows), a.dtype), np.empty((units, windows), a.dtype)
    for r in range(seeds):
        back = carried[r]
        for t in range(steps - 1, -1, -1):
            force = t > 0 and t % interval == 0
            for i in range(units):
                g, b, upstream, state = total[i], back[i], cotangent[r, t, i], before[r, t, i]
                rate, shift = zero, zero
                for s in range(windows):
                    value = upstream[s] + b[s]
                    g[s] = value
                    b[s] = zero
                    rate += value * state[s]
                    shift += value
                by_rate[r, i] += rate
                by_shift[r, i] += shift
                _bend(state, alpha[r], thresholds[r, i], active[i])
            add_outer(total, active, by_weight[r])
            add_product(wt[r], total, back)
            for i in range(units):
                g, b, rate = total[i], back[i], a[r, i]
                _pull(before[r, t, i], b, alpha[r], thresholds[r, i], by_alpha[r], by_threshold[r, i])
                is_forced = force and i < observed
                for s in range(windows):
                    b[s] = zero if is_forced else b[s] + rate * g[s]
