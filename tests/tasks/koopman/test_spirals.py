"""Fields of reaction and diffusion: closed forms of the equation, its symmetry, and what is shown of its fields."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.koopman.fields import ReactionDiffusion, spiral
from dynamark.tasks.koopman.spirals import Spirals, smooth_fields


def tiny(**fields: object) -> Spirals:
    task = Spirals.at("tiny", name="koopman/rd_spiral", **fields)
    assert isinstance(task, Spirals)
    return task


def test_a_uniform_field_turns_at_beta_on_the_unit_circle() -> None:
    """r' = r - r^3 has r^2 = 1/(1 + c e^{-2t}), and the angle turns by -beta times the integral of r^2."""
    start = np.tile(np.array([0.3, 0.0])[:, None, None], (1, 1, 16, 16))
    beta, t = 0.65, 0.5 * np.arange(5)
    path = ReactionDiffusion(beta=beta, n=16)(start, 0.5, 4)[0, :, :, 3, 5]
    c = 1 / 0.3**2 - 1
    radius = 1 / np.sqrt(1 + c * np.exp(-2 * t))
    angle = -beta / 2 * np.log((np.exp(2 * t) + c) / (1 + c))
    np.testing.assert_allclose(path, np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), atol=1e-5)


def test_rotations_of_both_fields_are_a_symmetry_where_they_diffuse_alike() -> None:
    start = smooth_fields(np.random.default_rng(0), 1, 16)
    turned = np.stack([-start[:, 1], start[:, 0]], axis=1)
    for d2, same in ((0.1, True), (0.2, False)):
        plain, after = (ReactionDiffusion(0.1, d2, n=16)(f, 1.0, 1)[:, -1] for f in (start, turned))
        assert np.allclose(np.stack([-plain[:, 1], plain[:, 0]], axis=1), after, atol=1e-10) == same


def test_states_are_every_fourth_point_of_the_fields() -> None:
    task = tiny()
    data = task.data(0)
    assert data["train"].shape == (4, 11, 2 * 8 * 8)
    starts = task.starts(np.random.default_rng(0), 2)
    assert starts.shape == (2, 2, 32, 32)
    np.testing.assert_array_equal(task.flow(starts, 0.5, 1)[:, 0].reshape(2, 2, 8, 8), starts[:, :, ::4, ::4])
    assert not np.allclose(data["train"][0, 0], data["train"][1, 0])


def test_the_true_flow_scores_zero_and_a_damped_one_shows_in_the_spectrum() -> None:
    task = tiny(start="smooth")
    truth, seen = task.data(0)["test"][:, 1:], task.data(0)["train"].reshape(-1, 128)
    assert np.isfinite(truth).all()
    scores = task.score({"forecast.test": truth}, 0).values
    assert scores["nrmse_mean"] == scores["log_spectrum_rmse"] == scores["measure_W1"] == 0
    assert set(scores) <= {m.name for m in task.metrics}
    mean = seen.mean(axis=0)
    damped = task.score({"forecast.test": mean + np.exp(-1) * (truth - mean)}, 0).values
    assert damped["log_spectrum_rmse"] == pytest.approx(2, rel=1e-9)
    assert task.oracle(0) == 0
    assert 0 < task.baseline(0) < 1.5


def test_strong_diffusion_leaves_one_uniform_oscillation() -> None:
    task = tiny(d1=0.5, d2=0.5, length=10.0, discard=40.0, start="smooth")
    field = task.data(0)["test"][:, -1].reshape(-1, 2, 64)
    assert np.median(field.std(axis=2).max(axis=1)) < 0.05
    assert np.hypot(*field.mean(axis=2).T) == pytest.approx(1.0, abs=0.05)


def test_perturbations_of_unequal_diffusion_do_not_grow() -> None:
    """What is often called chaotic is not on this square: 1e-6 stays below 1e-3 over 60 units of time."""
    equation = ReactionDiffusion(d1=0.03, d2=0.2, beta=0.65, length=12.5, n=32, h=0.1)
    start = equation(spiral(*equation.grid())[None], 10.0, 1)[:, -1]
    apart = start + 1e-6 * np.random.default_rng(0).standard_normal(start.shape)
    paths = equation(np.concatenate([start, apart]), 10.0, 6)
    assert np.abs(paths[1] - paths[0]).max() < 1e-3
