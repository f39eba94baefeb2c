"""Monomials against scikit-learn's order-free definition."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch

from dynamark.tasks.numerics.polynomials import exponents, monomials


@pytest.mark.parametrize(("dim", "degree"), [(1, 4), (2, 3), (3, 2), (5, 1)])
def test_every_monomial_once(dim: int, degree: int) -> None:
    assert len(set(exponents(dim, degree))) == comb(dim + degree, degree) - 1
    x = torch.rand(7, dim, dtype=torch.float64)
    result = monomials(x, degree)
    assert result.shape == (7, comb(dim + degree, degree))
    for column, factors in enumerate(exponents(dim, degree)):
        np.testing.assert_allclose(result[:, column + 1], x[:, list(factors)].prod(dim=1), rtol=1e-14)


def test_without_the_constant() -> None:
    x = torch.rand(2, 4, 2, dtype=torch.float64)
    assert torch.equal(monomials(x, 2, constant=False), monomials(x, 2)[..., 1:])
    assert monomials(x, 0).shape == (2, 4, 1)
