"""Dictionaries: values by their definition, and the way back to the state."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev

from dynamark.errors import UserError
from dynamark.methods.koopman.dictionaries import Extended, Radial, build

STATES = torch.from_numpy(np.random.default_rng(0).uniform(-2, 3, (50, 2)))


@pytest.mark.parametrize(
    "name", ["monomials", "chebyshev", "exponential", "gaussian", "thin_plate", "fourier", "x0*x1 x1 1 x0"]
)
def test_the_state_comes_back(name: str) -> None:
    dictionary = build(name, 3, STATES, np.random.default_rng(1))
    readout = dictionary.readout(2)
    assert readout is not None
    features = dictionary(STATES)
    np.testing.assert_allclose((features @ readout.to(features)).real, STATES, atol=1e-13)


def test_chebyshev_products_on_the_box_of_the_data() -> None:
    features = build("chebyshev", 3, STATES, np.random.default_rng(1))(STATES).numpy()
    low, high = STATES.numpy().min(0), STATES.numpy().max(0)
    u = (2 * STATES.numpy() - low - high) / (high - low)
    expected = chebyshev.chebvander2d(u[:, 0], u[:, 1], [3, 3])
    low_degrees = [expected[:, 4 * i + j] for i in range(4) for j in range(4) if i + j <= 3]
    assert features.shape[1] == len(low_degrees) == 10
    for column in low_degrees:
        assert np.abs(features - column[:, None]).max(axis=0).min() < 1e-13


def test_radial_functions_by_their_definition() -> None:
    centers = STATES[:3]
    r = np.linalg.norm(STATES.numpy()[:, None] - centers.numpy(), axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        plate = np.where(r > 0, r**2 * np.log(r), 0)
    for kind, expected in {
        "exponential": np.exp(-r / 0.7),
        "gaussian": np.exp(-((r / 0.7) ** 2)),
        "thin_plate": plate,
    }.items():
        np.testing.assert_allclose(Radial(kind, centers, 0.7)(STATES), expected, atol=1e-12)


def test_centers_are_the_means_of_their_points() -> None:
    result = build("gaussian", 4, STATES, np.random.default_rng(1), append=False)
    assert isinstance(result, Radial)
    nearest = torch.cdist(STATES, result.centers).argmin(1)
    means = torch.stack([STATES[nearest == i].mean(0) for i in range(4)])
    np.testing.assert_allclose(result.centers, means, atol=0.15)
    assert result.scale == pytest.approx(float((STATES - STATES.mean(0)).norm(dim=1).mean()))


def test_nothing_is_appended_where_nothing_is_missing_or_wanted() -> None:
    rng = np.random.default_rng(1)
    assert isinstance(build("gaussian", 3, STATES, rng), Extended)
    assert isinstance(build("gaussian", 3, STATES, rng, append=False), Radial)
    assert build("x0 x1 x0*x0", 0, STATES, rng)(STATES).shape == (50, 3)
    assert build("x0", 0, STATES, rng)(STATES).shape == (50, 4)


def test_repeated_points_give_fewer_centers() -> None:
    repeated = STATES[:3].repeat(10, 1)
    result = build("gaussian", 8, repeated, np.random.default_rng(1), append=False)
    assert result(repeated).shape == (30, 3)


@pytest.mark.parametrize("name", ["monomials", "chebyshev", "fourier"])
def test_a_dictionary_too_large_to_solve_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="in 64 dimensions"):
        build(name, 3, torch.zeros(5, 64, dtype=torch.float64), np.random.default_rng(0))
