"""The discrete Fourier transform in exact arithmetic, and what generators make of it: convolution and periodic derivatives.

A signal is a pair of real arrays, its real and imaginary part, stacked as [2, n, ...] with time second and any batch axes
after. Two real signals ride in one: whatever is linear with real coefficients treats both alike. NumPy's complex products
round differently from one processor to the next, hence no complex numbers.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics.exact import cos, sin

__all__ = ["convolve", "fourier", "inverse_fourier", "multiplied"]

Signal = Float[ndarray, "2 n *batch"]


def fourier(x: Signal) -> Signal:
    """X_k = sum_t x_t e^{-2 pi i k t/n}, n a power of two; log2(n) elementwise passes.

    Decimation in time from the bottom: rows hold the transforms of interleaved parts, and each pass merges them in pairs.
    """
    n = x.shape[1]
    if n & (n - 1):
        raise ValueError(f"a transform of {n} points; the number must be a power of two")
    re, im = (part.reshape(1, n, *x.shape[2:]) for part in x)
    while len(re) < n:
        half = re.shape[1] // 2
        c, s = (t.reshape(-1, *[1] * (re.ndim - 1)) for t in _twiddles(len(re)))
        odd_re, odd_im = re[:, half:], im[:, half:]
        turned_re, turned_im = c * odd_re + s * odd_im, c * odd_im - s * odd_re
        re, im = (
            np.concatenate([even + turned, even - turned])
            for even, turned in ((re[:, :half], turned_re), (im[:, :half], turned_im))
        )
    return np.stack([re.reshape(x.shape[1:]), im.reshape(x.shape[1:])])


@functools.cache
def _twiddles(rows: int) -> tuple[ndarray, ndarray]:
    """Cosine and sine of pi k/rows, k = 0 .. rows-1."""
    angle = np.pi * np.arange(rows) / rows
    return cos(angle), sin(angle)


def inverse_fourier(x: Signal) -> Signal:
    """x_t = 1/n sum_k X_k e^{2 pi i k t/n}: the transform with real and imaginary part exchanged, before and after."""
    return fourier(x[::-1])[::-1] / x.shape[1]


def multiplied(a: Signal, b: Float[ndarray, "2 n *other"]) -> Signal:
    """The complex product, axes of length 1 broadcast."""
    return np.stack([a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]])


def convolve(x: Float[ndarray, "time batch"], kernel: Float[ndarray, " lag"]) -> Float[ndarray, "time batch"]:
    """y_t = sum_{i <= t} kernel_i x_{t-i}: padded, so that nothing wraps around; two columns of x ride in one transform."""
    time, count = x.shape
    size = 1 << (time + min(len(kernel), time) - 1).bit_length()
    pairs = np.zeros((2, size, (count + 1) // 2))
    pairs[0, :time] = x[:, ::2]
    pairs[1, :time, : count // 2] = x[:, 1::2]
    response = np.zeros((2, size, 1))
    response[0, : min(len(kernel), time), 0] = kernel[:time]
    y = inverse_fourier(multiplied(fourier(pairs), fourier(response)))[:, :time]
    out = np.empty_like(x)
    out[:, ::2], out[:, 1::2] = y[0], y[1][:, : count // 2]
    return out
