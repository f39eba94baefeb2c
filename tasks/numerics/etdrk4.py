"""Stiff equations u' = L u + N(u), L diagonal, by exponential time differencing; periodic domains in Fourier space."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["Etdrk4", "kept_modes", "wavenumbers"]

# Points on the circle over which coefficients are averaged: near 0 their formulas cancel.
_CONTOUR = 32


def wavenumbers(n: int, length: float, half: bool = False) -> Float[ndarray, " mode"]:
    """2 pi k / length of a periodic grid of n points; `half` for a real transform's last axis."""
    return 2 * np.pi * (np.fft.rfftfreq if half else np.fft.fftfreq)(n, length / n)


def kept_modes(n: int, half: bool = False) -> Float[ndarray, " mode"]:
    """1 for modes |k| < n/3, which quadratic products do not alias into, 0 for the others (2/3 rule)."""
    k = np.abs((np.fft.rfftfreq if half else np.fft.fftfreq)(n, 1 / n))
    return (k < n / 3).astype(float)


class Etdrk4:
    """The step of order 4 of size h for u' = L u + N(u), L real and diagonal in the transform's space, any batch axes ahead.

    Coefficients phi(hL) by averages over 32 points of a circle of radius 1 around hL.
    Source: Cox and Matthews 2002, eqs. (26)-(29); Kassam and Trefethen 2005 for the averages.
    """

    def __init__(self, linear: ndarray, nonlinear: Callable[[ndarray], ndarray], h: float) -> None:
        self._nonlinear = nonlinear
        z = h * linear
        # L is real: the lower half of the circle would add the conjugates.
        r = z[..., None] + np.exp(1j * np.pi * (np.arange(_CONTOUR) + 0.5) / _CONTOUR)
        grown = np.exp(r)
        self._full, self._half = np.exp(z), np.exp(z / 2)
        self._q = h * ((np.exp(r / 2) - 1) / r).mean(axis=-1).real
        self._f1 = h * ((-4 - r + grown * (4 - 3 * r + r**2)) / r**3).mean(axis=-1).real
        self._f2 = h * ((2 + r + grown * (r - 2)) / r**3).mean(axis=-1).real
        self._f3 = h * ((-4 - 3 * r - r**2 + grown * (4 - r)) / r**3).mean(axis=-1).real

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
