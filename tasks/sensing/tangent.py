"""Least squares on the tangent space of the rank-r matrices for problems whose design matrix would be too large."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from dynamark.tasks.sensing.metrics import Pair

__all__ = ["tangent_cgls"]


@runtime_checkable
class Factored(Protocol):
    """An operator that measures a matrix by its factors."""

    def product(self, left: Float[Tensor, "row k"], right: Float[Tensor, "column k"]) -> Float[Tensor, " m"]:
        """A(L R^T)."""
        ...

    def adjoint(self, values: Float[Tensor, " m"]) -> Float[Tensor, "row column"]:
        """A*(z)."""
        ...


def tangent_cgls(
    operator: Factored,
    y: Float[Tensor, " m"],
    left: Float[ndarray, "row r"],
    right: Float[ndarray, "column r"],
    steps: int = 5000,
    tolerance: float = 1e-12,
) -> Pair:
    """argmin |A(X) - y| over X = U B^T + C V^T with U^T C = 0, by conjugate gradients (CGLS) from X = 0.

    `left` (U) and `right` (V) are the orthonormal singular vectors of the ground truth; in these coordinates
    |X|_F^2 = |B|_F^2 + |C|_F^2, so the iteration ends in the minimizer of least norm. It stops when the gradient is below
    `tolerance` times its initial norm. A step costs one product and one adjoint; `oracles.tangent_least_squares` decomposes the
    design matrix of m r (rows + columns) entries instead. Raises RuntimeError if `steps` do not suffice.
    """
    u, v = torch.from_numpy(np.array(left)), torch.from_numpy(np.array(right))

    def forward(b: Tensor, c: Tensor) -> Tensor:
        return operator.product(torch.hstack([u, c]), torch.hstack([b, v]))

    def adjoint(z: Tensor) -> tuple[Tensor, Tensor]:
        dense = operator.adjoint(z)
        across = dense @ v
        return dense.T @ u, across - u @ (u.T @ across)

    b, c = torch.zeros_like(v), torch.zeros_like(u)
    residual = y.clone()
    gradient = adjoint(residual)
    direction = gradient
    size = first = _squared(gradient)
    for _ in range(steps):
        if size <= tolerance**2 * first:
            return np.hstack([left, c.numpy()]), np.hstack([b.numpy(), right])
        image = forward(*direction)
        step = size / float(image @ image)
        b, c = b + step * direction[0], c + step * direction[1]
        residual = residual - step * image
        gradient = adjoint(residual)
        size, before = _squared(gradient), size
        direction = (
            gradient[0] + (size / before) * direction[0],
            gradient[1] + (size / before) * direction[1],
        )
    raise RuntimeError(f"least squares on the tangent space did not converge in {steps} steps")


def _squared(pair: tuple[Tensor, Tensor]) -> float:
    return float((pair[0] ** 2).sum() + (pair[1] ** 2).sum())
