"""The time until a running symmetric percentage error exceeds a threshold: how forecasts of chaotic flows are often compared."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["smape", "smape_valid_time"]


def smape(
    truth: Float[ndarray, "window horizon dim"], predicted: Float[ndarray, "window horizon dim"]
) -> Float[ndarray, "window horizon"]:
    """200 |x - x^| / (|x| + |x^|), averaged over channels, in percent: between 0 and 200. In raw units, not centered.

    Equal numbers, zeros among them, have error 0; what is not finite has error 200.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = np.abs(truth - predicted) / (np.abs(truth) + np.abs(predicted))
    ratio = np.where(truth == predicted, 0.0, np.nan_to_num(ratio, nan=1.0))
    return np.asarray(200.0 * ratio.mean(axis=-1))


def smape_valid_time(
    truth: Float[ndarray, "window horizon dim"],
    predicted: Float[ndarray, "window horizon dim"],
    dt: float,
    threshold: float = 30.0,
) -> Float[ndarray, " window"]:
    """The time of the first t at which the mean of the error over steps up to t exceeds the threshold; at most the horizon.

    dt: time per sample; the result has its unit. Source: Gilpin 2023.
    """
    error = smape(truth, predicted)
    beyond = np.cumsum(error, axis=1) / np.arange(1, error.shape[1] + 1) > threshold
    first = np.where(beyond.any(axis=1), beyond.argmax(axis=1), error.shape[1])
    return np.asarray(first * dt)
