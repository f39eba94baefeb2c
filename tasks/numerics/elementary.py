"""Exponentials, sigmoids and hyperbolic tangents that vectorize when compiled: only arithmetic and bit operations.

Relative errors are below three units in the last place; calling the C library for each number would take ten times as long.
A kernel that calls `expm1` is compiled for each precision by the decorator `by_precision`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dynamark.tasks.numerics.compiling import Kernel, kernel

__all__ = ["by_precision", "exponential", "hyperbolic", "logistic"]

# ln 2 in two parts, the first with few enough bits that its products with exponents are exact.
_HIGH_32, _LOW_32 = np.float32(0.693359375), np.float32(-2.12194440e-4)
_HIGH_64, _LOW_64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOG2E_32, _LOG2E_64 = np.float32(math.log2(math.e)), math.log2(math.e)
_C32 = tuple(np.float32(1 / math.factorial(k)) for k in range(2, 8))
_C64 = tuple(1 / math.factorial(k) for k in range(2, 14))
_ONE, _HALF, _TOP_32 = np.float32(1), np.float32(0.5), np.float32(87)


def _expm1_single(x: Any) -> Any:
    """e^x - 1 in single precision, x clipped to |x| <= 87. NaN stays NaN."""
    x = _TOP_32 if x > _TOP_32 else x
    x = -_TOP_32 if x < -_TOP_32 else x
    n = np.floor(x * _LOG2E_32 + _HALF)
    r = (x - n * _HIGH_32) - n * _LOW_32
    c = _C32
    p = c[4] + r * c[5]
    p = c[3] + r * p
    p = c[2] + r * p
    p = c[1] + r * p
    p = c[0] + r * p
    p = r + r * (r * p)
    power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    return power * p + (power - _ONE)


def _expm1_double(x: Any) -> Any:
    """e^x - 1 in double precision, x clipped to |x| <= 700. NaN stays NaN."""
    x = 700.0 if x > 700.0 else x
    x = -700.0 if x < -700.0 else x
    n = np.floor(x * _LOG2E_64 + 0.5)
    r = (x - n * _HIGH_64) - n * _LOW_64
    c = _C64
    p = c[10] + r * c[11]
    p = c[9] + r * p
    p = c[8] + r * p
    p = c[7] + r * p
    p = c[6] + r * p
    p = c[5] + r * p
    p = c[4] + r * p
    p = c[3] + r * p
    p = c[2] + r * p
    p = c[1] + r * p
    p = c[0] + r * p
    p = r + r * (r * p)
    power = np.int64((np.int64(n) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return power * p + (power - 1.0)


expm1_single = Kernel(_expm1_single, exact=True)
expm1_double = Kernel(_expm1_double, exact=True)
expm1 = expm1_double


@kernel
def exponential(x: Any, one: Any) -> Any:
    """e^x; `one` is 1 in the precision of x."""
    return expm1(x) + one


@kernel
def logistic(x: Any, one: Any) -> Any:
    """1 / (1 + e^-x)."""
    return one / (one + (one + expm1(-x)))


@kernel
def hyperbolic(x: Any, one: Any) -> Any:
    """tanh x = (e^2x - 1) / (e^2x + 1)."""
    e = expm1(x + x)
    return e / (e + (one + one))


class ByPrecision:
    """A kernel in single and in double precision, selected by the dtype of its first argument."""

    def __init__(self, inner: Kernel) -> None:
        self.single, self.double = inner.given(expm1=expm1_single), inner

    def __call__(self, first: Any, *others: Any) -> Any:
        """The kernel for the precision of `first`."""
        return (self.single if first.dtype == np.float32 else self.double)(first, *others)


def by_precision(function: Callable[..., Any]) -> ByPrecision:
    """Decorator: a kernel that calls functions of this module, in both precisions."""
    return ByPrecision(kernel(function))
