"""Exponential time differencing for stiff equations u' = L u + N(u), L diagonal, such as PDEs in Fourier space."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics.exact import exp, polynomial

__all__ = ["ETDRK4", "kept_modes", "wavenumbers"]

# For |z| < _SMALL the formulas of the coefficients suffer cancellation; a power series of _TERMS terms is used.
_SMALL, _TERMS = 2.0, 30


def wavenumbers(n: int, length: float) -> Float[ndarray, " mode"]:
    """2 pi k / length for a periodic grid of n points, k = 0, 1, .., n/2-1, -n/2, .., -1."""
    return _orders(n) * (2 * np.pi / length)


def kept_modes(n: int) -> Float[ndarray, " mode"]:
    """Dealiasing mask of the 2/3 rule: 1 for modes |k| < n/3, which quadratic products do not alias into, else 0."""
    return (np.abs(_orders(n)) < n / 3).astype(float)


def _orders(n: int) -> ndarray:
    k = np.arange(n)
    return np.where(k < (n + 1) // 2, k, k - n).astype(float)


class ETDRK4:
    """Fourth-order ETD Runge-Kutta with step size h for u' = L u + N(u), L real and diagonal; reproducible arithmetic (`exact`).

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
        """u after one step of size h."""
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
    """q, f1, f2, f3. In the series, the coefficient of z^n is that of z^{n+3} (z^{n+1} for q) in the numerator."""
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
