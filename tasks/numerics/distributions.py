"""Scores of ensembles against one outcome, and the distance of two samples: their means do not depend on the number of draws.

A point forecast is an ensemble of one draw; its spread counts as zero.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.distance import cdist, pdist

__all__ = ["coverage", "crps", "energy_distance", "energy_score"]


def crps(
    draws: Float[ndarray, "trajectory draw *rest"], truth: Float[ndarray, "trajectory *rest"]
) -> Float[ndarray, "trajectory *rest"]:
    """mean_i |e_i - y| - sum_{i != j} |e_i - e_j| / (2 n (n - 1)), for each number of an outcome y; in its units.

    The continuous ranked probability score of n draws. Its mean is s/sqrt(pi) for an ensemble N(m, s^2) of an outcome N(m, s^2),
    and s sqrt(2/pi) for the mean alone. The double sum is taken over the order statistics.
    Source: Gneiting and Raftery 2007, section 4.2; the fair form is that of Ferro 2014.
    """
    count = draws.shape[1]
    distance = np.abs(draws - truth[:, None]).mean(axis=1)
    if count == 1:
        return distance
    weights = (2.0 * np.arange(count) - count + 1).reshape(-1, *[1] * (draws.ndim - 2))
    return np.asarray(distance - (weights * np.sort(draws, axis=1)).sum(axis=1) / (count * (count - 1)))


def energy_score(
    draws: Float[ndarray, "trajectory draw *rest"], truth: Float[ndarray, "trajectory *rest"]
) -> Float[ndarray, " trajectory"]:
    """mean_i |e_i - y| - sum_{i != j} |e_i - e_j| / (2 n (n - 1)), |x| the Euclidean norm over sqrt of its size.

    Source: Gneiting and Raftery 2007, section 4.3.
    """
    count, size = draws.shape[1], math.prod(draws.shape[2:])
    flat, target = draws.reshape(*draws.shape[:2], size), truth.reshape(len(truth), 1, size)
    distance = np.sqrt(np.square(flat - target).sum(axis=2)).mean(axis=1)
    spread = np.zeros(len(flat))
    if count > 1:
        spread = np.array([pdist(one).mean() / 2 for one in flat])
    return np.asarray((distance - spread) / math.sqrt(size))


def energy_distance(x: Float[ndarray, "sample dim"], y: Float[ndarray, "other dim"]) -> float:
    """2 mean |x - y| - mean_{i != j} |x_i - x_j| - mean_{i != j} |y_i - y_j|: zero in the mean for equal distributions.

    Unbiased, so it may be negative. Source: Szekely and Rizzo 2013.
    """
    return float(2 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())


def coverage(
    draws: Float[ndarray, "trajectory draw *rest"], truth: Float[ndarray, "trajectory *rest"], level: float
) -> tuple[float, float]:
    """The share of outcomes inside the central interval of the draws, and the share inside if outcomes are further draws.

    The interval leaves out the k lowest and k highest of n draws, k the largest number with 2 k/(n + 1) <= 1 - level; a further
    draw is inside with probability 1 - 2 k/(n + 1). Needs k >= 1: n + 1 >= 2/(1 - level).
    """
    count = draws.shape[1]
    left_out = int((count + 1) * (1 - level) / 2 + 1e-9)
    if left_out < 1:
        raise ValueError(f"{count} draws cannot bound an interval of {level}")
    ordered = np.sort(draws, axis=1)
    inside = (truth > ordered[:, left_out - 1]) & (truth < ordered[:, count - left_out])
    return float(inside.mean()), 1 - 2 * left_out / (count + 1)
