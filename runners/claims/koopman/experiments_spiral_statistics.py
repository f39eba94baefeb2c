"""Statistics of reaction-diffusion spirals: the spread over space as a series in time, and its kurtosis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.koopman.fields import ReactionDiffusion, spiral
from dynamark.tasks.problems import Run

__all__ = ["SpiralStatistics", "excess_kurtosis"]

# d1, d2, beta, length; arms of the spiral.
_REGIMES = {"stable": ((0.1, 0.1, 1.0, 20.0), 1), "turbulent": ((0.03, 0.2, 0.65, 50.0), 4)}


@dataclass(frozen=True)
class SpiralStatistics:
    """sigma(t), the standard deviation of u over space, of the usual spiral (one arm, turbulent: four), 2001 samples.

    u' = d1 lap u + (1 - a) u + beta a v, v' = d2 lap v + (1 - a) v - beta a u, a = u^2 + v^2, periodic; Strang splitting,
    step 0.1: half a step of exact diffusion, a Runge-Kutta step of the reaction, half a step of diffusion. Scores: the excess
    kurtosis E(s - E s)^4/(E(s - E s)^2)^2 - 3 of the series over [0, 200], `whole`, and over [20, 200], `late`;
    `late_size`, the magnitude of the second.
    Source: Herho et al., rd-spiral, 2025.
    """

    regime: Literal["stable", "turbulent"] = "stable"
    time: float = 200.0
    transient: float = 20.0
    points: int = 128

    def measure(self, run: Run) -> Scores:
        """Deterministic: the equation is solved once, and the seed has no effect."""
        parameters, arms = _REGIMES[self.regime]
        equation = ReactionDiffusion(*parameters, self.points, h=0.1)
        series = spreads(equation, spiral(*equation.grid(), arms), round(self.time / equation.h))
        times = equation.h * np.arange(len(series))
        whole, late = excess_kurtosis(series), excess_kurtosis(series[times >= self.transient])
        scores = {"whole": whole, "late": late, "late_size": abs(late)}
        return Scores(scores, (Curve("spread", times, series),))


def excess_kurtosis(series: Float[ndarray, " time"]) -> float:
    """The fourth central moment over the square of the second, less 3."""
    centered = series - series.mean()
    return float(np.mean(centered**4) / np.mean(centered**2) ** 2 - 3)


def spreads(equation: ReactionDiffusion, start: Float[ndarray, "2 n n"], steps: int) -> Float[ndarray, " states"]:
    """The standard deviation of u over space after each step, that of the initial field first."""
    k = 2 * np.pi / equation.length * equation.n * np.fft.fftfreq(equation.n)
    square = k[:, None] ** 2 + k[: equation.n // 2 + 1] ** 2
    half = np.exp(-equation.h / 2 * square * np.array([equation.d1, equation.d2])[:, None, None])

    def diffuse(x: ndarray, factor: ndarray) -> ndarray:
        return np.fft.irfft2(np.fft.rfft2(x) * factor, x.shape[-2:])

    def rates(x: ndarray) -> ndarray:
        a = np.square(x).sum(axis=0)
        return (1 - a) * x + equation.beta * a * np.stack([x[1], -x[0]])

    x, series, h = diffuse(start, half), [float(start[0].std())], equation.h
    for step in range(steps):
        k1 = rates(x)
        k2 = rates(x + h / 2 * k1)
        k3 = rates(x + h / 2 * k2)
        x = x + h / 6 * (k1 + 2 * (k2 + k3) + rates(x + h * k3))
        x = diffuse(x, half)  # the end of a step, which is read, and below the beginning of the next
        series.append(float(x[0].std()))
        if step + 1 < steps:
            x = diffuse(x, half)
    return np.array(series)
