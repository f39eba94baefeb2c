"""Runge-Kutta methods whose slopes are filtered by time-accurate stable operators (TASE): order, stability, accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["SCHEMES", "TaseConvergence", "TaseStability"]


class Scheme(NamedTuple):
    """Stages K_i = T_i f(y + h sum_j a_ij K_j), T_i = sum_m beta_im R^m, R = (I - alpha h J)^{-1}; y + h sum_i b_i K_i.

    filters: beta_im, m = 1, 2, ...; none is T = I.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    filters: tuple[tuple[float, ...], ...]


_HEUN = ((), (1.0,)), (1 / 2, 1 / 2)
_KUTTA = ((), (1 / 2,), (-1.0, 2.0)), (1 / 6, 2 / 3, 1 / 6)
_CLASSICAL = ((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)
Name = Literal["rk4", "singly2", "singly3", "mtase2", "mtase3", "unfiltered2"]
SCHEMES: dict[str, Scheme] = {
    "rk4": Scheme(*_CLASSICAL, ((),) * 4),
    # T = I - (I - R)^p at every stage
    "singly2": Scheme(*_HEUN, ((2.0, -1.0),) * 2),
    "singly3": Scheme(*_KUTTA, ((3.0, -3.0, 1.0),) * 3),
    # only the sum of the T_i weighted by b has the order
    "mtase2": Scheme(*_HEUN, ((1.0,), (3.0, -2.0))),
    "mtase3": Scheme(*_KUTTA, ((1.0,), (5 / 2, -3 / 2), (7.0, -12.0, 6.0))),
    "unfiltered2": Scheme(*_HEUN, ((1.0,), (1.0,))),
}


@dataclass(frozen=True)
class TaseConvergence:
    """The van der Pol oscillator x'' = mu (1 - x^2) x' - x from (2, 0) to t = 5 by a scheme of `SCHEMES`.

    J is the Jacobian at the beginning of a step, or, `wrong`, 0.7 J + 0.5 in every entry. Scores: `error`, the largest
    component of the error at the end with `steps` steps, `half_error` with twice as many, `order` = log2 of their quotient;
    `overflow`, 1 where the first run is not finite; then the others are left out.
    Source: Calvo, Montijano and Rández, Modified Singly-Runge-Kutta-TASE methods, 2024; the coefficients of mtase2 and mtase3
    are our own solutions of the order conditions.
    """

    scheme: Name = "singly2"
    alpha: float = 1.0
    jacobian: Literal["exact", "wrong"] = "exact"
    mu: float = 5.0
    steps: int = 800

    def measure(self, run: Run) -> Scores:
        """Against the solution of order 8 with a tolerance of 1e-13."""
        from scipy.integrate import solve_ivp

        exact = solve_ivp(lambda _, y: _field(y, self.mu), (0, 5), (2, 0), "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
        ends = [self._integrate(steps) for steps in (self.steps, 2 * self.steps)]
        if not np.isfinite(ends[0]).all():
            return Scores({"overflow": 1.0})
        error, half = (float(np.abs(end - exact).max()) for end in ends)
        return Scores({"overflow": 0.0, "error": error, "half_error": half, "order": float(np.log2(error / half))})

    def _integrate(self, steps: int) -> Float[ndarray, " 2"]:
        h, y = 5 / steps, np.array([2.0, 0.0])
        scheme = SCHEMES[self.scheme]
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                jacobian = _jacobian(y, self.mu)
                if self.jacobian == "wrong":
                    jacobian = 0.7 * jacobian + 0.5
                matrix = np.eye(2) - self.alpha * h * jacobian
                if not np.isfinite(matrix).all():
                    return np.full(2, np.nan)
                y = tase_step(scheme, y, h, np.linalg.inv(matrix), self.mu)
        return y


def _field(y: ndarray, mu: float) -> Float[ndarray, " 2"]:
    return np.array([y[1], mu * (1 - y[0] * y[0]) * y[1] - y[0]])


def _jacobian(y: ndarray, mu: float) -> Float[ndarray, "2 2"]:
    return np.array([[0.0, 1.0], [-2 * mu * y[0] * y[1] - 1, mu * (1 - y[0] * y[0])]])


def tase_step(
    scheme: Scheme, y: Float[ndarray, " 2"], h: float, resolvent: Float[ndarray, "2 2"], mu: float
) -> Float[ndarray, " 2"]:
    """One step; T_i f by Horner's rule in R."""
    slopes: list[ndarray] = []
    for row, filters in zip(scheme.a, scheme.filters, strict=True):
        inner = sum((weight * slope for weight, slope in zip(row, slopes, strict=True)), np.zeros(2))
        rate = _field(y + h * inner, mu)
        filtered = np.zeros(2) if filters else rate
        for beta in reversed(filters):
            filtered = resolvent @ (filtered + beta * rate)
        slopes.append(filtered)
    return np.asarray(y + h * sum(weight * slope for weight, slope in zip(scheme.b, slopes, strict=True)))


def amplification(scheme: Scheme, resolvent: Complex[ndarray, "*place"], alpha: float) -> Complex[ndarray, "*place"]:
    """R(z) = 1 + sum_i b_i k_i, k_i = T_i z (1 + sum_j a_ij k_j): the factor of a step for y' = (z/h) y with the exact J.

    resolvent: 1/(1 - alpha z), which is 0 at infinity.
    """
    slopes: list[ndarray] = []
    for row, filters in zip(scheme.a, scheme.filters, strict=True):
        inner = 1 + sum((weight * slope for weight, slope in zip(row, slopes, strict=True)), np.zeros_like(resolvent))
        # z R^m = R^{m-1} (R - 1) / alpha, which is finite at infinity
        filtered = sum(beta * resolvent**m for m, beta in enumerate(filters)) * (resolvent - 1) / alpha
        slopes.append(filtered * inner)
    return np.asarray(1 + sum(weight * slope for weight, slope in zip(scheme.b, slopes, strict=True)))


@dataclass(frozen=True)
class TaseStability:
    """|R(z)| on rays z = -r e^{i phi}, 0 <= phi <= 90 degrees: `excess`, the largest less 1 (at most 0 for an A-stable scheme).

    `infinity`: |R| at infinity. `angle`: the largest phi in degrees, in half degrees, up to which |R| <= 1 + 1e-9; -1 where
    even the negative axis is not stable. Filtered schemes only.
    Source: Calvo, Montijano and Rández 2024.
    """

    scheme: Name = "mtase2"
    alpha: float = 0.75

    def measure(self, run: Run) -> Scores:
        """Deterministic: the stability function on a fixed grid; the seed has no effect."""
        degrees, radii = np.arange(0, 90.25, 0.5), np.geomspace(1e-4, 1e8, 4000)
        z = -radii * np.exp(1j * np.radians(degrees))[:, None]
        z[-1] = 1j * radii  # exactly on the axis
        scheme = SCHEMES[self.scheme]
        excess = np.abs(amplification(scheme, 1 / (1 - self.alpha * z), self.alpha)).max(axis=1) - 1
        unstable = np.flatnonzero(excess > 1e-9)
        angle = degrees[-1] if not len(unstable) else degrees[unstable[0] - 1] if unstable[0] else -1.0
        infinity = abs(amplification(scheme, np.zeros(1, complex), self.alpha)[0])
        return Scores({"excess": float(excess.max()), "infinity": float(infinity), "angle": float(angle)})
