"""The quadrature against the closed form of the Hankel matrix, and the filters against an eigensolver where that is good."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import scipy.linalg

from dynamark.tasks.numerics.spectral_filters import (
    hankel,
    quadrature_root,
    spectral_filters,
    wedge_filters,
    wedge_gram,
)


@pytest.mark.parametrize("length", [64, 256, 700])
def test_quadrature_equals_the_closed_form(length: int) -> None:
    # Summed in extended precision: a product of matrices would round by some 500 terms, in the order of a processor's library.
    root = quadrature_root(length).astype(np.longdouble)
    assert np.abs(root @ root.T - hankel(length)).max() < 1e-15


@pytest.mark.parametrize("length", [128, 600])
def test_leading_filters_agree_with_an_eigensolver(length: int) -> None:
    values, phi = spectral_filters(length, 10)
    expected, vectors = scipy.linalg.eigh(hankel(length))
    np.testing.assert_allclose(values, expected[::-1][:10], rtol=1e-6, atol=1e-15)
    assert np.abs(np.abs(vectors[:, ::-1][:, :8].T @ phi.numpy()[:, :8]) - np.eye(8)).max() < 1e-5


def filters_in_many_digits(length: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of the Hankel matrix, rounded from 70 digits: pivoted Cholesky Z = L L', then those of L'L.

    Eigenvalues below the first `rank` pivots are lost, so `rank` exceeds the number of filters that are compared.
    """
    one = 1 << 240  # fixed point

    def entries(column: int) -> list[int]:
        return [2 * one // ((i + column + 2) ** 3 - (i + column + 2)) for i in range(length)]

    diagonal = [2 * one // (s**3 - s) for s in range(2, 2 * length + 1, 2)]
    factor: list[list[int]] = []
    for _ in range(rank):
        pivot = max(range(length), key=diagonal.__getitem__)
        column = entries(pivot)
        for earlier in factor:
            column = [a - b * earlier[pivot] // one for a, b in zip(column, earlier, strict=True)]
        root = math.isqrt(column[pivot] * one)
        factor.append([a * one // root for a in column])
        diagonal = [d - a * a // one for d, a in zip(diagonal, factor[-1], strict=True)]
    with mpmath.workdps(70):
        gram = mpmath.matrix(rank, rank)
        for i, a in enumerate(factor):
            for j, b in enumerate(factor):
                gram[i, j] = mpmath.mpf(sum(x * y for x, y in zip(a, b, strict=True)) // one) / one
        values, vectors = mpmath.eigsy(gram)
        order = sorted(range(rank), key=lambda k: -values[k])
        phi = np.empty((length, rank))
        for place, k in enumerate(order):
            weights = [int(vectors[row, k] / mpmath.sqrt(values[k]) * one) for row in range(rank)]
            combined = [
                sum(w * x for w, x in zip(weights, row, strict=True)) // one for row in zip(*factor, strict=True)
            ]
            phi[:, place] = [float(mpmath.mpf(x) / one) for x in combined]
        return np.array([float(values[k]) for k in order]), phi * np.where(phi[0] < 0, -1.0, 1.0)


@pytest.mark.parametrize("length", [24, 256, 1024])
def test_all_filters_are_as_accurate_as_promised(length: int) -> None:
    """25 filters (of 24 lags those with s > 1e-28) against 70 digits; the promise is 2e-15 / sqrt(s)."""
    expected, exact = filters_in_many_digits(length, min(length, 40))
    count = min(25, int((expected > 1e-28).sum()))
    assert count >= 21
    values, phi = (x.numpy() for x in spectral_filters(length, count))
    promise = 2e-15 / np.sqrt(expected[:count])
    assert (np.abs(values / expected[:count] - 1) < promise).all()
    assert (np.linalg.norm(phi - exact[:, :count], axis=0) < promise).all()


def test_filters_are_orthonormal_descending_and_of_fixed_sign() -> None:
    values, phi = spectral_filters(256, 30)
    np.testing.assert_allclose(phi.T @ phi, np.eye(30), atol=1e-12)
    assert (values[1:] < values[:-1]).all()
    assert (phi[0] > 0).all()


def test_no_impulse_response_of_a_real_pole_sticks_out_of_the_basis() -> None:
    """max_a |<phi_j, mu(a)>| <= 6^{1/4} s_j^{1/4} (Hazan et al. 2017, lemma D.4)."""
    values, phi = spectral_filters(256, 40)
    gap = np.geomspace(1e-5, 1, 2000)
    mu = gap * np.exp(np.arange(256)[:, None] * np.log1p(-np.minimum(gap, 1 - 1e-12)))
    reach = np.abs(phi.numpy().T @ mu).max(axis=1)
    assert (reach <= 6**0.25 * values.numpy() ** 0.25).all()
    assert values[20] <= 1e6 * math.exp(-(math.pi**2) * 21 / (4 * math.log(256)))


def test_more_filters_than_lags_are_refused() -> None:
    with pytest.raises(ValueError, match="as many filters as lags"):
        spectral_filters(8, 9)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_wedge_matrix_is_its_integral(mirrored: bool) -> None:
    point, weight = np.polynomial.legendre.leggauss(40)
    radius, angle = (point + 1) / 2, 0.4 * point
    a = (radius[:, None] * np.exp(1j * angle)).ravel()
    w = np.outer(weight / 2 * radius, 0.4 * weight).ravel()
    if mirrored:
        a, w = np.concatenate([a, -a]), np.concatenate([w, w])
    powers = a ** np.arange(8)[:, None]
    np.testing.assert_allclose(wedge_gram(8, 0.4, mirrored), ((powers * w) @ powers.conj().T).real, atol=1e-13)


def test_as_many_wedge_filters_matter_as_the_law_says() -> None:
    """Poles inside the wedge are met by about angle * T / pi filters and a few more, and not by fewer."""
    length, angle = 256, 0.3
    draw = np.random.default_rng(0)
    poles = (1 - 10 ** -draw.uniform(0, 3.4, 200)) * np.exp(1j * draw.uniform(-angle, angle, 200))
    responses = (poles ** np.arange(length)[:, None]).real
    law = math.ceil(angle * length / math.pi)
    left = []
    values = np.linalg.eigvalsh(wedge_gram(length, angle))[::-1]
    assert wedge_filters(length, length, angle).shape[1] == (values > 1e-13 * values[0]).sum()
    for count in (law // 2, law + 20, length):
        phi = wedge_filters(length, count, angle).numpy()
        rest = responses - phi @ (phi.T @ responses)
        left.append((rest**2).sum() / (responses**2).sum())
    assert left[0] > 1e-2
    assert left[1] < 1e-8
    assert left[2] < 1e-10
