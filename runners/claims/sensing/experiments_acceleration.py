"""Accelerated gradient methods in one dimension: a cycle, a rate, and the differential equation behind the iterates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["HeavyBallCycle", "NesterovODE", "TripleMomentum", "piecewise_slope"]

# Curvatures between m = 1 and L = 25: kappa = 25.
_M, _L = 1.0, 25.0

Slope = Callable[[float], float]


def piecewise_slope(x: float) -> float:
    """f'(x) = 25 x for x < 1, x + 24 for 1 <= x < 2, 25 x - 24 for x >= 2: strongly convex, its slope is continuous."""
    return 25 * x if x < 1 else x + 24 if x < 2 else 25 * x - 24


def _stiff(x: float) -> float:
    """The slope of the quadratic 12.5 x^2."""
    return _L * x


def _heavy_ball(slope: Slope, start: float, steps: int) -> Float[ndarray, " step"]:
    """x <- x - alpha f'(x) + beta (x - x_before), alpha = 4/(sqrt L + sqrt m)^2 = 1/9, beta = 4/9; every iterate."""
    path = [start, start]
    for _ in range(steps):
        path.append(path[-1] - slope(path[-1]) / 9 + 4 / 9 * (path[-1] - path[-2]))
    return np.array(path[1:])


def _nesterov(slope: Slope, start: float, steps: int) -> tuple[Float[ndarray, " step"], Float[ndarray, " step"]]:
    """x <- y - f'(y)/L, y <- x + beta (x - x_before), beta = (sqrt kappa - 1)/(sqrt kappa + 1); every x and every y."""
    kappa = _L / _M
    beta = (kappa**0.5 - 1) / (kappa**0.5 + 1)
    path, ahead = [start], [start]
    for _ in range(steps):
        path.append(ahead[-1] - slope(ahead[-1]) / _L)
        ahead.append(path[-1] + beta * (path[-1] - path[-2]))
    return np.array(path), np.array(ahead)


