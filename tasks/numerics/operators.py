"""Linear measurement operators of matrices: dense (isometric half-vectorised when symmetric) and sampled."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["DenseOperator", "SampledOperator", "half_vectorise", "unvectorise"]

_SQRT2 = 2.0**0.5


def half_vectorise(matrix: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch half"]:
    """vech(X) = (X_ii; sqrt(2) X_ij, i < j): an isometry from symmetric matrices to R^{n(n+1)/2}.

    A matrix that is not symmetric is projected on its symmetric part.
    """
    n = matrix.shape[-1]
    i, j = torch.triu_indices(n, n, device=matrix.device)
    values = (matrix[..., i, j] + matrix[..., j, i]) / 2
    return values * torch.where(i == j, 1.0, _SQRT2).to(matrix)


def unvectorise(values: Float[Tensor, "*batch half"], n: int) -> Float[Tensor, "*batch n n"]:
    """The inverse of `half_vectorise` on symmetric matrices, and its adjoint."""
    i, j = torch.triu_indices(n, n, device=values.device)
    scaled = values * torch.where(i == j, 1.0, 1 / _SQRT2).to(values)
    matrix = values.new_zeros(*values.shape[:-1], n, n)
    matrix[..., i, j] = scaled
    matrix[..., j, i] = scaled
    return matrix


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
