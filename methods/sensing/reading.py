"""A x - y and A^T (A x - y) in one reading of a matrix A that is larger than the cache: of a gradient step, all that takes time.

In torch the second product finds each block of rows in the cache shared by all cores, where a reading costs most of one from
memory. Compiled, it finds four rows in the core's own cache. An optional extra
(`pip install 'dynamark[numba]'`) that changes the time, and the result only by rounding.
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

# Bytes of a block: it stays in the cache until its second product.
_BLOCK = 2_500_000


@functools.cache
def available() -> bool:
    """Whether numba is installed."""
    return find_spec("numba") is not None


def read_by_blocks(
    rows: Float[Tensor, "m entry"], x: Float[Tensor, " entry"], y: Float[Tensor, " m"]
) -> tuple[Tensor, Tensor]:
    """The residual and z, block by block of rows."""
    residual, z = torch.empty_like(y), torch.zeros_like(x)
    count = max(1, _BLOCK // (rows.shape[1] * rows.element_size()))
    for start in range(0, len(rows), count):
        block, own = rows[start : start + count], residual[start : start + count]
        torch.addmv(y[start : start + count], block, x, beta=-1, out=own)
        z.addmv_(block.T, own)
    return residual, z


def read_compiled(
    rows: Float[Tensor, "m entry"], x: Float[Tensor, " entry"], y: Float[Tensor, " m"]
) -> tuple[Tensor, Tensor]:
    """The residual and z, four rows at a time. The first call in a process compiles: a second or two."""
    residual, z = torch.empty_like(y), torch.zeros_like(x)
    _compiled()(*(part.detach().contiguous().numpy() for part in (rows, x, y)), residual.numpy(), z.numpy())
    return residual, z


@functools.cache
def _compiled() -> Any:
    numba = importlib.import_module("numba")
    # Tests wrap functions in checks of their types, which do not compile.
    return numba.njit(inspect.unwrap(_walk), fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


def _walk(rows: Any, x: Any, y: Any, residual: Any, z: Any) -> None:  # pragma: no cover - compiled
    """Four rows meet x, then add to z: more would not fit into the cache of a core, fewer read x and z more often."""
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
        # Rows beyond the last are the last again, with weight zero.
        weights[:] = 0
        for i, total in enumerate((s0, s1, s2, s3)):
            if start + i < count:
                weights[i] = residual[start + i] = total - y[start + i]
        r0, r1, r2, r3 = weights[0], weights[1], weights[2], weights[3]
        for j in range(len(x)):
            z[j] += r0 * p0[j] + r1 * p1[j] + r2 * p2[j] + r3 * p3[j]
