"""Finite sections against dense formulas: Galerkin matrices, residuals, pseudospectral distances."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.tasks.numerics.koopman import Compressed, compress, galerkin, pair_residuals


def lifted(
    samples: int = 60, features: int = 4, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(samples, features, generator=draw, dtype=dtype)
    k = torch.randn(features, features, generator=draw, dtype=dtype)
    return x, x @ k + 0.1 * torch.randn(samples, features, generator=draw, dtype=dtype)


@pytest.fixture(params=[torch.float64, torch.complex128])
def both(request: pytest.FixtureRequest) -> tuple[torch.Tensor, torch.Tensor]:
    return lifted(dtype=request.param)


def test_least_squares_is_the_pseudoinverse(both: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = (part.numpy() for part in both)
    expected = np.linalg.pinv(x) @ y
    np.testing.assert_allclose(compress([both]).least_squares(), expected, atol=1e-12)
    np.testing.assert_allclose(galerkin([both], ridge=0.0), expected, atol=1e-12)


def test_chunks_do_not_matter(both: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = both
    parts = [(x[:3], y[:3]), (x[3:40], y[3:40]), (x[40:], y[40:])]
    np.testing.assert_allclose(compress(parts).least_squares(), compress([both]).least_squares(), atol=1e-12)
    np.testing.assert_allclose(galerkin(parts, 1e-3), galerkin([both], 1e-3), atol=1e-12)


def test_the_compression_holds_all_gram_matrices(both: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = both
    c = compress([both])
    np.testing.assert_allclose(c.xx.mH @ c.xx, x.mH @ x, atol=1e-11)
    np.testing.assert_allclose(c.xx.mH @ c.xy, x.mH @ y, atol=1e-11)
    np.testing.assert_allclose(c.xy.mH @ c.xy + c.yy.mH @ c.yy, y.mH @ y, atol=1e-11)


def test_the_ridge_is_relative_to_the_mean_of_the_diagonal() -> None:
    x, y = lifted()
    gram = (x.T @ x).numpy()
    expected = np.linalg.solve(gram + 0.01 * np.trace(gram) / 4 * np.eye(4), (x.T @ y).numpy())
    np.testing.assert_allclose(galerkin([(x, y)], 0.01), expected, rtol=1e-12)


def test_an_ill_conditioned_gram_matrix_is_refused() -> None:
    x, y = lifted()
    x[:, 3] = x[:, 2] + 1e-6 * x[:, 3]
    assert galerkin([(x, y)], 1e-10) is None
    solved = compress([(x, y)]).least_squares(1e-12)
    np.testing.assert_allclose(x @ solved, x @ torch.from_numpy(np.linalg.pinv(x.numpy()) @ y.numpy()), atol=1e-7)


def test_residuals_are_those_of_the_expansion_and_of_the_pairs(both: tuple[torch.Tensor, torch.Tensor]) -> None:
    """res^2 = v*(L - conj(l) A* ... ) v / v* G v, which this formula evaluates without cancellation."""
    x, y = (part.to(torch.complex128) for part in both)
    c = compress([both])
    values, vectors = torch.linalg.eig(c.least_squares())
    gram, cross, later = x.mH @ x, x.mH @ y, y.mH @ y
    for j, (value, v) in enumerate(zip(values, vectors.T, strict=True)):
        below = (v.conj() @ gram @ v).real
        squared = (
            v.conj() @ later @ v - 2 * (value.conj() * (v.conj() @ cross @ v)).real + value.abs() ** 2 * below
        ).real
        assert float(c.residuals(values, vectors)[j]) == pytest.approx(float((squared / below).sqrt()), rel=1e-9)
    np.testing.assert_allclose(
        c.residuals(values, vectors), pair_residuals(x @ vectors, y @ vectors, values), rtol=1e-10
    )


def test_the_distance_is_the_least_residual_over_all_functions(both: tuple[torch.Tensor, torch.Tensor]) -> None:
    c = compress([both])
    z = torch.tensor([0.3 + 0.4j, -1.0 + 0j, 1.5 - 0.2j], dtype=torch.complex128)
    actual = c.distance(z)
    draw = torch.Generator().manual_seed(1)
    trial = torch.randn(4, 500, generator=draw, dtype=torch.complex128)
    for value, least in zip(z, actual, strict=True):
        assert c.residuals(value.expand(500), trial).min() >= least
        # attained: the right singular vector of the least singular value, taken back through xx
        stack = torch.cat([c.xy - value * c.xx, c.yy]) @ torch.linalg.inv(c.xx.to(torch.complex128))
        best = torch.linalg.solve(c.xx.to(torch.complex128), torch.linalg.svd(stack)[2].mH[:, -1:])
        assert float(c.residuals(value[None], best)[0]) == pytest.approx(float(least), rel=1e-8)


def test_the_distance_sees_below_the_root_of_rounding() -> None:
    x, _ = lifted()
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)).Q
    c = compress([(x, x @ rotation)])
    values = torch.linalg.eigvals(rotation)
    assert c.distance(values).max() < 1e-12
    assert c.distance(values * 1.5).min() > 0.1


def test_the_unitary_section_keeps_norms_and_is_exact_for_isometries() -> None:
    x, y = lifted()
    compressed = compress([(x, y)])
    k = compressed.unitary()
    gram = x.T @ x
    np.testing.assert_allclose(k.T @ gram @ k, gram, atol=1e-10)
    # among isometries of the span, the polar factor is the nearest to the data
    q = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)).Q
    other = torch.linalg.solve(compressed.xx, q @ compressed.xx)
    whiten = torch.linalg.inv(compressed.xx)
    assert ((x @ k - y) @ whiten).norm() < ((x @ other - y) @ whiten).norm()
    rotation = torch.linalg.solve(compressed.xx, q @ compressed.xx)
    np.testing.assert_allclose(compress([(x, x @ rotation)]).unitary(), rotation, atol=1e-11)


def test_too_few_samples_still_compress() -> None:
    x, y = lifted(samples=6)
    c = compress([(x, y)])
    assert isinstance(c, Compressed)
    np.testing.assert_allclose(c.xx.T @ c.xy, x.T @ y, atol=1e-12)
