"""The discrete Fourier transform in exact arithmetic, and what generators make of it: convolution and periodic derivatives.

A signal is a pair of real arrays, its real and imaginary part, stacked as [2, n, ...] with time or space second and any batch
axes after. Two real signals ride in one: whatever is linear with real coefficients treats both alike. NumPy's complex
products round differently from one processor to the next, hence no complex numbers.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics.exact import cos, sin

__all__ = ["convolve", "fourier", "inverse_fourier", "multiplied", "packed", "unpacked"]

Signal = Float[ndarray, "2 n *batch"]
# The largest odd factor of a length; the work grows with it.
_ODD = 15


def fourier(x: Signal) -> Signal:
    """X_k = sum_t x_t e^{-2 pi i k t/n} for n = odd 2^p, odd at most 15.

    Rows hold the transforms of interleaved parts: the odd factor's by its definition, then p passes that merge them in pairs.
    """
    n = x.shape[1]
    odd = n // (n & -n)
    if odd > _ODD:
        raise ValueError(f"a transform of {n} points; the number must be at most {_ODD} times a power of two")
    re, im = (part.reshape(odd, n // odd, *x.shape[2:]) for part in x)
    if odd > 1:
        re, im = _by_definition(re, im)
    while len(re) < n:
        half = re.shape[1] // 2
        c, s = _turns(len(re), 2 * len(re), re.ndim)
        after_re, after_im = re[:, half:], im[:, half:]
        turned_re, turned_im = c * after_re + s * after_im, c * after_im - s * after_re
        re, im = (
            np.concatenate([before + turned, before - turned])
            for before, turned in ((re[:, :half], turned_re), (im[:, :half], turned_im))
        )
    return np.stack([re.reshape(x.shape[1:]), im.reshape(x.shape[1:])])


def _by_definition(re: ndarray, im: ndarray) -> tuple[ndarray, ndarray]:
    """The transform along the first axis, of a few points."""
    found_re, found_im = np.zeros_like(re), np.zeros_like(im)
    c, s = _turns(len(re), len(re), re.ndim)
    for t in range(len(re)):
        place = t * np.arange(len(re)) % len(re)
        found_re += c[place] * re[t] + s[place] * im[t]
        found_im += c[place] * im[t] - s[place] * re[t]
    return found_re, found_im


@functools.cache
def _turns(rows: int, circle: int, axes: int) -> tuple[ndarray, ndarray]:
    """Cosine and sine of 2 pi k/circle, k = 0 .. rows-1, with axes of length 1 behind."""
    angle = (2 * np.pi * np.arange(rows) / circle).reshape(-1, *[1] * (axes - 1))
    return cos(angle), sin(angle)


def inverse_fourier(x: Signal) -> Signal:
    """x_t = 1/n sum_k X_k e^{2 pi i k t/n}: the transform with real and imaginary part exchanged, before and after."""
    return fourier(x[::-1])[::-1] / x.shape[1]


def multiplied(a: Signal, b: Float[ndarray, "2 n *other"]) -> Signal:
    """The complex product, axes of length 1 broadcast."""
    return np.stack([a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]])


def packed(x: Float[ndarray, "*axes count"]) -> Float[ndarray, "2 *axes half"]:
    """Real signals in pairs: the even ones as real parts, the odd ones as imaginary parts, a last one alone beside zero."""
    pairs = np.zeros((2, *x.shape[:-1], (x.shape[-1] + 1) // 2))
    pairs[0] = x[..., ::2]
    pairs[1, ..., : x.shape[-1] // 2] = x[..., 1::2]
    return pairs


def unpacked(pairs: Float[ndarray, "2 *axes half"], count: int) -> Float[ndarray, "*axes count"]:
    """The inverse of `packed`."""
    out = np.empty((*pairs.shape[1:-1], count))
    out[..., ::2], out[..., 1::2] = pairs[0], pairs[1, ..., : count // 2]
    return out


def convolve(x: Float[ndarray, "time batch"], kernel: Float[ndarray, " lag"]) -> Float[ndarray, "time batch"]:
    """y_t = sum_{i <= t} kernel_i x_{t-i}: padded, so that nothing wraps around."""
    time, lags = len(x), min(len(kernel), len(x))
    size = 1 << (time + lags - 1).bit_length()
    signal, response = np.zeros((2, size, (x.shape[1] + 1) // 2)), np.zeros((2, size, 1))
    signal[:, :time], response[0, :lags, 0] = packed(x), kernel[:lags]
    product = inverse_fourier(multiplied(fourier(signal), fourier(response)))
    return unpacked(product[:, :time], x.shape[1])
