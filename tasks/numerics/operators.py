"""Linear measurement operators of matrices: dense (isometric half-vectorised when symmetric) and sampled."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["DenseOperator", "SampledOperator", "half_vectorise", "unvectorise"]


@functools.cache
def _places(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Flat places of the entries (i, j) and (j, i), i <= j; the place in vech of every entry; the weights 1 and sqrt(2)."""
    i, j = torch.triu_indices(n, n)
    place = torch.empty(n, n, dtype=torch.long)
    place[i, j] = place[j, i] = torch.arange(len(i))
    # In double precision before any conversion: weights rounded to single would break the isometry at 1e-8.
    weight = torch.where(i == j, torch.tensor(1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64).sqrt())
    return i * n + j, j * n + i, place.flatten(), weight


def half_vectorise(matrix: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch half"]:
    """vech(X) = (X_ii; sqrt(2) X_ij, i < j): an isometry from symmetric matrices to R^{n(n+1)/2}.

    A matrix that is not symmetric is projected on its symmetric part.
    """
    upper, lower, _, weight = (part.to(matrix.device) for part in _places(matrix.shape[-1]))
    flat = matrix.flatten(-2)
    return (flat.index_select(-1, upper) + flat.index_select(-1, lower)) * (weight / 2).to(matrix)


def unvectorise(values: Float[Tensor, "*batch half"], n: int) -> Float[Tensor, "*batch n n"]:
    """The inverse of `half_vectorise` on symmetric matrices, and its adjoint."""
    _, _, place, weight = (part.to(values.device) for part in _places(n))
    return (values / weight.to(values)).index_select(-1, place).view(*values.shape[:-1], n, n)


@dataclass(frozen=True)
class DenseOperator:
    """A(X)_i = <A_i, X>, the A_i stored as rows; of a symmetric operator only the half-vectorisation is stored."""

    rows: Float[Tensor, "m entries"]
    size: tuple[int, int]
    symmetric: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrices it measures."""
        return self.size

    def forward(self, matrix: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch m"]:
        """A(X)."""
        flat = half_vectorise(matrix) if self.symmetric else matrix.flatten(-2)
        return flat @ self.rows.T

    def adjoint(self, values: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch row column"]:
        """A*(z) = sum_i z_i A_i."""
        flat = values @ self.rows
        return unvectorise(flat, self.size[0]) if self.symmetric else flat.reshape(*flat.shape[:-1], *self.size)


@dataclass(frozen=True)
class SampledOperator:
    """A(X) = scale * (X_ij) over the sampled entries: matrix completion."""

    row: Int[Tensor, " m"]
    column: Int[Tensor, " m"]
    size: tuple[int, int]
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrices it measures."""
        return self.size

    def forward(self, matrix: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch m"]:
        """A(X)."""
        return matrix[..., self.row, self.column] * self.scale

    def adjoint(self, values: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch row column"]:
        """A*(z): the values at their places, zero elsewhere. Each entry is sampled at most once."""
        matrix = values.new_zeros(*values.shape[:-1], *self.size)
        matrix[..., self.row, self.column] = values * self.scale
        return matrix
