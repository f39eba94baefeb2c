"""Maps of the circle and the torus whose Koopman spectra are known exactly."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["GOLDEN", "anzai", "grid", "rotation"]

# (sqrt(5) - 1)/2, the rotation number that is hardest to approximate by rational numbers.
GOLDEN = (math.sqrt(5.0) - 1) / 2


def grid(count: int) -> Float[ndarray, "point 2"]:
    """The count x count grid of the torus [0, 1)^2: the mean over it integrates characters of order below `count` exactly."""
    axis = np.arange(count) / count
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def rotation(x: Float[ndarray, "point 2"]) -> Float[ndarray, "point 2"]:
    """(x + omega, y + sqrt(2) - 1) mod 1, omega = `GOLDEN`.

    The character e^{2 pi i k.(x, y)} is an eigenfunction with eigenvalue e^{2 pi i k.(omega, sqrt(2) - 1)}.
    """
    return np.remainder(x + np.array([GOLDEN, math.sqrt(2.0) - 1]), 1.0)


def anzai(x: Float[ndarray, "point 2"]) -> Float[ndarray, "point 2"]:
    """(x + omega, y + x) mod 1, Anzai's skew product: only characters of x are eigenfunctions.

    The rest of the spectrum is Lebesgue on the unit circle.
    """
    return np.remainder(np.stack([x[:, 0] + GOLDEN, x[:, 1] + x[:, 0]], axis=1), 1.0)
