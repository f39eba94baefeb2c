"""Linear measurement operators on matrices: dense (half-vectorized isometrically when symmetric), sampled and structured.

Operators apply to full matrices or to factors. A sampled operator computes the products of factorized descent, A(L R^T), A*(z) R
and A*(z)^T L, in time and memory proportional to the number of samples, without forming a dense matrix.
"""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dynamark.tasks.numerics.hadamard import walsh_hadamard

__all__ = ["DenseOperator", "HadamardOperator", "SampledOperator", "half_vectorize", "unvectorize"]

# Samples processed at once, so that rows of factors fit into the CPU cache.
_CHUNK = 16_384


@functools.cache
def _places(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Flat indices of the entries (i, j) and (j, i), i <= j; index in vech of every entry; weights 1 and sqrt(2)."""
    i, j = torch.triu_indices(n, n)
    place = torch.empty(n, n, dtype=torch.long)
    place[i, j] = place[j, i] = torch.arange(len(i))
    # In double precision: weights rounded to single precision would break the isometry at 1e-8.
    weight = torch.where(i == j, torch.tensor(1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64).sqrt())
    return i * n + j, j * n + i, place.flatten(), weight


def half_vectorize(matrix: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch half"]:
    """vech(X) = (X_ii; sqrt(2) X_ij, i < j): an isometry from symmetric matrices to R^{n(n+1)/2}.

    A non-symmetric matrix is projected on its symmetric part.
    """
    upper, lower, _, weight = (part.to(matrix.device) for part in _places(matrix.shape[-1]))
    flat = matrix.flatten(-2)
    return (flat.index_select(-1, upper) + flat.index_select(-1, lower)) * (weight / 2).to(matrix)


def unvectorize(values: Float[Tensor, "*batch half"], n: int) -> Float[Tensor, "*batch n n"]:
    """The inverse of `half_vectorize` on symmetric matrices, and its adjoint."""
    _, _, place, weight = (part.to(values.device) for part in _places(n))
    return (values / weight.to(values)).index_select(-1, place).view(*values.shape[:-1], n, n)


class _Whole:
    """Products with factors for operators on full matrices: forms L R^T."""

    def forward(self, matrix: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch m"]:
        """A(X)."""
        raise NotImplementedError

    def adjoint(self, values: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch row column"]:
        """A*(z)."""
        raise NotImplementedError

    def product(
        self, left: Float[Tensor, "*batch row k"], right: Float[Tensor, "*batch column k"]
    ) -> Float[Tensor, "*batch m"]:
        """A(L R^T)."""
        return self.forward(left @ right.mT)

    def back(
        self, values: Float[Tensor, "*batch m"], factor: Float[Tensor, "*batch side k"], transposed: bool = False
    ) -> Float[Tensor, "*batch other k"]:
        """A*(z) R, or A*(z)^T L when `transposed`."""
        matrix = self.adjoint(values)
        return (matrix.mT if transposed else matrix) @ factor


@dataclass(frozen=True)
class DenseOperator(_Whole):
    """A(X)_i = <A_i, X>, the A_i stored as rows (half-vectorized if symmetric)."""

    rows: Float[Tensor, "m entries"]
    size: tuple[int, int]
    symmetric: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix X."""
        return self.size

    def forward(self, matrix: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch m"]:
        """A(X)."""
        flat = half_vectorize(matrix) if self.symmetric else matrix.flatten(-2)
        return flat @ self.rows.T

    def adjoint(self, values: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch row column"]:
        """A*(z) = sum_i z_i A_i."""
        flat = values @ self.rows
        return unvectorize(flat, self.size[0]) if self.symmetric else flat.reshape(*flat.shape[:-1], *self.size)


@dataclass(frozen=True)
class HadamardOperator(_Whole):
    """A(X) = R H (signs o vec X)/sqrt(m): m rows R of the Walsh-Hadamard matrix H, with entries 1 and -1.

    vec X (vech X if symmetric) is zero-padded to the next power of two. With random signs and distinct random rows,
    E[A*A] = I. Costs O(D log D) for D entries; only the signs and the row indices are stored. The order of additions is fixed,
    so results are bitwise reproducible on every machine.
    """

    signs: Float[Tensor, " entries"]
    places: Int[Tensor, " m"]
    size: tuple[int, int]
    symmetric: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix X."""
        return self.size

    @property
    def length(self) -> int:
        """Length of the transform: the smallest power of two >= the number of entries."""
        return int(1 << (len(self.signs) - 1).bit_length())

    def forward(self, matrix: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch m"]:
        """A(X)."""
        flat = (half_vectorize(matrix) if self.symmetric else matrix.flatten(-2)) * self.signs
        full = torch.nn.functional.pad(flat, (0, self.length - len(self.signs)))
        return walsh_hadamard(full).index_select(-1, self.places) / math.sqrt(len(self.places))

    def adjoint(self, values: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch row column"]:
        """A*(z)."""
        full = values.new_zeros(*values.shape[:-1], self.length)
        full[..., self.places] = values / math.sqrt(len(self.places))
        flat = walsh_hadamard(full)[..., : len(self.signs)] * self.signs
        return unvectorize(flat, self.size[0]) if self.symmetric else flat.reshape(*flat.shape[:-1], *self.size)


@dataclass(frozen=True)
class SampledOperator:
    """A(X) = scale * (X_ij) over the sampled entries: matrix completion."""

    row: Int[Tensor, " m"]
    column: Int[Tensor, " m"]
    size: tuple[int, int]
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix X."""
        return self.size

    def forward(self, matrix: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch m"]:
        """A(X)."""
        return matrix[..., self.row, self.column] * self.scale

    def adjoint(self, values: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch row column"]:
        """A*(z): scale * z at the sampled entries, zero elsewhere. Each entry must be sampled at most once."""
        matrix = values.new_zeros(*values.shape[:-1], *self.size)
        matrix[..., self.row, self.column] = values * self.scale
        return matrix

    def product(
        self, left: Float[Tensor, "*batch row k"], right: Float[Tensor, "*batch column k"]
    ) -> Float[Tensor, "*batch m"]:
        """A(L R^T), entry by entry: O(m k)."""
        chunks = []
        for start in range(0, len(self.row), _CHUNK):
            row, column = self.row[start : start + _CHUNK], self.column[start : start + _CHUNK]
            chunks.append((left.index_select(-2, row) * right.index_select(-2, column)).sum(-1))
        return torch.cat(chunks, dim=-1) * self.scale

    def back(
        self, values: Float[Tensor, "*batch m"], factor: Float[Tensor, "*batch side k"], transposed: bool = False
    ) -> Float[Tensor, "*batch other k"]:
        """A*(z) R, or A*(z)^T L when `transposed`, by sparse matrix products: O(m k)."""
        batch = values.shape[:-1]
        order, starts, indices = self._by_column if transposed else self._by_row
        size = self.size[::-1] if transposed else self.size
        sorted_values = (values * self.scale)[..., order].reshape(-1, len(order))
        parts = [
            torch.sparse_csr_tensor(starts, indices, entries, size, check_invariants=False) @ matrix
            for entries, matrix in zip(sorted_values, factor.reshape(-1, *factor.shape[-2:]), strict=True)
        ]
        return torch.stack(parts).reshape(*batch, size[0], factor.shape[-1])

    @functools.cached_property
    def _by_row(self) -> tuple[Tensor, Tensor, Tensor]:
        return _compressed(self.row, self.column, self.size[0])

    @functools.cached_property
    def _by_column(self) -> tuple[Tensor, Tensor, Tensor]:
        return _compressed(self.column, self.row, self.size[1])


def _compressed(major: Tensor, minor: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """CSR form: order of the samples by major index, row pointers, and minor indices in that order."""
    order = torch.argsort(major, stable=True)
    starts = torch.zeros(count + 1, dtype=torch.long, device=major.device)
    starts[1:] = torch.bincount(major, minlength=count).cumsum(0)
    with warnings.catch_warnings():  # torch warns once per process that CSR tensors are in beta: trigger it here
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor(starts, minor, minor, check_invariants=False)
    return order, starts, minor[order]
