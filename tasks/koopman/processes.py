"""One-dimensional stochastic systems and their Koopman spectra, computed from transition kernels and generators."""

from __future__ import annotations

import functools
import math

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray
from scipy.linalg import eigh_tridiagonal

from dynamark.tasks.numerics.exact import arctan, exp

__all__ = [
    "LOGISTIC_ORDER",
    "double_well_modes",
    "double_well_paths",
    "logistic_features",
    "logistic_modes",
    "logistic_path",
    "ou_step",
]

# cos^20 has Fourier modes up to order 10, so the noise makes the operator one of rank 21.
LOGISTIC_ORDER = 10


def ou_step(x: ndarray, tau: float, rng: np.random.Generator) -> ndarray:
    """e^{-tau} x + sqrt(1 - e^{-2 tau}) N(0, 1): an exact sample of X_tau for dX = -X dt + sqrt(2) dW, X_0 = x."""
    decay = exp(-tau)
    return decay * x + np.sqrt(1 - decay * decay) * rng.standard_normal(x.shape)


def logistic_path(steps: int, rng: np.random.Generator) -> Float[ndarray, " state"]:
    """x+ = 4 x (1 - x) + xi mod 1, xi with density proportional to cos^20(pi xi) on [-1/2, 1/2], after 100 steps of burn-in.

    theta = pi xi has density proportional to cos^20(theta), as the latitude of a uniform point on the sphere in R^22 has:
    theta = arctan(g_0/|g_1..21|) with independent standard normal g.
    """
    count = steps + 101
    g = rng.standard_normal((2 * LOGISTIC_ORDER + 2, count))
    noise = arctan(g[0] / np.sqrt(np.sum(g[1:] ** 2, axis=0))) / np.pi
    x, out = rng.random(), np.empty(count)
    for n, xi in enumerate(noise):
        x = (4 * x * (1 - x) + xi) % 1.0
        out[n] = x
    return out[100:]


def logistic_features(x: Float[ndarray, " state"]) -> Complex[ndarray, "state 21"]:
    """e^{-2 pi i k F(x)}, |k| <= 10, F = 4 x (1 - x): these features span the range of the operator."""
    k = np.arange(-LOGISTIC_ORDER, LOGISTIC_ORDER + 1)
    return np.exp(-2j * np.pi * np.outer(4 * x * (1 - x), k))


@functools.cache
def logistic_modes(nodes: int = 200) -> tuple[Complex[ndarray, "21"], Complex[ndarray, "21 21"]]:
    """Eigenvalues by decreasing modulus, and eigenfunctions as columns of coefficients of `logistic_features`.

    The matrix of the operator in these features is c_j int_0^1 e^{2 pi i j y} e^{-2 pi i k F(y)} dy, c_j the Fourier coefficients
    of the noise density relative to c_0. The integral uses Gauss-Legendre quadrature with `nodes` nodes, because the periodic
    extension of F has a kink, at which the trapezoidal rule would lose its accuracy.
    """
    y, weights = np.polynomial.legendre.leggauss(nodes)
    y, weights = (y + 1) / 2, weights / 2
    k = np.arange(-LOGISTIC_ORDER, LOGISTIC_ORDER + 1)
    modes = np.array([math.comb(2 * LOGISTIC_ORDER, LOGISTIC_ORDER + j) for j in k], dtype=float)
    modes /= modes[LOGISTIC_ORDER]
    matrix = modes[:, None] * (np.exp(2j * np.pi * np.outer(k, y)) * weights) @ logistic_features(y)
    values, vectors = np.linalg.eig(matrix)
    order = np.argsort(-np.abs(values))
    return values[order], vectors[:, order]


def double_well_paths(
    count: int, steps: int, rng: np.random.Generator, beta: float = 3.0, tau: float = 0.1, h: float = 1e-3
) -> Float[ndarray, "path state"]:
    """dX = -4 X (X^2 - 1) dt + sqrt(2/beta) dW by Euler-Maruyama with step h, sampled every tau; starts at +-1, burn-in of 1."""
    x = rng.choice([-1.0, 1.0], count)
    substeps, kick = round(tau / h), math.sqrt(2 * h / beta)
    burn = round(1.0 / tau)
    out = np.empty((burn + steps + 1, count))
    for n in range(len(out)):
        for noise in rng.standard_normal((substeps, count)):
            x = x - 4 * h * x * (x * x - 1) + kick * noise
        out[n] = x
    return np.ascontiguousarray(out[burn:].T)


@functools.cache
def double_well_modes(
    beta: float = 3.0, count: int = 5, points: int = 2001, reach: float = 3.0
) -> tuple[Float[ndarray, " mode"], Float[ndarray, " point"], Float[ndarray, "point mode"]]:
    """Rates, grid and eigenfunctions of the generator -V' d/dx + beta^{-1} d^2/dx^2, V = (x^2 - 1)^2.

    The discretization jumps between neighboring points with rates e^{-beta (V_j - V_i)/2} / (beta h^2). It is reversible under
    e^{-beta V}, so its symmetric form is tridiagonal, and of second order in the grid spacing h.
    """
    x = np.linspace(-reach, reach, points)
    potential, scale = (x * x - 1) ** 2, 1 / (beta * (x[1] - x[0]) ** 2)
    gap = beta * np.diff(potential) / 2
    diagonal = np.zeros(points)
    diagonal[:-1] -= scale * np.exp(-gap)
    diagonal[1:] -= scale * np.exp(gap)
    values, vectors = eigh_tridiagonal(
        diagonal, np.full(points - 1, scale), select="i", select_range=(points - count, points - 1)
    )
    functions = vectors[:, ::-1] * np.exp(beta * potential / 2)[:, None]
    return values[::-1], x, functions
