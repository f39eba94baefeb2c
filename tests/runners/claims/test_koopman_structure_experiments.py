"""Experiments on learned and structured representations, at a small size: their numbers are those of the mathematics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import solve_continuous_are

from dynamark.runners.claims.koopman import experiments_structured as structured
from dynamark.runners.claims.koopman.experiments_balanced import balance, monomials
from dynamark.runners.claims.koopman.experiments_diagonal import rollout, stepwise
from dynamark.runners.claims.koopman.experiments_linearizer import Couplings
from dynamark.runners.claims.koopman.experiments_local_models import LocalModels, backward_pass
from dynamark.runners.claims.koopman.experiments_selfpredictive import SelfPredictiveFlow, flow, transition
from dynamark.runners.claims.koopman.experiments_spiral_statistics import excess_kurtosis, spreads
from dynamark.runners.claims.koopman.experiments_streams import RandomFeatureStream, SparseEncoding, SparseStream
from dynamark.runners.claims.koopman.experiments_subspaces import magnitude, midpoint
from dynamark.runners.claims.koopman.experiments_tase import SCHEMES, amplification, tase_step
from dynamark.tasks.koopman.fields import ReactionDiffusion, smooth_field
from dynamark.tasks.problems import Run


def test_a_chain_is_doubly_stochastic_and_an_invariant_space_does_not_move() -> None:
    chain = transition(np.random.default_rng(0), 8, 3, symmetric=True)
    assert np.abs(chain.sum(axis=0) - 1).max() < 1e-12
    assert np.abs(chain - chain.T).max() == 0
    leading = np.linalg.eigh(chain)[1][:, -3:]
    assert np.abs(flow(chain, full=False)(leading[None])).max() < 1e-12


@pytest.mark.parametrize("sides", [1, 2])
def test_the_full_gradient_is_the_derivative_of_the_prediction_error(sides: int) -> None:
    """At the optimal predictors, which are held while the features move; D = I/n, half the squared error."""
    rng = np.random.default_rng(1)
    chain, x = transition(rng, 6, 3, symmetric=False), rng.standard_normal((sides, 6, 2))
    forward = torch.from_numpy(np.stack([chain, chain.T])[:sides])
    features = torch.from_numpy(x).requires_grad_()
    targets = features.flip(0)
    with torch.no_grad():
        predictors = torch.linalg.solve(features.mT @ features, features.mT @ forward @ targets)
    fits = features @ predictors
    crossed = (fits * (forward @ targets)).sum()
    error = (fits.square().sum() / 2 - crossed + targets.square().sum() / 2) / 6
    error.backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    assert np.abs(flow(chain, full=True)(x) + features.grad.numpy()).max() < 1e-12


def test_self_predictive_features_find_singular_vectors() -> None:
    scores = SelfPredictiveFlow(states=8, permutations=3, features=2, step=0.5, steps=2000).measure(Run()).values
    assert scores["ratio"] == pytest.approx(1, abs=1e-3)
    assert scores["drift"] < 1e-6


@pytest.mark.parametrize("system", ["pendulum", "duffing"])
def test_jacobians_of_the_plants(system: str) -> None:
    f, jacobian = structured._PLANTS[system]
    x = np.random.default_rng(0).uniform(-2, 2, (5, 2))
    for i, shift in enumerate(1e-6 * np.eye(2)):
        assert np.abs(jacobian(x)[..., i] - (f(x + shift) - f(x - shift)) / 2e-6).max() < 1e-8


def test_coefficients_between_two_states_and_their_riccati_gains() -> None:
    rng = np.random.default_rng(0)
    x, r = rng.uniform(-2, 2, (2, 5, 2))
    a = structured.coefficients(structured._van_der_pol_jacobian, x, 4, r)
    difference = structured._van_der_pol(x, np.zeros(5)) - structured._van_der_pol(r, np.zeros(5))
    assert np.abs((a @ (x - r)[..., None])[..., 0] - difference).max() < 1e-12
    b = np.tile([0.0, 1.0], (5, 1))
    for matrix, gain in zip(a, structured.riccati_gains(a, b), strict=True):
        p = solve_continuous_are(matrix, b[:1].T, np.eye(2), np.array([[0.1]]))
        assert np.abs(gain - b[0] @ p / 0.1).max() < 1e-9


def test_local_models_reach_the_cost_of_exact_jacobians() -> None:
    scores = LocalModels(rollouts=50).measure(Run()).values
    assert scores["oracle"] == pytest.approx(32.253, abs=1e-3)
    assert 1 <= scores["ratio"] < 1.1


def test_a_backward_pass_solves_a_linear_quadratic_problem() -> None:
    """The total derivative of the cost of a linear plant vanishes after one full step."""
    rng = np.random.default_rng(0)
    time, start = 6, np.array([1.0, -0.5])
    a, b = 0.5 * rng.standard_normal((time, 2, 2)), rng.standard_normal((time, 2))

    def path(u: np.ndarray) -> np.ndarray:
        states = [start]
        for t in range(time):
            states.append(a[t] @ states[-1] + b[t] * u[t])
        return np.array(states)

    def cost(u: np.ndarray) -> float:
        states = path(u)
        return float(np.square(states[:-1]).sum() + 0.1 * np.square(u).sum() + 10 * np.square(states[-1]).sum())

    steps, gains = backward_pass(a, b, path(np.zeros(time)), np.zeros(time))
    x, u = start, []
    for t, nominal in enumerate(path(np.zeros(time))[:-1]):
        u.append(steps[t] + gains[t] @ (x - nominal))
        x = a[t] @ x + b[t] * u[-1]
    best = np.array(u)
    for shift in 1e-4 * np.eye(time):
        assert abs(cost(best + shift) - cost(best - shift)) < 1e-9


@pytest.mark.parametrize("scheme", ["singly2", "mtase3"])
def test_the_stability_function_is_a_step_of_a_linear_equation(scheme: str) -> None:
    """Of x'' = -x, which the van der Pol oscillator is for mu = 0: the eigenvalues of the step are R(+-i h)."""
    h, alpha = 0.3, 1.2
    resolvent = np.linalg.inv(np.eye(2) - alpha * h * np.array([[0.0, 1.0], [-1.0, 0.0]]))
    matrix = np.stack([tase_step(SCHEMES[scheme], column, h, resolvent, 0.0) for column in np.eye(2)], axis=1)
    factor = amplification(SCHEMES[scheme], np.array([1 / (1 - alpha * 1j * h)]), alpha)[0]
    assert np.abs(np.sort_complex(np.linalg.eigvals(matrix)) - np.sort_complex([factor, factor.conj()])).max() < 1e-12


@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if all(scheme.filters)])
def test_filters_sum_to_one(name: str) -> None:
    assert [sum(filters) for filters in SCHEMES[name].filters] == pytest.approx([1.0] * len(SCHEMES[name].b))


def test_couplings_are_inverted_exactly() -> None:
    g, x = Couplings(np.random.default_rng(0), 6), np.random.default_rng(1).standard_normal((50, 6))
    assert np.abs(g.inverse(g(x)) - x).max() < 1e-13
    assert np.abs(g(x) - x).max() > 0.1


def test_balanced_features_are_biorthogonal() -> None:
    rng = np.random.default_rng(0)
    lifted = monomials(rng.uniform(-1, 1, (50, 2)), 2)
    k, c = 0.3 * rng.standard_normal((6, 6)), rng.standard_normal((6, 2))
    left, values, right = balance(lifted, k, c, 20)
    assert np.abs(left @ right - np.eye(6)).max() < 1e-8
    assert (np.diff(values) <= 0).all()
    assert lifted.shape == (50, 6)


def test_the_midpoint_has_half_the_principal_angles() -> None:
    angle = 0.7
    a, b = np.array([[1.0], [0.0], [0.0]]), np.array([[np.cos(angle)], [np.sin(angle)], [0.0]])
    assert magnitude(a, midpoint(a, -b)) == pytest.approx(2 * (1 - np.cos(angle / 2)))
    assert magnitude(a, b) == pytest.approx(2 * (1 - np.cos(angle)))


def test_streams_of_random_features() -> None:
    scores = RandomFeatureStream(pairs=200, features=30, updates=1).measure(Run()).values
    assert scores["gap"] < 1e-6
    assert scores["rls_ratio"] == pytest.approx(1, abs=1e-3)


def test_a_sparse_code_is_a_partition_of_unity_and_continuous() -> None:
    encoding = SparseEncoding(np.random.default_rng(0), 2, 3, 4)
    x = np.random.default_rng(1).uniform(-2, 2, (40, 2))
    features = encoding.dense(x)
    assert features.shape == (40, 3 * 6 * 6)
    assert features.sum(axis=1) == pytest.approx(np.full(40, 3.0))
    assert ((features > 0).sum(axis=1) <= 12).all()
    assert np.abs(encoding.dense(x + 1e-7) - features).max() < 1e-6


def test_block_updates_are_nearly_as_accurate_as_the_exact_solution() -> None:
    scores = SparseStream(pairs=300, projections=6, bins=2).measure(Run()).values
    assert scores["sorted_over_exact"] == pytest.approx(1, abs=0.3)
    assert scores["forgotten_over_sorted"] > 1.1


def test_a_padded_convolution_is_the_recursion() -> None:
    generator = torch.Generator().manual_seed(0)
    factors = 0.9 * torch.exp(1j * torch.rand(3, generator=generator, dtype=torch.float64))
    start, drive = (torch.randn(2, *shape, generator=generator, dtype=torch.complex128) for shape in ((3,), (7, 3)))
    steps = stepwise(factors, start, drive)
    assert float((rollout(factors, start, drive) - steps).abs().max()) < 1e-13
    assert float((rollout(factors, start, drive, padded=False) - steps).abs().max()) > 0.1


def test_split_steps_agree_with_the_exponential_integrator() -> None:
    equation = ReactionDiffusion(n=48, h=0.02)
    field = smooth_field(*equation.grid(), equation.length)
    exact = equation(field[None], 0.02, 20)[0, :, 0].std(axis=(1, 2))
    assert np.abs(spreads(equation, field, 20) - exact).max() < 2e-5
    assert excess_kurtosis(np.array([-1.0, 1.0])) == pytest.approx(-2)
