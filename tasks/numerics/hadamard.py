"""The Walsh-Hadamard transform by additions and subtractions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["walsh_hadamard"]


def walsh_hadamard(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
    """H_n x, H_1 = (1), H_2n = [[H_n, H_n], [H_n, -H_n]]; n a power of two. H_n is symmetric, and H_n H_n = n I.

    Raises ValueError for other n. Computed as H_a X H_b on an a x b matrix X, a and b about sqrt(n), with vectorized additions
    of whole rows.
    """
    n = values.shape[-1]
    if n & (n - 1) or not n:
        raise ValueError(f"Walsh-Hadamard transform of length {n}: the length must be a power of two")
    columns = 1 << (n.bit_length() - 1) // 2
    square = values.reshape(*values.shape[:-1], n // columns, columns)
    return _along_rows(_along_rows(square).mT.contiguous()).mT.reshape(values.shape)


def _along_rows(matrix: Float[Tensor, "*batch a b"]) -> Float[Tensor, "*batch a b"]:
    """H_a X."""
    *batch, rows, columns = matrix.shape
    half = rows // 2
    while half:
        upper, lower = matrix.reshape(*batch, -1, 2, half, columns).unbind(-3)
        matrix = torch.stack([upper + lower, upper - lower], dim=-3)
        half //= 2
    return matrix.reshape(*batch, rows, columns)
