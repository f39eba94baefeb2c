"""Dictionaries of monomials."""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["exponents", "monomials"]


def exponents(dim: int, degree: int) -> list[tuple[int, ...]]:
    """The factors of every monomial of total degree 1 to `degree`, as tuples of coordinates: (0, 0, 2) is x0^2 x2."""
    return [factors for total in range(1, degree + 1) for factors in combinations_with_replacement(range(dim), total)]


def monomials(x: Float[Tensor, "*batch dim"], degree: int, constant: bool = True) -> Float[Tensor, "*batch monomial"]:
    """1, x_i, x_i x_j, ... up to total degree `degree`, in the order of `exponents`.

    Each monomial is one product of an earlier one with a coordinate, so its bits do not depend on a power function.
    """
    columns = [torch.ones_like(x[..., 0])] if constant else []
    known: dict[tuple[int, ...], Tensor] = {(): torch.ones_like(x[..., 0])}
    for factors in exponents(x.shape[-1], degree):
        known[factors] = known[factors[:-1]] * x[..., factors[-1]] if len(factors) > 1 else x[..., factors[0]]
        columns.append(known[factors])
    return torch.stack(columns, dim=-1) if columns else x.new_zeros(*x.shape[:-1], 0)
