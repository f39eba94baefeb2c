"""Is a series regular or not: the 0-1 test and sample entropy. Neither tells chaos from noise."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import cKDTree

__all__ = ["decorrelation_stride", "sample_entropy", "zero_one_test"]

# Number of frequencies of the 0-1 test, and the part of the series over which displacements are averaged.
_FREQUENCIES, _PART = 100, 10


def zero_one_test(series: Float[ndarray, " time"], seed: int = 0) -> float:
    """K = median over c of corr(n, D_c(n)): near 1 for an irregular series, near 0 for a regular one.

    p(n), q(n) = sum_{j <= n} phi_j cos(c j), phi_j sin(c j); M(n) is the mean over j of the squared displacement of (p, q) in n
    steps, n up to a tenth of the length; D(n) = M(n) - (mean phi)^2 (1 - cos c n)/(1 - cos c), which grows like n for a random
    walk and is bounded for a regular series. 100 values of c, uniform in (pi/5, 4 pi/5).
    A series sampled too finely has K near 0, chaotic or not: take a stride at which its autocorrelation is below 1/e. A series
    of noise has K near 1. Source: Gottwald & Melbourne 2009, section 3.
    """
    count = len(series)
    lags = np.arange(1, count // _PART + 1)
    c = np.random.default_rng(seed).uniform(math.pi / 5, 4 * math.pi / 5, _FREQUENCIES)
    angles = np.outer(c, np.arange(1, count + 1))
    path = np.cumsum(series * np.exp(1j * angles), axis=1)  # p + i q, by c
    starts = count - count // _PART
    moved = np.stack([np.mean(np.abs(path[:, n : n + starts] - path[:, :starts]) ** 2, axis=1) for n in lags], axis=1)
    oscillation = (1 - np.cos(np.outer(c, lags))) / (1 - np.cos(c))[:, None]
    damped = moved - series.mean() ** 2 * oscillation
    x = lags - lags.mean()
    y = damped - damped.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (y @ x) / np.sqrt((x @ x) * np.square(y).sum(axis=1))
    return float(np.median(np.nan_to_num(correlation)))  # a constant series does not move: it is regular


def sample_entropy(series: Float[ndarray, " time"], length: int = 2, radius: float = 0.2) -> float:
    """-ln(A/B): B counts pairs of windows of `length` samples within `radius` standard deviations of each other, A one longer.

    Distances are maximum norms, pairs i < j, and both counts use the windows that have a next sample. White Gaussian noise has
    -ln(erf(radius/2)) = 2.185 for radius 0.2. Infinite where no longer pair is close. Source: Richman & Moorman 2000.
    """
    tolerance = radius * float(series.std())
    windows = np.lib.stride_tricks.sliding_window_view(series, length + 1)
    close = [_pairs(windows[:, : length + extra], tolerance) for extra in (0, 1)]
    if not close[1]:
        return math.inf
    return math.log(close[0] / close[1])


def _pairs(points: ndarray, tolerance: float) -> int:
    """Pairs of different points within the tolerance, in the maximum norm."""
    tree = cKDTree(points)
    return (int(tree.count_neighbors(tree, tolerance, p=np.inf)) - len(points)) // 2


def decorrelation_stride(series: Float[ndarray, " time"]) -> int:
    """The first lag at which the autocorrelation is below 1/e; the length where there is none."""
    x = series - series.mean()
    size = 1 << (2 * len(x) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(x, size)) ** 2
    correlation = np.fft.irfft(spectrum, size)[: len(x)] / np.arange(len(x), 0, -1)
    below = correlation < correlation[0] / math.e
    return int(below.argmax()) if below.any() else len(x)
