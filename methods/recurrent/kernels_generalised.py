"""Compiled kernels of generalised teacher forcing; see `kernels.py`.

Shapes: R seeds, M units, H hidden units, T steps, S windows, N observed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynamark.methods.recurrent.kernels import as_array, compiled

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
) -> tuple[Tensor, Tensor, Tensor]:
    """States after each step [R, T, S, M]; mixed states [R, M, T, S] and W2 z [R, H, T, S]."""
    _, windows, steps, _ = x.shape
    before = a.new_empty(*a.shape, steps, windows)
    after, inside = torch.empty_like(before), a.new_empty(*h2.shape, steps, windows)
    given = (a, w1, w2, h1, h2, alpha, z.mT, x.permute(0, 3, 2, 1), before, inside, after)
    compiled(_walk)(*map(as_array, given), interval, clipped)
    return after.permute(0, 2, 3, 1), before, inside


def backward(
    a: Tensor, w1: Tensor, w2: Tensor, h1: Tensor, h2: Tensor, alpha: Tensor, before: Tensor, inside: Tensor,
    cotangent: Tensor, interval: int, clipped: bool, observed: int,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients by the parameters and z_1."""
    total = cotangent.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
    carried = a.new_zeros(*a.shape, total.shape[-1])
    pulled, by_shift, phi = torch.empty_like(inside), torch.zeros_like(h2), torch.empty_like(inside)
    given = (a, w1.mT, w2.mT, h2, alpha, inside, total, carried, pulled, by_shift, phi)
    compiled(_walk_back)(*map(as_array, given), interval, clipped, observed)
    flat, states, bent, pulled = (v.flatten(2) for v in (total, before, phi, pulled))
    return (flat * states).sum(2), flat @ bent.mT, pulled @ states.mT, flat.sum(2), by_shift, carried.mT


def _walk(  # pragma: no cover - compiled
    a: Any, w1: Any, w2: Any, h1: Any, h2: Any, alpha: Any, z: Any, x: Any, before: Any, inside: Any, after: Any,
    interval: int, clipped: bool,
) -> None:  # fmt: skip
    seeds, units, steps, windows = before.shape
    hidden, observed = h2.shape[1], x.shape[1]
    zero = a.dtype.type(0)  # an integer would lift the arithmetic to double precision
    for r in range(seeds):
        for t in range(steps):
            force = t > 0 and t % interval == 0
            for i in range(units):
                out = after[r, i, t]
                for s in range(windows):
                    value = z[r, i, s] if t == 0 else after[r, i, t - 1, s]
                    if force and i < observed:
                        value += alpha[r] * (x[r, i, t, s] - value)
                    before[r, i, t, s] = value
                    out[s] = h1[r, i] + a[r, i] * value
            for k in range(hidden):
                u, shift = inside[r, k, t], h2[r, k]
                for s in range(windows):
                    u[s] = 0
                for j in range(units):
                    weight = w2[r, k, j]
                    for s in range(windows):
                        u[s] += weight * before[r, j, t, s]
                for i in range(units):
                    weight = w1[r, i, k]
                    out = after[r, i, t]
                    for s in range(windows):
                        phi = max(u[s] + shift, zero) - (max(u[s], zero) if clipped else zero)
                        out[s] += weight * phi


def _walk_back(  # pragma: no cover - compiled
    a: Any, w1t: Any, w2t: Any, h2: Any, alpha: Any, inside: Any, total: Any, carried: Any, pulled: Any, by_shift: Any,
    phi: Any, interval: int, clipped: bool, observed: int,
) -> None:  # fmt: skip
    seeds, units, steps, windows = total.shape
    hidden = h2.shape[1]
    zero, one = a.dtype.type(0), a.dtype.type(1)
    for r in range(seeds):
        for t in range(steps - 1, -1, -1):
            force = t > 0 and t % interval == 0
            for i in range(units):
                for s in range(windows):
                    total[r, i, t, s] += carried[r, i, s]
                    carried[r, i, s] = a[r, i] * total[r, i, t, s]
            for k in range(hidden):
                pull, u, bent, shift = pulled[r, k, t], inside[r, k, t], phi[r, k, t], h2[r, k]
                slope = zero
                for s in range(windows):
                    pull[s] = 0
                for i in range(units):
                    weight = w1t[r, k, i]
                    for s in range(windows):
                        pull[s] += weight * total[r, i, t, s]
                for s in range(windows):
                    on = one if u[s] > -shift else zero
                    bent[s] = max(u[s] + shift, zero) - (max(u[s], zero) if clipped else zero)
                    slope += pull[s] * on
                    pull[s] *= on - (one if clipped and u[s] > zero else zero)
                by_shift[r, k] += slope
                for j in range(units):
                    weight = w2t[r, j, k]
                    for s in range(windows):
                        carried[r, j, s] += weight * pull[s]
            if force:
                for i in range(observed):
                    for s in range(windows):
                        carried[r, i, s] *= one - alpha[r]
