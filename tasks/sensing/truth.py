"""Low-rank ground-truth matrices with a prescribed spectrum, for sensing and completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics import exact
from dynamark.tasks.numerics.exact import exp, inner, log
from dynamark.tasks.numerics.operators import DenseOperator, HadamardOperator, SampledOperator, half_vectorize

__all__ = ["degrees_of_freedom", "incoherence", "low_rank", "measurements", "orthonormal", "spectrum"]


def spectrum(rank: int, condition: float, spacing: Literal["linear", "geometric"]) -> Float[ndarray, " rank"]:
    """`rank` singular values from 1 down to 1/condition, equally spaced or in geometric progression."""
    if spacing == "linear":
        return np.linspace(1.0, 1.0 / condition, rank)
    return exp(np.linspace(0.0, -float(log(condition)), rank))


def orthonormal(rng: np.random.Generator, rows: int, rank: int) -> Float[ndarray, "rows rank"]:
    """A uniformly distributed orthonormal frame: the Q factor of a Gaussian matrix, with a positive diagonal of R."""
    return exact.orthonormal(rng.standard_normal((rows, rank)))


def low_rank(
    rng: np.random.Generator, rows: int, columns: int, values: Float[ndarray, " rank"], symmetric: bool
) -> dict[str, ndarray]:
    """X* = left diag(values) right^T with independent uniform frames; left = right if `symmetric`."""
    left = orthonormal(rng, rows, len(values))
    right = left if symmetric else orthonormal(rng, columns, len(values))
    return {"left": left, "values": values, "right": right}


def measurements(
    operator: DenseOperator | HadamardOperator | SampledOperator, truth: Mapping[str, ndarray]
) -> Float[ndarray, " measurement"]:
    """A(X*), reproducible on every machine; equals `operator.forward` except for rounding errors."""
    left, right = truth["left"] * truth["values"], truth["right"]
    if isinstance(operator, SampledOperator):
        return inner(left[operator.row.numpy()], right[operator.column.numpy()]) * operator.scale
    matrix = torch.from_numpy(exact.contract(left, right.T))
    if isinstance(operator, HadamardOperator):  # adds in a fixed order
        return operator.forward(matrix).numpy()
    flat = (half_vectorize(matrix) if operator.symmetric else matrix.flatten()).numpy()
    return np.array([inner(row, flat) for row in operator.rows.numpy()])


def degrees_of_freedom(rows: int, columns: int, rank: int, symmetric: bool) -> int:
    """Dimension of the set of rank-r matrices: r (n1 + n2 - r), or r n - r (r - 1)/2 for symmetric matrices."""
    return rank * rows - rank * (rank - 1) // 2 if symmetric else rank * (rows + columns - rank)


def incoherence(frame: Float[ndarray, "rows rank"]) -> float:
    """mu = (n/r) max_i |e_i^T U|^2: 1 if all rows of U have equal norm, n/r at most, if e_i lies in its range."""
    rows, rank = frame.shape
    return float(rows / rank * np.max(np.sum(frame**2, axis=1)))
