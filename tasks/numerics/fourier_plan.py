"""The Fourier transform of `fourier` with its work arrays allocated once, for many transforms of one shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics.exact import cos, sin

__all__ = ["FourierPlan"]


class FourierPlan:
    """X_k = sum_t x_t e^{-2 pi i k t/n}, n a power of two, of signals [2, n, batch] (real and imaginary parts) in `source`.

    The bits of the result are those of `fourier`; a call returns the array that the next call overwrites. Raises ValueError for
    other n. Source: Cooley & Tukey 1965.
    """

    def __init__(self, n: int, batch: int) -> None:
        if n & (n - 1) or n < 2:
            raise ValueError(f"a plan needs a power of two, got {n} points")
        self.source: Float[ndarray, "2 n batch"] = np.zeros((2, n, batch))
        self._calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        cosine, sine, rotated = (np.empty((2, n // 2, batch)) for _ in range(3))
        here, buffers, rows = self.source, (np.empty_like(self.source), np.empty_like(self.source)), 1
        while rows < n:
            there, half = buffers[rows.bit_length() % 2], n // (2 * rows)
            parts, out = here.reshape(2, rows, 2, half, batch), there.reshape(2, 2, rows, half, batch)
            angle = (2 * np.pi * np.arange(rows) / (2 * rows)).reshape(-1, 1, 1)
            by_cosine, by_sine, turned = (x.reshape(2, rows, half, batch) for x in (cosine, sine, rotated))
            even, odd = parts[:, :, 0], parts[:, :, 1]
            self._calls += [
                (np.multiply, (cos(angle), odd, by_cosine)),
                (np.multiply, (sin(angle), odd, by_sine)),
                (np.add, (by_cosine[0], by_sine[1], turned[0])),
                (np.subtract, (by_cosine[1], by_sine[0], turned[1])),
                (np.add, (even, turned, out[:, 0])),
                (np.subtract, (even, turned, out[:, 1])),
            ]
            here, rows = there, 2 * rows
        self._result = here

    def __call__(self) -> Float[ndarray, "2 n batch"]:
        """The transform of `source`, which keeps its values."""
        for call, arguments in self._calls:
            call(*arguments)
        return self._result
