"""Elementary functions and matrix products from + - * / and sqrt in a fixed order: bitwise reproducible on every machine.

The last bits of NumPy's exp, log, sin, powers, matrix products and factorizations depend on the CPU's vector width and on the
BLAS, and chaotic systems amplify such differences to the size of the signal. Here every operation is correctly rounded by
IEEE 754, elementwise and in float64. Errors are a few units in the last place, which suffices: the generated
data is the reference. For generators only; methods and scores use NumPy and torch.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = [
    "arctan",
    "contract",
    "cos",
    "exp",
    "inner",
    "log",
    "orthonormal",
    "polynomial",
    "power",
    "settled",
    "sin",
    "thin_svd",
]

# Constants as sums of a short part, whose products with small integers are exact, and a remainder (Cody and Waite).
_LN2 = (float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33"))
_HALF_PI = (
    float.fromhex("0x1.921fb54400000p+0"),
    float.fromhex("0x1.0b4611a600000p-34"),
    float.fromhex("0x1.3198a2e037073p-69"),
)
_LOG2E, _TWO_OVER_PI = float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.45f306dc9c883p-1")
_SWEEPS = 30


def exp(x: ndarray | float) -> ndarray:
    """e^x = 2^k e^r, r = x - k log 2 in [-0.35, 0.35]: Taylor series of degree 14 for e^r; |x| <= 700."""
    x = np.asarray(x, dtype=float)
    k = np.asarray(np.rint(x * _LOG2E))
    r = (x - k * _LN2[0]) - k * _LN2[1]
    return np.asarray(np.ldexp(polynomial(r, [1 / math.factorial(i) for i in range(15)]), k.astype(int)))


def log(x: ndarray | float) -> ndarray:
    """log x = k log 2 + 2 artanh(s), s = (m - 1)/(m + 1), x = 2^k m with m in [sqrt(1/2), sqrt(2)); x > 0."""
    m, k = np.frexp(np.asarray(x, dtype=float))
    small = m < math.sqrt(0.5)
    m, k = np.where(small, 2 * m, m), np.where(small, k - 1, k)
    s = (m - 1) / (m + 1)
    return np.asarray(k * _LN2[0] + (k * _LN2[1] + 2 * s * polynomial(s * s, [1 / (2 * i + 1) for i in range(12)])))


def power(base: ndarray | float, exponent: ndarray | float) -> ndarray:
    """base^exponent = e^{exponent log base}, base > 0."""
    return exp(np.asarray(exponent, dtype=float) * log(base))


def sin(x: ndarray | float) -> ndarray:
    """Sine of angles |x| up to a million times pi/2."""
    return _quadrant(x, 0)


def cos(x: ndarray | float) -> ndarray:
    """Cosine sin(x + pi/2) of angles |x| up to a million times pi/2."""
    return _quadrant(x, 1)


def _quadrant(x: ndarray | float, ahead: int) -> ndarray:
    """sin(x + ahead pi/2), by the Taylor series of sine and cosine of r = x - q pi/2 in [-pi/4, pi/4]."""
    x = np.asarray(x, dtype=float)
    q = np.asarray(np.rint(x * _TWO_OVER_PI))
    r = ((x - q * _HALF_PI[0]) - q * _HALF_PI[1]) - q * _HALF_PI[2]
    square = r * r
    sine = r * polynomial(square, [(-1) ** i / math.factorial(2 * i + 1) for i in range(10)])
    cosine = polynomial(square, [(-1) ** i / math.factorial(2 * i) for i in range(10)])
    quadrant = (q.astype(int) + ahead) % 4
    value = np.where(quadrant % 2 == 0, sine, cosine)
    return np.where(quadrant >= 2, -value, value)


def arctan(x: ndarray | float) -> ndarray:
    """arctan x = 8 arctan t, t by three applications of the half-angle formula t -> t/(1 + sqrt(1 + t^2)) to x."""
    t = np.asarray(x, dtype=float)
    for _ in range(3):
        t = t / (1 + np.sqrt(1 + t * t))
    return np.asarray(8 * t * polynomial(t * t, [(-1) ** i / (2 * i + 1) for i in range(13)]))


def polynomial(x: ndarray | float, coefficients: list[float]) -> ndarray:
    """sum_i c_i x^i, by Horner's rule."""
    value = np.full(np.shape(x), coefficients[-1])
    for c in reversed(coefficients[:-1]):
        value = np.asarray(value * x + c)
    return value


def contract(a: Float[ndarray, "... row k"], b: Float[ndarray, "... k column"]) -> Float[ndarray, "... row column"]:
    """The matrix product, summed over k from first to last."""
    total = a[..., :, :1] * b[..., :1, :]
    term = np.empty_like(total)
    for k in range(1, a.shape[-1]):
        np.multiply(a[..., :, k : k + 1], b[..., k : k + 1, :], out=term)
        total += term
    return total


def inner(a: Float[ndarray, "... k"], b: Float[ndarray, "... k"]) -> Float[ndarray, "..."]:
    """sum_k a_k b_k over the last axis; NumPy's pairwise summation of contiguous numbers depends only on their count."""
    return np.asarray(np.add.reduce(np.ascontiguousarray(a * b), axis=-1))


def orthonormal(x: Float[ndarray, "row column"]) -> Float[ndarray, "row column"]:
    """Q of x = Q R with a positive diagonal of R, by Gram-Schmidt with reorthogonalization: orthonormal to rounding."""
    q = np.array(x, dtype=float)
    for j in range(q.shape[1]):
        for _ in range(2):
            for i in range(j):
                q[:, j] -= inner(q[:, i], q[:, j]) * q[:, i]
            q[:, j] /= np.sqrt(inner(q[:, j], q[:, j]))
    return q


def thin_svd(
    left: Float[ndarray, "row rank"], right: Float[ndarray, "column rank"]
) -> tuple[Float[ndarray, "row rank"], Float[ndarray, " rank"], Float[ndarray, "column rank"]]:
    """U, s, V of left right^T = U diag(s) V^T, s descending, for factors of full rank.

    One-sided Jacobi: the columns of left right^T Q, Q an orthonormal basis of the columns of `right`, are made orthogonal by
    rotations. Source: Hestenes 1958.
    """
    basis = orthonormal(right)
    u, v = contract(left, contract(right.T, basis)), np.eye(basis.shape[1])
    for _ in range(_SWEEPS):
        for i in range(u.shape[1]):
            for j in range(i + 1, u.shape[1]):
                ii, jj, ij = inner(u[:, i], u[:, i]), inner(u[:, j], u[:, j]), inner(u[:, i], u[:, j])
                if ij * ij <= 1e-32 * ii * jj:
                    continue
                slope = (jj - ii) / (2 * ij)
                t = (1.0 if slope >= 0 else -1.0) / (abs(slope) + np.sqrt(1 + slope * slope))
                c = 1 / np.sqrt(1 + t * t)
                for m in (u, v):
                    m[:, i], m[:, j] = c * (m[:, i] - t * m[:, j]), c * (t * m[:, i] + m[:, j])
    s = np.sqrt(np.array([inner(u[:, i], u[:, i]) for i in range(u.shape[1])]))
    order = np.argsort(-s, kind="stable")
    return (u / s)[:, order], s[order], contract(basis, v)[:, order]


def settled(value: float, digits: int = 9) -> float:
    """The value rounded to `digits` significant digits: removes the digits that depend on the CPU from an iterative result.

    Two values that agree to 1e-14 round to different numbers with probability about 1e-5.
    """
    return float(f"{value:.{digits - 1}e}")
