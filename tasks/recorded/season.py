"""The period of a recording, from the autocorrelation of its training part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["period_of"]

# Least autocorrelation at a period, beyond which a peak is taken for a season.
_LEAST = 0.3


def period_of(pieces: Sequence[Float[ndarray, "_ channel"]], longest: int) -> int:
    """The lag of the first high peak of the autocorrelation (mean over channels), 2 to `longest` samples; 1 if there is none.

    A peak is higher than both neighbors and at least 0.3. Straight lines are removed first, so that a trend is no season.
    """
    size = max(len(piece) for piece in pieces)
    total, count = np.zeros(size), np.zeros(size)
    for piece in pieces:
        length = len(piece)
        time = np.linspace(-1, 1, length)[:, None] if length > 1 else np.zeros((1, 1))
        centered = piece - piece.mean(axis=0)
        centered = centered - time * (np.sum(time * centered, axis=0) / max(float(np.sum(time**2)), 1e-300))
        power = np.mean(centered**2, axis=0)
        centered = centered / np.sqrt(np.where(power > 0, power, 1.0))
        spectrum = np.abs(np.fft.rfft(centered, 2 * length, axis=0)) ** 2
        total[:length] += np.fft.irfft(spectrum, 2 * length, axis=0)[:length].mean(axis=1)
        count[:length] += np.arange(length, 0, -1)
    correlation = total / np.maximum(count, 1)
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]) & (inner >= _LEAST)) + 1
    peaks = peaks[(peaks >= 2) & (peaks <= longest)]
    # The first among those that are nearly as high as the highest: multiples of a period peak too.
    if not len(peaks):
        return 1
    high = peaks[correlation[peaks] >= 0.9 * correlation[peaks].max()]
    return int(high[0])
