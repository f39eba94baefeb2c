"""Tokens that move in the field of a selective state space: decay, slow growth and blow-up of a one-dimensional flow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["TokenFlow", "velocity"]

Tokens = Float[ndarray, " token"]


def velocity(x: Tokens, mu: float, slope: float, power: float = 2.0) -> Tokens:
    """x_l' = mu x_l sum_{j<=l} e^{-(c_l - c_j)} D_j |x_j|^power, D = softplus(slope x), c = cumsum D."""
    steps = np.logaddexp(0.0, slope * x)
    terms, sums, carry = steps * np.abs(x) ** power, np.empty_like(x), 0.0
    for k in range(len(x)):  # sums_k = e^{-D_k} sums_{k-1} + terms_k: the exponents of c alone would overflow
        carry = math.exp(-steps[k]) * carry + terms[k]
        sums[k] = carry
    return mu * x * sums


def _rk4(flow: Callable[[ndarray], ndarray], x: ndarray, step: float) -> ndarray:
    first = flow(x)
    second = flow(x + step / 2 * first)
    third = flow(x + step / 2 * second)
    return x + step / 6 * (first + 2 * second + 2 * third + flow(x + step * third))


@dataclass(frozen=True)
class TokenFlow:
    """The flow of `velocity` with mu = S_C S_B and slope S_D, from x(0) ~ U(0.3, 1.2)^tokens; one head, one channel.

    slope_<d>_low, slope_<d>_high: least and largest slope of ln x_l on ln t over tokens, from t = 10^(d-1) to 10^d, d = 3, 4, 5;
    in the variable s = ln(1 + t) by the Runge-Kutta method of order 4. time, with mu and slope positive: at which a token exceeds
    1e5, in the variable ds = (1 + max |x|^3) dt; infinite if none does for s <= 40. Source: Vo et al. 2025, theorem 4.1.
    """

    mu: float = -1.0
    slope: float = 1.0
    power: float = 2.0
    tokens: int = 4
    step: float = 0.02

    def measure(self, run: Run) -> Scores:
        """The slopes, or the time of the blow-up."""
        start = run.numpy.uniform(0.3, 1.2, self.tokens)
        if self.mu > 0 and self.slope > 0:
            return Scores({"time": self._blow_up(start)})
        return Scores(self._slopes(start))

    def _slopes(self, x: ndarray) -> dict[str, float]:
        """d ln x / d ln t between powers of 10."""
        past, t = x, 0.0
        values: dict[str, float] = {}
        for decade in range(2, 6):
            span = math.log1p(10.0**decade) - math.log1p(t)
            count = math.ceil(span / self.step)
            for _ in range(count):
                x = self._in_log_time(x, t, span / count)
                t = math.expm1(math.log1p(t) + span / count)
            if decade > 2:
                slopes = np.log10(x / past)
                values |= {f"slope_{decade}_low": float(slopes.min()), f"slope_{decade}_high": float(slopes.max())}
            past = x
        return values

    def _in_log_time(self, x: ndarray, t: float, step: float) -> ndarray:
        """One step in s = ln(1 + t): time is the last coordinate."""

        def flow(both: ndarray) -> ndarray:
            rate = 1 + both[-1]
            return np.append(rate * velocity(both[:-1], self.mu, self.slope, self.power), rate)

        return _rk4(flow, np.append(x, t), step)[:-1]

    def _blow_up(self, x: ndarray) -> float:
        """The time at which a token exceeds 1e5."""

        def flow(both: ndarray) -> ndarray:
            rate = 1 / (1 + np.abs(both[:-1]).max() ** 3)
            return np.append(rate * velocity(both[:-1], self.mu, self.slope, self.power), rate)

        both = np.append(x, 0.0)
        for _ in range(round(40 / self.step)):
            both = _rk4(flow, both, self.step)
            if np.abs(both[:-1]).max() > 1e5:
                return float(both[-1])
        return math.inf
