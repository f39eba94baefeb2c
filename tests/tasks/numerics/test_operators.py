"""Measurement operators: adjoints, the isometry of half-vectorization, and what a symmetric operator does not see."""

from __future__ import annotations

import pytest
import torch

from dynamark.tasks.numerics.hadamard import walsh_hadamard
from dynamark.tasks.numerics.operators import (
    DenseOperator,
    HadamardOperator,
    SampledOperator,
    half_vectorize,
    unvectorize,
)

Any_ = DenseOperator | SampledOperator | HadamardOperator
NAMES = ["dense", "symmetric", "sampled", "hadamard", "symmetric hadamard"]


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def operators() -> list[Any_]:
    row, column = torch.nonzero(normals(6, 5, seed=3) > 0, as_tuple=True)
    return [
        DenseOperator(normals(40, 30), (6, 5)),
        DenseOperator(normals(40, 15), (5, 5), symmetric=True),
        SampledOperator(row, column, (6, 5), 1.7),
        HadamardOperator(signs(30), torch.arange(3, 31), (6, 5)),
        HadamardOperator(signs(15), torch.arange(1, 16, 2), (5, 5), symmetric=True),
    ]


def signs(count: int) -> torch.Tensor:
    return normals(count, seed=9).sign()


@pytest.mark.parametrize("operator", operators(), ids=NAMES)
def test_the_adjoint_is_the_adjoint(operator: Any_) -> None:
    x = normals(3, *operator.shape, seed=1)
    if getattr(operator, "symmetric", False):
        x = x + x.mT
    forward = operator.forward(x)
    z = normals(*forward.shape, seed=2)
    torch.testing.assert_close((forward * z).sum(-1), (x * operator.adjoint(z)).sum((-2, -1)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("operator", operators(), ids=NAMES)
def test_factors_are_measured_as_their_product(operator: Any_) -> None:
    left, right = normals(3, operator.shape[0], 2, seed=1), normals(3, operator.shape[1], 2, seed=2)
    y = operator.forward(left @ right.mT)
    torch.testing.assert_close(operator.product(left, right), y, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(operator.back(y, right), operator.adjoint(y) @ right, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(operator.back(y, left, True), operator.adjoint(y).mT @ left, rtol=1e-12, atol=1e-12)


def test_samples_in_any_order_and_over_many_chunks_are_multiplied_alike() -> None:
    places = torch.randperm(200 * 150, generator=torch.Generator().manual_seed(0))[:20_000]
    operator = SampledOperator(places // 150, places % 150, (200, 150), 0.5)
    left, right = normals(200, 3), normals(150, 3, seed=1)
    y = operator.forward(left @ right.T)
    torch.testing.assert_close(operator.product(left, right), y, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(operator.back(y, left, True), operator.adjoint(y).T @ left, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 8, 32, 128])
def test_the_walsh_hadamard_transform_is_its_recursive_matrix(n: int) -> None:
    matrix = torch.ones(1, 1, dtype=torch.float64)
    while len(matrix) < n:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    x = normals(3, n)
    torch.testing.assert_close(walsh_hadamard(x), x @ matrix, rtol=1e-12, atol=1e-12)
    assert torch.equal(walsh_hadamard(x)[1], walsh_hadamard(x[1]))


def test_a_transform_needs_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two"):
        walsh_hadamard(normals(6))


@pytest.mark.parametrize("symmetric", [False, True])
def test_all_rows_of_a_transform_are_an_isometry(symmetric: bool) -> None:
    entries = 15 if symmetric else 25
    length = 16 if symmetric else 32
    operator = HadamardOperator(signs(entries), torch.arange(length), (5, 5), symmetric)
    x = normals(5, 5)
    x = x + x.T
    torch.testing.assert_close(operator.adjoint(operator.forward(x)), x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_half_vectorization_is_an_isometry_with_its_inverse(n: int) -> None:
    x, y = (a + a.mT for a in normals(2, n, n))
    assert half_vectorize(x).shape == (n * (n + 1) // 2,)
    torch.testing.assert_close(half_vectorize(x) @ half_vectorize(y), (x * y).sum(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(unvectorize(half_vectorize(x), n), x, rtol=1e-14, atol=1e-14)


def test_a_symmetric_operator_sees_the_symmetric_part_only() -> None:
    operator = DenseOperator(normals(8, 10), (4, 4), symmetric=True)
    x = normals(4, 4, seed=5)
    torch.testing.assert_close(operator.forward(x), operator.forward((x + x.mT) / 2))
    assert operator.forward(x - x.mT).abs().max() < 1e-14


def test_half_vectorized_normals_are_symmetrized_gaussians() -> None:
    """<A, X> with a symmetrized standard normal A has the law of a standard normal row against vech(X)."""
    x = normals(4, 4, seed=6)
    x = x + x.mT
    dense = normals(20_000, 16, seed=7) @ x.flatten()
    half = normals(20_000, 10, seed=8) @ half_vectorize(x)
    assert abs(dense.std() / half.std() - 1) < 0.03
