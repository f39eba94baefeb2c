"""EDMD where the dictionary is invariant, so that everything is known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from koopman_problems import linear_paths, posed, slow_manifold

from dynamark.errors import UserError
from dynamark.methods.koopman.edmd import EDMD, MPEDMD
from dynamark.methods.koopman.polynomial import PolynomialIncrement
from dynamark.tasks.koopman.maps import TorusMap
from dynamark.tasks.numerics.koopman import pair_residuals
from dynamark.tasks.problems import Run, Trajectories

INVARIANT = EDMD(dictionary="x0 x1 x0*x0", append=False, ridge=0.0)


def test_the_invariant_dictionary_recovers_the_eigenvalues() -> None:
    model = INVARIANT.fit_forecaster(posed(slow_manifold(300, 50)), Run())
    expected = torch.exp(0.1 * torch.tensor([-0.05, -0.1, -1.0], dtype=torch.float64))
    np.testing.assert_allclose(model.eigenvalues(), expected, atol=1e-13)


def test_the_invariant_dictionary_rolls_out_500_steps() -> None:
    model = INVARIANT.fit_forecaster(posed(slow_manifold(300, 50)), Run())
    unseen = slow_manifold(40, 500, seed=1)
    forecast = model.forecast(Trajectories(unseen[:, :1]), 500)
    assert (forecast - unseen[:, 1:]).abs().max() < 1e-12


def test_the_ridge_biases_an_exact_problem_by_its_size() -> None:
    unseen = slow_manifold(40, 500, seed=1)
    errors = []
    for ridge in (1e-10, 1e-8):
        model = dataclasses.replace(INVARIANT, ridge=ridge).fit_forecaster(posed(slow_manifold(300, 50)), Run())
        errors.append(float((model.forecast(Trajectories(unseen[:, :1]), 500) - unseen[:, 1:]).abs().max()))
    assert errors[1] / errors[0] == pytest.approx(100, rel=0.1)


def test_eigenfunctions_satisfy_their_equation_on_unseen_pairs() -> None:
    model = EDMD(size=2, ridge=0.0).fit_forecaster(posed(slow_manifold(300, 50)), Run())
    x, y = slow_manifold(200, 1, seed=2).unbind(1)
    residual = pair_residuals(model.eigenfunctions(x[:, None]), model.eigenfunctions(y[:, None]), model.eigenvalues())
    exact = torch.exp(0.1 * torch.tensor([0, -0.05, -0.1, -1.0], dtype=torch.float64))
    known = (model.eigenvalues()[:, None] - exact).abs().amin(1) < 1e-8
    assert int(known.sum()) == 4
    assert residual[known].max() < 1e-12
    assert residual[~known].min() > 1e-3


@pytest.mark.parametrize("dictionary", ["monomials", "chebyshev"])
def test_two_bases_of_one_span_are_one_method(dictionary: str) -> None:
    train, start = slow_manifold(100, 10), Trajectories(slow_manifold(10, 1, seed=3)[:, :1])
    model = EDMD(dictionary, 4, ridge=0.0).fit_forecaster(posed(train), Run())
    reference = EDMD("monomials", 4, ridge=0.0).fit_forecaster(posed(train), Run())
    np.testing.assert_allclose(model.forecast(start, 30), reference.forecast(start, 30), atol=1e-9)


def test_lifting_anew_every_step_is_the_fitted_map_of_the_state() -> None:
    train, start = slow_manifold(100, 10), Trajectories(slow_manifold(10, 1, seed=3)[:, :1])
    model = EDMD(size=3, ridge=0.0, relift=1).fit_forecaster(posed(train), Run())
    other = PolynomialIncrement(degree=3).fit_forecaster(posed(train), Run())
    np.testing.assert_allclose(model.forecast(start, 50), other.forecast(start, 50), atol=1e-9)


def test_relifting_waits_for_its_period() -> None:
    train, start = slow_manifold(100, 10), Trajectories(slow_manifold(10, 1, seed=3)[:, :1])
    never, fifth = (
        EDMD("exponential", 8, relift=k).fit_forecaster(posed(train), Run()).forecast(start, 12) for k in (0, 5)
    )
    assert torch.equal(never[:, :5], fifth[:, :5])
    assert not torch.equal(never[:, 5], fifth[:, 5])


@pytest.mark.parametrize("dictionary", ["exponential", "gaussian", "thin_plate"])
def test_radial_dictionaries_hold_the_state_and_forecast(dictionary: str) -> None:
    matrix = torch.tensor([[0.9, 0.2], [-0.2, 0.9]], dtype=torch.float64)
    model = EDMD(dictionary, 12, ridge=0.0).fit_forecaster(posed(linear_paths(matrix, 80, 6)), Run())
    unseen = linear_paths(matrix, 5, 20, seed=1)
    # constant and state are invariant under a linear map, whatever the other features do
    np.testing.assert_allclose(model.forecast(Trajectories(unseen[:, :1]), 20), unseen[:, 1:], atol=1e-7)
    assert model.parameter_count() == 15**2 + 15 * 2 + 12 * 2 + 1


def test_fourier_features_turn_a_rotation_into_phases() -> None:
    omega = 0.7
    start = 2 * math.pi * torch.rand(200, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    angles = start + omega * torch.arange(3, dtype=torch.float64)[None, :, None]
    model = EDMD("fourier", 2, append=False, ridge=0.0).fit_forecaster(posed(angles), Run())
    expected = np.exp(1j * omega * np.arange(-2, 3))
    gaps = np.abs(model.eigenvalues().numpy()[:, None] - expected).min(axis=0)
    assert gaps.max() < 1e-13


def test_the_measure_preserving_variant_has_moduli_one_and_equals_edmd_on_isometries() -> None:
    damped = MPEDMD(size=3).fit_forecaster(posed(slow_manifold(300, 50)), Run())
    np.testing.assert_allclose(damped.eigenvalues().abs(), 1.0, atol=1e-10)
    c, s = math.cos(0.3), math.sin(0.3)
    turn = torch.tensor([[c, s], [-s, c]], dtype=torch.float64)
    # full orbits: the Gram matrix is invariant to sampling error of the starts only
    orbit = linear_paths(turn, 400, 200)
    rotation = MPEDMD(size=1).fit_forecaster(posed(orbit), Run())
    expected = np.array([1, c + 1j * s, c - 1j * s])
    assert np.abs(rotation.eigenvalues().numpy()[:, None] - expected).min(axis=0).max() < 1e-3


def test_the_measure_preserving_variant_leaves_out_what_vanishes_on_the_data() -> None:
    task = TorusMap.at("tiny")
    assert isinstance(task, TorusMap)
    problem = task.problem(0)
    model = MPEDMD(size=2).fit_forecaster(problem, Run())
    # of 15 monomials two vanish: x^2 + y^2 - 1 of each circle
    moduli = model.eigenvalues().abs().sort().values
    np.testing.assert_allclose(moduli[:2], 0.0, atol=1e-12)
    np.testing.assert_allclose(moduli[2:], 1.0, atol=1e-12)
    assert problem.query is not None
    ahead = model.forecast(problem.query.rollouts["test"].context, task.test_steps)
    np.testing.assert_allclose(ahead, task.data(0)["test"][:, 1:], atol=1e-11)


def test_an_unknown_dictionary_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="chebyshev"):
        EDMD(dictionary="nonsense").fit_forecaster(posed(slow_manifold(3, 3)), Run())
