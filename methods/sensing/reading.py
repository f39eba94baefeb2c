"""r = A x - y and z = A^T r with a single read of A from memory, for matrices A larger than the cache.

These two products take nearly all the time of a gradient step. In torch, A is processed in blocks of rows, and the second
product reads each block from the cache shared by all cores, which is not much faster than memory. The version compiled with numba
processes four rows at a time, which stay in the core's own cache. numba is an optional extra (`pip install 'dynamark[numba]'`):
it changes the run time, and the result only by rounding errors.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["available", "read_by_blocks", "read_compiled"]

# Bytes per block of rows: small enough to stay in the cache until the second product.
_BLOCK = 2_500_000


@functools.cache
def available() -> bool:
    """Whether numba is installed."""
    return find_spec("numba") is not None


def read_by_blocks(
    rows: Float[Tensor, "m entry"], x: Float[Tensor, " entry"], y: Float[Tensor, " m"]
) -> tuple[Tensor, Tensor]:
    """The residual r = A x - y and z = A^T r, computed by blocks of rows in torch."""
    residual, z = torch.empty_like(y), torch.zeros_like(x)
    count = max(1, _BLOCK // (rows.shape[1] * rows.element_size()))
    for start in range(0, len(rows), count):
        block, part = rows[start : start + count], residual[start : start + count]
        torch.addmv(y[start : start + count], block, x, beta=-1, out=part)
        z.addmv_(block.T, part)
    return residual, z


def read_compiled(
    rows: Float[Tensor, "m entry"], x: Float[Tensor, " entry"], y: Float[Tensor, " m"]
) -> tuple[Tensor, Tensor]:
    """The residual r = A x - y and z = A^T r, compiled with numba; the first call in a process takes a second or two."""
    residual, z = torch.empty_like(y), torch.zeros_like(x)
    _kernel()(*(part.detach().contiguous().numpy() for part in (rows, x, y)), residual.numpy(), z.numpy())
    return residual, z


@functools.cache
def _kernel() -> Any:
    numba = importlib.import_module("numba")
    # Tests wrap functions in type checks, which numba cannot compile.
    return numba.njit(inspect.unwrap(_walk), fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


def _walk(rows: Any, x: Any, y: Any, residual: Any, z: Any) -> None:  # pragma: no cover - compiled
    """Four rows at a time: more would not fit into the core's cache, fewer would read x and z more often."""
    count, last = len(rows), len(rows) - 1
    weights = np.zeros(4, rows.dtype)
    for start in range(0, count, 4):
        p0, p1 = rows[start], rows[min(start + 1, last)]
        p2, p3 = rows[min(start + 2, last)], rows[min(start + 3, last)]
        s0 = s1 = s2 = s3 = rows.dtype.type(0)
        for j in range(len(x)):
            v = x[j]
            s0 += p0[j] * v
            s1 += p1[j] * v
            s2 += p2[j] * v
            s3 += p3[j] * v
        # Past the end, the last row is repeated with weight zero.
        weights[:] = 0
        for i, total in enumerate((s0, s1, s2, s3)):
            if start + i < count:
                weights[i] = residual[start + i] = total - y[start + i]
        r0, r1, r2, r3 = weights[0], weights[1], weights[2], weights[3]
        for j in range(len(x)):
            z[j] += r0 * p0[j] + r1 * p1[j] + r2 * p2[j] + r3 * p3[j]
