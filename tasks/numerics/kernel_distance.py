"""The maximum mean discrepancy of two samples: a distance of distributions by kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.distance import cdist, pdist

__all__ = ["bandwidths", "squared_discrepancy"]

_FACTORS = (0.25, 0.5, 1.0, 2.0)


def bandwidths(truth: Float[ndarray, "sample dim"]) -> tuple[float, ...]:
    """1/4, 1/2, 1 and 2 times the median distance of the true sample: fixed by the truth alone."""
    middle = float(np.median(pdist(truth)))
    return tuple(factor * middle for factor in _FACTORS)


def squared_discrepancy(
    x: Float[ndarray, "sample dim"], y: Float[ndarray, "other dim"], widths: Sequence[float]
) -> float:
    """mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean k(x_i, y_j): zero in the mean for equal distributions.

    k(x, y) = mean over widths s of exp(-|x - y|^2/(2 s^2)). Unbiased, so it may be negative. Source: Gretton et al. 2012,
    equation 3.
    """

    def kernel(squared: ndarray) -> ndarray:
        return np.asarray(np.mean([np.exp(-squared / (2 * s * s)) for s in widths], axis=0))

    within = sum(float(kernel(pdist(z, "sqeuclidean")).mean()) for z in (x, y))
    return within - 2 * float(kernel(cdist(x, y, "sqeuclidean")).mean())
