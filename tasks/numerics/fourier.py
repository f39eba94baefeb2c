"""The discrete Fourier transform and convolution in bitwise reproducible arithmetic (see `exact`), for generating data.

A signal is stored as its real and imaginary parts, [2, n, ...], with time or space second and any batch axes last: the rounding
of NumPy's complex products depends on the CPU. Two real signals are packed into one complex signal, which is valid for every
linear operation with real coefficients.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics.exact import cos, sin

__all__ = ["convolve", "fourier", "inverse_fourier", "multiplied", "packed", "unpacked"]

Signal = Float[ndarray, "2 n *batch"]
# The largest odd factor of a length; the cost grows with it.
_ODD = 15


def fourier(x: Signal) -> Signal:
    """X_k = sum_t x_t e^{-2 pi i k t/n} for n = m 2^p, m odd and at most 15. Raises ValueError for other n.

    Decimation in time: transforms of length m by the definition, then p passes of radix-2 butterflies.
    """
    n = x.shape[1]
    odd = n // (n & -n)
    if odd > _ODD:
        raise ValueError(
            f"Fourier transform of {n} points: n must be an odd number of at most {_ODD} times a power of two"
        )
    re, im = (part.reshape(odd, n // odd, *x.shape[2:]) for part in x)
    if odd > 1:
        re, im = _by_definition(re, im)
    while len(re) < n:
        half = re.shape[1] // 2
        c, s = _turns(len(re), 2 * len(re), re.ndim)
        odd_re, odd_im = re[:, half:], im[:, half:]
        rotated_re, rotated_im = c * odd_re + s * odd_im, c * odd_im - s * odd_re
        re, im = (
            np.concatenate([even + rotated, even - rotated])
            for even, rotated in ((re[:, :half], rotated_re), (im[:, :half], rotated_im))
        )
    return np.stack([re.reshape(x.shape[1:]), im.reshape(x.shape[1:])])


def _by_definition(re: ndarray, im: ndarray) -> tuple[ndarray, ndarray]:
    """The transform along the first axis by its definition, for a few points."""
    out_re, out_im = np.zeros_like(re), np.zeros_like(im)
    c, s = _turns(len(re), len(re), re.ndim)
    for t in range(len(re)):
        index = t * np.arange(len(re)) % len(re)
        out_re += c[index] * re[t] + s[index] * im[t]
        out_im += c[index] * im[t] - s[index] * re[t]
    return out_re, out_im


@functools.cache
def _turns(rows: int, circle: int, axes: int) -> tuple[ndarray, ndarray]:
    """Cosine and sine of 2 pi k/circle, k = 0 .. rows-1, followed by axes of length 1."""
    angle = (2 * np.pi * np.arange(rows) / circle).reshape(-1, *[1] * (axes - 1))
    return cos(angle), sin(angle)


def inverse_fourier(x: Signal) -> Signal:
    """x_t = 1/n sum_k X_k e^{2 pi i k t/n}: the transform with real and imaginary parts swapped before and after."""
    return fourier(x[::-1])[::-1] / x.shape[1]


def multiplied(a: Signal, b: Float[ndarray, "2 n *other"]) -> Signal:
    """The complex product a b, with broadcasting over axes of length 1."""
    return np.stack([a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]])


def packed(x: Float[ndarray, "*axes count"]) -> Float[ndarray, "2 *axes half"]:
    """Pairs of real signals as complex ones: even indices as real parts, odd ones as imaginary parts, zero-padded."""
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
    """y_t = sum_{i <= t} kernel_i x_{t-i}, zero-padded, so not circular."""
    time, lags = len(x), min(len(kernel), len(x))
    size = 1 << (time + lags - 1).bit_length()
    signal, response = np.zeros((2, size, (x.shape[1] + 1) // 2)), np.zeros((2, size, 1))
    signal[:, :time], response[0, :lags, 0] = packed(x), kernel[:lags]
    product = inverse_fourier(multiplied(fourier(signal), fourier(response)))
    return unpacked(product[:, :time], x.shape[1])
