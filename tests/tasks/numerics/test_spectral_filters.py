"""The quadrature against the closed form of the Hankel matrix, and the filters against an eigensolver where that is good."""

from __future__ import annotations

import math

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
    for count in (law // 2, law + 20):
        phi = wedge_filters(length, count, angle).numpy()
        rest = responses - phi @ (phi.T @ responses)
        left.append((rest**2).sum() / (responses**2).sum())
    assert left[0] > 1e-2
    assert left[1] < 1e-8
