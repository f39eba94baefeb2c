"""Stochastic systems: spectra against independent computations, and the scores of the tasks."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.koopman import processes, spectra, torus
from dynamark.tasks.koopman.stochastic import DoubleWell, NoisyLogistic, OrnsteinUhlenbeck, SpectrumTask

TASKS = [OrnsteinUhlenbeck, NoisyLogistic, DoubleWell]


def tiny(cls: type[SpectrumTask]) -> SpectrumTask:
    task = cls.at("tiny", name=f"koopman/{cls.__name__}")
    assert isinstance(task, SpectrumTask)
    return task


def test_the_logistic_spectrum_is_that_of_a_transition_matrix() -> None:
    """A midpoint rule on 600 cells: independent of the Fourier formula."""
    y = (np.arange(600) + 0.5) / 600
    density = np.cos(np.pi * (y[None, :] - (4 * y * (1 - y))[:, None])) ** 20
    matrix = density / density.sum(axis=1, keepdims=True)
    values = np.linalg.eigvals(matrix)
    values = values[np.argsort(-np.abs(values))][:6]
    expected = processes.logistic_modes()[0][:6]
    assert np.abs(values[:, None] - expected).min(axis=0).max() < 1e-4


def test_logistic_noise_has_its_density() -> None:
    path = processes.logistic_path(200_000, np.random.default_rng(0))
    noise = np.remainder(path[1:] - 4 * path[:-1] * (1 - path[:-1]) + 0.5, 1.0) - 0.5
    counts, edges = np.histogram(noise, bins=40, range=(-0.5, 0.5), density=True)
    middle = (edges[1:] + edges[:-1]) / 2
    density = np.cos(np.pi * middle) ** 20
    assert np.abs(counts - density / density.mean()).max() < 0.08


def test_logistic_features_are_closed_under_the_operator() -> None:
    """E[f(x+) | x] of any f lies in their span: a sine, averaged over the noise by quadrature."""
    x = np.random.default_rng(0).random(50)
    xi = (np.arange(400) + 0.5) / 400 - 0.5
    weights = np.cos(np.pi * xi) ** 20
    after = np.sin(2 * np.pi * ((4 * x * (1 - x))[:, None] + xi) * 3) @ weights / weights.sum()
    features = processes.logistic_features(x)
    fitted = features @ np.linalg.lstsq(features, after, rcond=None)[0]
    np.testing.assert_allclose(fitted.real, after, atol=1e-9)


def test_double_well_rates() -> None:
    rates, x, functions = processes.double_well_modes()
    np.testing.assert_allclose(rates, [0, -0.0806, -3.4949, -6.1466, -9.2932], atol=6e-4)
    finer = processes.double_well_modes(points=4001)[0]
    np.testing.assert_allclose(rates, finer, atol=3e-3)
    assert np.ptp(functions[:, 0]) < 1e-6 * np.abs(functions[:, 0]).max()
    inside = np.abs(x) < 1.5
    assert np.all(functions[inside & (x > 0.1), 1] * functions[inside & (x < -0.1), 1][::-1] < 0)


def test_double_well_paths_keep_their_law() -> None:
    paths = processes.double_well_paths(400, 100, np.random.default_rng(0))
    edges = np.linspace(-2, 2, 41)
    both = np.concatenate([paths.ravel(), -paths.ravel()])  # how many are in which well is a matter of luck
    actual = np.histogram(both, bins=edges, density=True)[0]
    middle = (edges[1:] + edges[:-1]) / 2
    density = np.exp(-3 * (middle**2 - 1) ** 2)
    assert np.abs(actual - density / (density.sum() * 0.1)).max() < 0.08


def test_ou_moments() -> None:
    rng = np.random.default_rng(0)
    y = processes.ou_step(np.full(400_000, 2.0), 0.5, rng)
    assert y.mean() == pytest.approx(2 * np.exp(-0.5), abs=0.005)
    assert y.var() == pytest.approx(1 - np.exp(-1.0), abs=0.005)


def test_logistic_eigenfunctions_satisfy_their_equation() -> None:
    values, vectors = processes.logistic_modes()
    x, xi = np.random.default_rng(0).random(30), (np.arange(400) + 0.5) / 400 - 0.5
    weights = np.cos(np.pi * xi) ** 20
    after = (
        processes.logistic_features(np.remainder((4 * x * (1 - x))[:, None] + xi, 1.0).ravel())[:, :] @ vectors[:, :4]
    )
    mean = np.einsum("sxk,x->sk", after.reshape(30, 400, 4), weights) / weights.sum()
    np.testing.assert_allclose(mean, values[:4] * (processes.logistic_features(x) @ vectors[:, :4]), atol=1e-4)


@pytest.mark.parametrize("cls", TASKS)
def test_the_scale_runs_from_the_mean_to_the_exact_features(cls: type[SpectrumTask]) -> None:
    task = tiny(cls)
    assert 0 < task.oracle(0) < 0.5 * task.baseline(0)
    nothing = task.score({}, 0).values
    assert nothing["spec"] == pytest.approx(max(1.0, nothing["spec_err"]))
    assert set(nothing) <= {m.name for m in task.metrics}


@pytest.mark.parametrize("cls", TASKS)
def test_the_true_spectrum_scores_zero(cls: type[SpectrumTask]) -> None:
    task = tiny(cls)
    query = task.problem(0).query
    assert query is not None
    assert query.points is not None
    x = query.points[:, 0, 0].numpy()
    answers = {"eigenvalues": task.truth[:3], "eigenfunctions": np.stack([x**0, x, x**2], axis=1).astype(complex)}
    assert task.score(answers, 0).values["spec"] == 0


def test_two_successors_free_the_residual_of_the_variance() -> None:
    task = tiny(OrnsteinUhlenbeck)
    query = task.problem(0).query
    assert query is not None
    assert query.points is not None
    x = query.points[:, 0, 0].numpy()
    functions = np.stack([x**0, x, x**2 - 1], axis=1).astype(complex)
    scores = task.score({"eigenvalues": task.truth[:3], "eigenfunctions": functions}, 0).values
    expected = np.mean(np.sqrt(1 - task.truth[1:3].real ** 2))
    assert scores["variance_residual"] == pytest.approx(expected, abs=0.06)
    assert scores["true_residual"] < 0.2


def test_twin_residuals_see_a_wrong_eigenvalue() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(200_000)
    y, z = (processes.ou_step(x, 0.5, rng) for _ in range(2))
    parts = [part[:, None].astype(complex) for part in (x, y, z)]
    residual = spectra.twin_residuals(*parts, np.array([np.exp(-0.5) + 0.2 + 0j]))
    assert residual[0] == pytest.approx(0.2, abs=0.02)


def test_characters_of_the_rotation_are_eigenfunctions_and_those_of_the_skew_product_are_not() -> None:
    x = torus.grid(16)
    for k, rotates, skews in (((3, 0), True, True), ((2, -1), True, False)):
        before = np.exp(2j * np.pi * (x @ k))
        value = np.exp(2j * np.pi * np.dot(k, [torus.GOLDEN, np.sqrt(2) - 1]))
        assert np.allclose(np.exp(2j * np.pi * (torus.rotation(x) @ k)), value * before) == rotates
        after = np.exp(2j * np.pi * (torus.anzai(x) @ k))
        assert (np.ptp(np.angle(after / before * np.exp(1j))) < 1e-9) == skews
