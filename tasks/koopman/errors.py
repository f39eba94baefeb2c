"""How well trajectories are continued: errors in units of the training data's standard deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

__all__ = ["Deviation", "deviation", "drift", "nrmse", "valid_horizon"]

# Predictions are clamped to the training mean +- this many standard deviations, so that averages stay finite.
_CLAMP = 1e3


@dataclass(frozen=True)
class Deviation:
    """(forecast - truth) / sigma after clamping, and which trajectories were clamped."""

    error: Float[ndarray, "trajectory step dim"]
    diverged: Bool[ndarray, " trajectory"]


def deviation(
    truth: Float[ndarray, "trajectory step dim"],
    forecast: Float[ndarray, "trajectory step dim"],
    mean: Float[ndarray, " dim"],
    sigma: Float[ndarray, " dim"],
) -> Deviation:
    """The normalised error of a forecast; what is not finite counts as the upper clamp."""
    scaled = (forecast.astype(float) - mean) / sigma
    beyond = ~(np.abs(scaled) <= _CLAMP)  # NaN is beyond
    clamped = np.clip(np.nan_to_num(scaled, nan=_CLAMP, posinf=_CLAMP, neginf=_CLAMP), -_CLAMP, _CLAMP)
    return Deviation(clamped - (truth - mean) / sigma, beyond.any(axis=(1, 2)))


def nrmse(error: Float[ndarray, "trajectory step dim"]) -> Float[ndarray, " step"]:
    """Entry h is sqrt(mean over trajectories and coordinates of the squared normalised error at step h)."""
    return np.sqrt(np.mean(error**2, axis=(0, 2)))


def valid_horizon(error: Float[ndarray, "trajectory step dim"], dt: float, threshold: float = 0.4) -> float:
    """Mean over trajectories of the first time at which a trajectory's nrmse exceeds the threshold, in units of time.

    The whole length counts where that never happens.
    """
    beyond = np.sqrt(np.mean(error**2, axis=2)) > threshold
    first = np.where(beyond.any(axis=1), beyond.argmax(axis=1) + 1, error.shape[1])
    return float(np.mean(first) * dt)


def drift(by_horizon: Float[ndarray, " step"], horizon: int) -> float:
    """nrmse(H) / nrmse(H/10), H the longest horizon; 1 where both are exact to rounding."""
    far, near = by_horizon[horizon - 1], by_horizon[horizon // 10 - 1]
    rounding = 1e-15
    return float(max(far, rounding) / max(near, rounding))
