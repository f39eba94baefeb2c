"""Compiled kernels of teacher forcing: an optional extra that changes the time, and the gradients only by rounding.

Used where numba is installed (`pip install 'dynamark[numba]'`). Time runs outside, the windows are the innermost axis, so that
every inner loop is one vector operation; the gradient by W is one product over all times, left to torch.
Shapes: R seeds, M units, T steps, S windows, N observed, the last P rectified.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["as_array", "available", "backward", "compiled", "forward"]


@functools.cache
def available() -> bool:
    """Whether numba is installed."""
    return find_spec("numba") is not None


def forward(
    a: Float[Tensor, "R M"],
    w: Float[Tensor, "R M M"],
    h: Float[Tensor, "R M"],
    z: Float[Tensor, "R S M"],
    x: Float[Tensor, "R S T N"],
    rectified: int,
    interval: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """States after each step [R, T, S, M]; forced states and their activations [R, M, T, S]."""
    before = a.new_empty(*a.shape, x.shape[2], x.shape[1])
    active, after = torch.empty_like(before), torch.empty_like(before)
    given = (a, w, h, z.mT, x.permute(0, 3, 2, 1))
    compiled(_walk)(*map(as_array, (*given, before, active, after)), rectified, interval)
    return after.permute(0, 2, 3, 1), before, active


def backward(
    a: Tensor,
    w: Tensor,
    before: Tensor,
    active: Tensor,
    cotangent: Tensor,
    rectified: int,
    interval: int,
    observed: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients by a, W, h and z_1."""
    total = cotangent.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
    carried = a.new_zeros(*a.shape, total.shape[-1])
    compiled(_walk_back)(*map(as_array, (a, w.mT, active, total, carried)), rectified, interval, observed)
    flat = total.flatten(2)
    return (flat * before.flatten(2)).sum(2), flat @ active.flatten(2).mT, flat.sum(2), carried.mT


def as_array(x: Tensor) -> Any:
    """The tensor as an array; a copy where it is not contiguous, so that what is written to is made contiguous."""
    return x.detach().contiguous().numpy()


@functools.cache
def compiled(function: Any) -> Any:
    """A kernel, compiled once a process."""
    numba = importlib.import_module("numba")
    # Tests wrap functions in checks of their types, which do not compile.
    return numba.njit(inspect.unwrap(function), fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


def _walk(  # pragma: no cover - compiled
    a: Any, w: Any, h: Any, z: Any, x: Any, before: Any, active: Any, after: Any, rectified: int, interval: int
) -> None:
    seeds, units, steps, windows = before.shape
    observed, linear = x.shape[1], units - rectified
    zero = a.dtype.type(0)  # an integer would lift the arithmetic to double precision
    for r in range(seeds):
        for t in range(steps):
            force = t > 0 and t % interval == 0
            for i in range(units):
                for s in range(windows):
                    value = z[r, i, s] if t == 0 else after[r, i, t - 1, s]
                    if force and i < observed:
                        value = x[r, i, t, s]
                    before[r, i, t, s] = value
                    active[r, i, t, s] = value if i < linear or value > zero else zero
            for i in range(units):
                out = after[r, i, t]
                for s in range(windows):
                    out[s] = h[r, i] + a[r, i] * before[r, i, t, s]
                for j in range(units):
                    weight = w[r, i, j]
                    for s in range(windows):
                        out[s] += weight * active[r, j, t, s]


def _walk_back(  # pragma: no cover - compiled
    a: Any, wt: Any, active: Any, total: Any, carried: Any, rectified: int, interval: int, observed: int
) -> None:
    seeds, units, steps, windows = active.shape
    linear = units - rectified
    for r in range(seeds):
        for t in range(steps - 1, -1, -1):
            force = t > 0 and t % interval == 0
            for i in range(units):
                for s in range(windows):
                    total[r, i, t, s] += carried[r, i, s]
            for i in range(units):
                back = carried[r, i]
                for s in range(windows):
                    back[s] = 0
                if force and i < observed:
                    continue
                for j in range(units):
                    weight = wt[r, i, j]
                    for s in range(windows):
                        back[s] += weight * total[r, j, t, s]
                for s in range(windows):
                    if i >= linear and not active[r, i, t, s] > 0:
                        back[s] = 0
                    back[s] += a[r, i] * total[r, i, t, s]
