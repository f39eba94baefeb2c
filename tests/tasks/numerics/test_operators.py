"""Measurement operators: adjoints, the isometry of half-vectorisation, and what a symmetric operator does not see."""

from __future__ import annotations

import pytest
import torch

from dynamark.tasks.numerics.operators import DenseOperator, SampledOperator, half_vectorise, unvectorise


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def operators() -> list[DenseOperator | SampledOperator]:
    row, column = torch.nonzero(normals(6, 5, seed=3) > 0, as_tuple=True)
    return [
        DenseOperator(normals(40, 30), (6, 5)),
        DenseOperator(normals(40, 15), (5, 5), symmetric=True),
        SampledOperator(row, column, (6, 5), 1.7),
    ]


@pytest.mark.parametrize("operator", operators(), ids=["dense", "symmetric", "sampled"])
def test_the_adjoint_is_the_adjoint(operator: DenseOperator | SampledOperator) -> None:
    x = normals(3, *operator.shape, seed=1)
    if getattr(operator, "symmetric", False):
        x = x + x.mT
    forward = operator.forward(x)
    z = normals(*forward.shape, seed=2)
    torch.testing.assert_close((forward * z).sum(-1), (x * operator.adjoint(z)).sum((-2, -1)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_half_vectorisation_is_an_isometry_with_its_inverse(n: int) -> None:
    x, y = (a + a.mT for a in normals(2, n, n))
    assert half_vectorise(x).shape == (n * (n + 1) // 2,)
    torch.testing.assert_close(half_vectorise(x) @ half_vectorise(y), (x * y).sum(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(unvectorise(half_vectorise(x), n), x, rtol=1e-14, atol=1e-14)


def test_a_symmetric_operator_sees_the_symmetric_part_only() -> None:
    operator = DenseOperator(normals(8, 10), (4, 4), symmetric=True)
    x = normals(4, 4, seed=5)
    torch.testing.assert_close(operator.forward(x), operator.forward((x + x.mT) / 2))
    assert operator.forward(x - x.mT).abs().max() < 1e-14


def test_half_vectorised_normals_are_symmetrised_gaussians() -> None:
    """<A, X> with a symmetrised standard normal A has the law of a standard normal row against vech(X)."""
    x = normals(4, 4, seed=6)
    x = x + x.mT
    dense = normals(20_000, 16, seed=7) @ x.flatten()
    half = normals(20_000, 10, seed=8) @ half_vectorise(x)
    assert abs(dense.std() / half.std() - 1) < 0.03