@dataclass(frozen=True)
class HeavyBallCycle:
    """The heavy ball with its optimal parameters for quadratics ends on a cycle of length 3 of `piecewise_slope`.

    From 3.3, alpha = 1/9, beta = 4/9. Scores: `cycle_error`, the largest distance of the last three iterates to 0.64653,
    -1.80245, 2.11592, in any rotation; `nearest`, the least |x| over the second half; `nesterov`, |x| of Nesterov's method at
    the end; `quadratic`, |x| of the heavy ball at the end on 12.5 x^2, and `quadratic_rate`, its contraction a step over the
    first 30 (a double root: it tends to sqrt beta = 2/3 slowly). No random number enters.
    Source: Lessard, Recht and Packard, Analysis and design of optimization algorithms via integral quadratic constraints,
    2016, section 4.6.
    """

    start: float = 3.3
    steps: int = 2000

    def measure(self, run: Run) -> Scores:
        """The heavy ball and Nesterov's method on `piecewise_slope`, and the heavy ball on a quadratic."""
        path = _heavy_ball(piecewise_slope, self.start, self.steps)
        cycle = np.array([0.64653, -1.80245, 2.11592])
        errors = [np.abs(path[-3:] - np.roll(cycle, shift)).max() for shift in range(3)]
        quadratic = _heavy_ball(_stiff, self.start, self.steps)
        return Scores(
            {
                "cycle_error": float(min(errors)),
                "nearest": float(np.abs(path[self.steps // 2 :]).min()),
                "nesterov": float(abs(_nesterov(piecewise_slope, self.start, self.steps)[0][-1])),
                "quadratic": float(abs(quadratic[-1])),
                "quadratic_rate": float(abs(quadratic[30] / quadratic[0]) ** (1 / 30)),
            }
        )


@dataclass(frozen=True)
class TripleMomentum:
    """|x_n| of the triple momentum method contracts by rho = 1 - 1/sqrt kappa = 0.8 a step on `piecewise_slope`.

    xi <- (1 + beta) xi - beta xi_before - alpha f'((1 + gamma) xi - gamma xi_before), x = (1 + delta) xi - delta xi_before,
    alpha = (1 + rho)/L, beta = rho^2/(2 - rho), gamma = rho^2/((1 + rho)(2 - rho)), delta = rho^2/(1 - rho^2). Scores: `rate`,
    the contraction a step from n = 20 to 60; `heavy_ball_rate`, the same of the heavy ball.
    Source: Van Scoy, Freeman and Lynch, The fastest known globally convergent first-order method for minimizing strongly convex
    functions, 2018, equations 2 and 3.
    """

    start: float = 3.3

    def measure(self, run: Run) -> Scores:
        """Deterministic: the seed has no effect."""
        rho = 1 - (_M / _L) ** 0.5
        alpha, beta = (1 + rho) / _L, rho**2 / (2 - rho)
        gamma, delta = rho**2 / ((1 + rho) * (2 - rho)), rho**2 / (1 - rho**2)
        xi, before, path = self.start, self.start, []
        for _ in range(61):
            path.append(abs((1 + delta) * xi - delta * before))
            slope = piecewise_slope((1 + gamma) * xi - gamma * before)
            xi, before = (1 + beta) * xi - beta * before - alpha * slope, xi
        ball = np.abs(_heavy_ball(piecewise_slope, self.start, 60))
        return Scores(
            {"rate": (path[60] / path[20]) ** (1 / 40), "heavy_ball_rate": float((ball[60] / ball[20]) ** (1 / 40))}
        )


@dataclass(frozen=True)
class NesterovODE:
    """x'' + 2 sqrt m x' + (1 + sqrt(m s)) f'(x) + sqrt s f''(x) x' = 0 follows Nesterov's iterates at t = k sqrt s.

    s = 1/L, f = q x^2/2, x(0) = 1, x'(0) = -2 sqrt s f'(1)/(1 + sqrt(m s)); solved by its two exponentials. Scores for each
    curvature q: `distance_q`, the largest distance over `steps` iterates x, and `without_q`, without the term sqrt s f'' x',
    which leaves the equation of the heavy ball; `worst`, the largest distance over q, and `worst_ahead`, to the points y at
    which gradients are taken.
    Source: Shi, Du, Jordan and Su, Understanding the acceleration phenomenon via high-resolution differential equations, 2022,
    equation 1.11.
    """

    curvatures: tuple[float, ...] = (1.0, 5.0, 25.0)
    steps: int = 60

    def measure(self, run: Run) -> Scores:
        """Deterministic: the seed has no effect."""
        scores = {}
        ahead_of = []
        for q in self.curvatures:
            path, ahead = _nesterov(lambda x, q=q: q * x, 1.0, self.steps)  # type: ignore[misc]  # a default of a lambda
            followed = self._solution(q, 1.0)
            scores[f"distance_{q:g}"] = float(np.abs(path - followed).max())
            scores[f"without_{q:g}"] = float(np.abs(path - self._solution(q, 0.0)).max())
            ahead_of.append(float(np.abs(ahead - followed).max()))
        worst = max(scores[f"distance_{q:g}"] for q in self.curvatures)
        return Scores({**scores, "worst": worst, "worst_ahead": max(ahead_of)})

    def _solution(self, q: float, gradient_term: float) -> Float[ndarray, " step"]:
        """A e^{r_1 t} + B e^{r_2 t} with r^2 + c r + k = 0."""
        s = 1 / _L
        scale = 1 + (_M * s) ** 0.5
        c, k = 2 * _M**0.5 + gradient_term * s**0.5 * q, scale * q
        velocity = -2 * s**0.5 * q / scale
        root = np.sqrt(complex(c**2 - 4 * k))
        first, second = (-c + root) / 2, (-c - root) / 2
        weight = (velocity - second) / (first - second)
        time = np.arange(self.steps + 1) * s**0.5
        return np.real(weight * np.exp(first * time) + (1 - weight) * np.exp(second * time))
