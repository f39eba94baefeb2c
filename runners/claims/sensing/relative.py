"""How far an estimate is from its target, relative to the target's size."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["relative_error", "relative_loss"]


def relative_error(estimate: Float[ndarray, "*shape"], target: Float[ndarray, "*shape"]) -> float:
    """|E - T|/|T|, Frobenius norms."""
    return float(np.linalg.norm(estimate - target) / np.linalg.norm(target))


def relative_loss(estimate: Float[ndarray, "*shape"], target: Float[ndarray, "*shape"]) -> float:
    """|E - T|^2/|T|^2."""
    return float(np.sum((estimate - target) ** 2) / np.sum(target**2))
