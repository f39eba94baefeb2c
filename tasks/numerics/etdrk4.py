"""Stiff equations u' = L u + N(u), L diagonal, by exponential time differencing; periodic domains in Fourier space."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics.exact import exp, polynomial

__all__ = ["ETDRK4", "kept_modes", "wavenumbers"]

# Below this |z| the formulas of the coefficients cancel, and their series, of so many terms, are used.
_SMALL, _TERMS = 2.0, 30


def wavenumbers(n: int, length: float) -> Float[ndarray, " mode"]:
    """2 pi k / length of a periodic grid of n points, k = 0, 1, .., n/2-1, -n/2, .., -1; the sign of -n/2 is arbitrary."""
    return _orders(n) * (2 * np.pi / length)


def kept_modes(n: int) -> Float[ndarray, " mode"]:
    """1 for modes |k| < n/3, which quadratic products do not alias into, 0 for the others (2/3 rule)."""
    return (np.abs(_orders(n)) < n / 3).astype(float)


def _orders(n: int) -> ndarray:
    k = np.arange(n)
    return np.where(k < (n + 1) // 2, k, k - n).astype(float)


class ETDRK4:
    """The step of order 4 of size h for u' = L u + N(u), L real and diagonal in the transform's space, in exact arithmetic.

    With z = h L: e^z, e^{z/2}, and h times q = (e^{z/2} - 1)/z, f1 = (-4 - z + e^z (4 - 3z + z^2))/z^3,
    f2 = (2 + z + e^z (z - 2))/z^3, f3 = (-4 - 3z - z^2 + e^z (4 - z))/z^3. L is broadcast against u.
    Source: Cox and Matthews 2002, eqs. (26)-(29).
    """

    def __init__(self, linear: ndarray, nonlinear: Callable[[ndarray], ndarray], h: float) -> None:
        self._nonlinear = nonlinear
        z = h * linear
        self._full, self._half = exp(z), exp(z / 2)
        self._q, self._f1, self._f2, self._f3 = (h * c for c in _coefficients(z, self._full, self._half))

    def step(self, u: ndarray) -> ndarray:
        """u after h."""
        at_u = self._nonlinear(u)
        a = self._half * u + self._q * at_u
        at_a = self._nonlinear(a)
        at_b = self._nonlinear(self._half * u + self._q * at_a)
        at_c = self._nonlinear(self._half * a + self._q * (2 * at_b - at_u))
        return self._full * u + self._f1 * at_u + 2 * self._f2 * (at_a + at_b) + self._f3 * at_c

    def run(self, u: ndarray, steps: int) -> ndarray:
        """u after `steps` steps."""
        for _ in range(steps):
            u = self.step(u)
        return u


def _coefficients(z: ndarray, full: ndarray, half: ndarray) -> tuple[ndarray, ...]:
    """q, f1, f2, f3; coefficient z^n of a series belongs to z^{n+3} of the numerator."""
    safe = np.where(np.abs(z) < _SMALL, 1.0, z)
    cube, square = safe * safe * safe, z * z
    direct = (
        (half - 1) / safe,
        (full * (4 - 3 * z + square) - 4 - z) / cube,
        (full * (z - 2) + 2 + z) / cube,
        (full * (4 - z) - 4 - 3 * z - square) / cube,
    )
    inverse = [1 / math.factorial(n) for n in range(_TERMS + 4)]
    orders = range(3, _TERMS + 3)
    series = (
        [inverse[n + 1] / (2 << n) for n in range(_TERMS)],
        [4 * inverse[n] - 3 * inverse[n - 1] + inverse[n - 2] for n in orders],
        [inverse[n - 1] - 2 * inverse[n] for n in orders],
        [4 * inverse[n] - inverse[n - 1] for n in orders],
    )
    return tuple(np.where(np.abs(z) < _SMALL, polynomial(z, s), d) for s, d in zip(series, direct, strict=True))
