"""Convergence of error curves: the step at which a level is reached, and the kind and rate of convergence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["KINDS", "Rate", "convergence_rate", "reach"]

KINDS = ("floor", "linear", "power", "stalled", "mixed")

_HIGH, _LOW = 1e-3, 1e-11


def reach(axis: Float[ndarray, " t"], error: Float[ndarray, " t"], level: float) -> float | None:
    """The position on `axis` at which the error first reaches `level`; None if it never does (right-censored).

    Log-linear interpolation between samples.
    """
    below = np.flatnonzero(error <= level)
    if len(below) == 0:
        return None
    j = int(below[0])
    if j == 0 or error[j] == 0:
        return float(axis[j])
    fraction = np.log(error[j - 1] / level) / np.log(error[j - 1] / error[j])
    return float(axis[j - 1] + fraction * (axis[j] - axis[j - 1]))


@dataclass(frozen=True)
class Rate:
    """Kind and rate of convergence of an error curve e(t).

    kind: one of `KINDS` (see `convergence_rate`).
    rate: c = -d log e / dt per step, fitted over the window of linear convergence; rate_r2 is the R^2 of the fit.
    power: exponent p = -d log e^2 / d log t of the squared error over the last 95 % of the steps.
    unfinished: True if the final error is above the window; the rate is then fitted to the last half of the steps.
    """

    kind: str
    rate: float | None = None
    rate_r2: float | None = None
    power: float | None = None
    unfinished: bool = False


def convergence_rate(steps: Float[ndarray, " t"], error: Float[ndarray, " t"], floor: float = 3e-16) -> Rate:
    """Classify an error curve with log-spaced samples as linear, power-law, stalled, mixed, or at the floor.

    `linear`: log e is a straight line in t (R^2 >= 0.99) over at least 4 decades of the window 1e-11 <= e <= 1e-3.
    `power`: fewer than 4 decades are covered, log e is a straight line in log t (R^2 >= 0.99), and the slopes of the
    first and the second half differ by less than 15 %.
    `floor`: fewer than 5 samples are above 10 `floor`, where `floor` is the rounding error of the number type.
    `stalled`: the error decreased by less than 10 % over the last 95 % of the steps. `mixed`: anything else.
    """
    keep = (error >= 10 * floor) & (steps > 0) & np.isfinite(error)
    steps, error = steps[keep], error[keep]
    if len(steps) < 5:
        return Rate("floor")
    log_e = np.log(error)
    window = (error <= _HIGH) & (error >= _LOW)
    decades = float(np.ptp(np.log10(error[window]))) if window.any() else 0.0
    unfinished = bool(error[-1] > _HIGH)
    if unfinished:
        window = steps >= steps[-1] / 2
    rate, r2 = _line(steps[window], log_e[window]) if window.sum() >= 3 else (None, None)
    late = steps >= steps[-1] / 20
    power, power_r2 = _line(np.log(steps[late]), 2 * log_e[late]) if late.sum() >= 5 else (None, None)
    kind = "mixed"
    if decades >= 4:
        if r2 is not None and r2 >= 0.99:
            kind = "linear"
    elif np.ptp(log_e[late]) < np.log(10 / 9):
        kind = "stalled"
    elif power_r2 is not None and power_r2 >= 0.99 and _even(np.log(steps[late]), log_e[late]):
        kind = "power"
    return Rate(kind, rate, r2, power, unfinished)


def _line(x: ndarray, y: ndarray) -> tuple[float, float]:
    """The negative slope of the least-squares line through (x, y), and its R^2."""
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    total = float(y @ y)
    return -slope, 1.0 if total == 0 else 1 - float(np.sum((y - slope * x) ** 2)) / total


def _even(x: ndarray, y: ndarray) -> bool:
    """Whether the slopes of the first and the second half of the curve differ by less than 15 %."""
    first = x <= (x[0] + x[-1]) / 2
    if first.sum() < 3 or (~first).sum() < 3:
        return False
    a, b = _line(x[first], y[first])[0], _line(x[~first], y[~first])[0]
    return abs(a - b) < 0.15 * max(abs(a), abs(b))
