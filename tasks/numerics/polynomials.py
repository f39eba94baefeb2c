"""Dictionaries of monomials, and monic Chebyshev polynomials."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import one_hot

__all__ = ["exponents", "monomial_jacobian", "monomial_steps", "monomials"]


def exponents(dim: int, degree: int) -> list[tuple[int, ...]]:
    """Monomials of total degree 1 to `degree` as tuples of the coordinates of their factors: (0, 0, 2) is x0^2 x2."""
    return [factors for total in range(1, degree + 1) for factors in combinations_with_replacement(range(dim), total)]


@lru_cache(maxsize=64)
def _factors(dim: int, degree: int, constant: bool) -> Tensor:
    """The factors of each monomial as indices into (1, x_0, x_1, ...), left-padded with index 0 [monomial, degree]."""
    factors = [(), *exponents(dim, degree)] if constant else exponents(dim, degree)
    rows = [(0,) * (degree - len(f)) + tuple(i + 1 for i in f) for f in factors]
    return torch.tensor(rows, dtype=torch.long).reshape(len(rows), degree)


@lru_cache(maxsize=64)
def _steps(dim: int, degree: int) -> list[tuple[Tensor, Tensor]]:
    """Per total degree: index of every monomial's prefix among the monomials of one degree less, and its last factor."""
    before: dict[tuple[int, ...], int] = {(): 0}
    steps: list[tuple[Tensor, Tensor]] = []
    for total in range(1, degree + 1):
        here = list(combinations_with_replacement(range(dim), total))
        steps.append((torch.tensor([before[f[:-1]] for f in here]), torch.tensor([f[-1] for f in here])))
        before = {f: i for i, f in enumerate(here)}
    return steps


def monomial_steps(dim: int, degree: int) -> tuple[ndarray, ndarray]:
    """Monomials 1, 2, ... of `monomials`, each as the index of an earlier monomial and a coordinate to multiply it by."""
    prefix, last, begin = [], [], 0
    for before, coordinate in _steps(dim, degree):
        prefix.append(before.numpy() + begin)
        last.append(coordinate.numpy())
        begin = 1 + sum(map(len, prefix[:-1]))
    return np.concatenate([np.zeros(0, np.int64), *prefix]), np.concatenate([np.zeros(0, np.int64), *last])


def monomials(x: Float[Tensor, "*batch dim"], degree: int, constant: bool = True) -> Float[Tensor, "*batch monomial"]:
    """1, x_i, x_i x_j, ... up to total degree `degree`, in the order of `exponents`.

    Each monomial is a lower one times a coordinate; no power function is called, so results are bitwise reproducible.
    """
    parts = [torch.ones_like(x[..., :1])]
    for prefix, last in _steps(x.shape[-1], degree):
        parts.append(parts[-1][..., prefix.to(x.device)] * x[..., last.to(x.device)])
    return torch.cat(parts if constant else parts[1:] or [x[..., :0]], dim=-1)


def monomial_jacobian(
    x: Float[Tensor, "*batch dim"], degree: int, constant: bool = True
) -> Float[Tensor, "*batch monomial dim"]:
    """Derivatives of all monomials with respect to all coordinates, by the product rule."""
    factors = _factors(x.shape[-1], degree, constant).to(x.device)
    padded = torch.cat([torch.ones_like(x[..., :1]), x], dim=-1)
    gathered = [padded[..., column] for column in factors.unbind(1)]
    out = x.new_zeros(*x.shape[:-1], len(factors), x.shape[-1] + 1)
    for index, column in enumerate(factors.unbind(1)):
        others = torch.ones_like(gathered[0])
        for i, values in enumerate(gathered):
            if i != index:
                others = others * values
        out = out + others[..., None] * one_hot(column, x.shape[-1] + 1).to(x)
    return out[..., 1:]


def monic_chebyshev(degree: int) -> Float[ndarray, " coefficient"]:
    """2^{1-n} T_n for n >= 1, and 1 for n = 0: coefficients in descending powers, the leading one 1.

    It has the smallest maximum modulus on [-1, 1] of all monic polynomials of degree n: 2^{1-n}.
    """
    basis = np.zeros(degree + 1)
    basis[degree] = 1.0
    return np.polynomial.chebyshev.cheb2poly(basis)[::-1] * 2.0 ** min(0, 1 - degree)
