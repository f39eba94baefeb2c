"""Errors of forecasts, in units of the training data's standard deviation (sd)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

__all__ = ["Deviation", "deviation", "drift", "log_spectrum_rmse", "nrmse", "valid_horizon", "wasserstein"]

# Predictions are clamped to the training mean +- this many standard deviations, so that averages stay finite.
_CLAMP = 1e3
# Number of projections, and largest number of states, with which distributions are compared.
_PROJECTIONS, _STATES = 32, 20_000


@dataclass(frozen=True)
class Deviation:
    """The clamped error (forecast - truth) / sigma, the truth (truth - mean) / sigma, and which trajectories were clamped."""

    error: Float[ndarray, "trajectory step dim"]
    truth: Float[ndarray, "trajectory step dim"]
    diverged: Bool[ndarray, " trajectory"]


def deviation(
    truth: Float[ndarray, "trajectory step dim"],
    forecast: Float[ndarray, "trajectory step dim"],
    mean: Float[ndarray, " dim"],
    sigma: Float[ndarray, " dim"],
) -> Deviation:
    """The normalized error of a forecast; values that are not finite count as the upper bound of the clamp."""
    scaled = (forecast.astype(float) - mean) / sigma
    beyond = ~(np.abs(scaled) <= _CLAMP)  # NaN is beyond
    clamped = np.clip(np.nan_to_num(scaled, nan=_CLAMP, posinf=_CLAMP, neginf=_CLAMP), -_CLAMP, _CLAMP)
    exact = (truth - mean) / sigma
    return Deviation(clamped - exact, exact, beyond.any(axis=(1, 2)))


def nrmse(error: Float[ndarray, "trajectory step dim"]) -> Float[ndarray, " step"]:
    """Entry h is sqrt(mean over trajectories and coordinates of the squared normalized error at step h)."""
    return np.sqrt(np.mean(error**2, axis=(0, 2)))


def valid_horizon(error: Float[ndarray, "trajectory step dim"], dt: float, threshold: float = 0.4) -> float:
    """Mean over trajectories of the first time at which a trajectory's nrmse exceeds the threshold, in units of time.

    If a trajectory never exceeds it, its whole length counts.
    """
    beyond = np.sqrt(np.mean(error**2, axis=2)) > threshold
    first = np.where(beyond.any(axis=1), beyond.argmax(axis=1) + 1, error.shape[1])
    return float(np.mean(first) * dt)


def drift(by_horizon: Float[ndarray, " step"], horizon: int) -> float:
    """nrmse(H) / nrmse(H/10), H the longest horizon; 1 if both are exact to rounding."""
    far, near = by_horizon[horizon - 1], by_horizon[horizon // 10 - 1]
    rounding = 1e-15
    return float(max(far, rounding) / max(near, rounding))


def wasserstein(truth: Float[ndarray, "trajectory step dim"], forecast: Float[ndarray, "trajectory step dim"]) -> float:
    """Wasserstein-1 distance of all states: mean over 32 fixed projections of mean |sorted truth - sorted forecast|.

    Each projection is in units of the standard deviation of the projected truth.
    """
    dim = truth.shape[2]
    every = max(1, truth.shape[0] * truth.shape[1] // _STATES)
    directions = np.random.default_rng(0).standard_normal((dim, _PROJECTIONS))
    true, predicted = (np.sort(x.reshape(-1, dim)[::every] @ directions, axis=0) for x in (truth, forecast))
    return float(np.mean(np.abs(true - predicted).mean(axis=0) / np.maximum(true.std(axis=0), 1e-300)))


def log_spectrum_rmse(
    truth: Float[ndarray, "trajectory step point"], forecast: Float[ndarray, "trajectory step point"]
) -> float:
    """Root mean square over wave numbers k of ln E(k) - ln E^(k), E the mean energy of Fourier mode k of a field on a line.

    Wave numbers with less than 1e-12 of the largest true energy are excluded; smaller energies of the forecast are raised to it.
    """
    energy, predicted = (np.mean(np.abs(np.fft.rfft(x)) ** 2, axis=(0, 1)) for x in (truth, forecast))
    least = 1e-12 * energy.max()
    resolved = energy > least
    return float(np.sqrt(np.mean(np.log(np.maximum(predicted, least) / np.maximum(energy, least))[resolved] ** 2)))
