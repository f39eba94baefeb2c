"""Tasks on systems with inputs: alignment of inputs, the ends of the scale, closed forms of the systems."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.fft import fft, ifft
from scipy.integrate import solve_ivp

from dynamark.tasks.koopman.actuated import ActuatedKS, ConvectionDiffusionReaction, actuators
from dynamark.tasks.koopman.controlled import ControlledDuffing, ControlledPendulum
from dynamark.tasks.koopman.driven import DrivenTask
from dynamark.tasks.koopman.fields import KuramotoSivashinsky

TASKS = {
    "controlled_pendulum": ControlledPendulum(train=3, validation=2, test=3, steps=20, test_steps=12),
    "controlled_duffing": ControlledDuffing(
        train=3, validation=2, test=3, steps=20, test_steps=12, context=3, noise=0.1
    ),
    "cdr": ConvectionDiffusionReaction(train=3, validation=2, test=2, steps=12, test_steps=12),
    "ks8": ActuatedKS(train=2, validation=1, test=2, steps=3, test_steps=20, length=22.0, points=32, blocks=4),
}


@pytest.mark.parametrize("name", TASKS)
def test_the_true_system_scores_zero_and_ignorance_the_baseline(name: str) -> None:
    task = TASKS[name]
    data, start = task.data(0), task.context
    truth = data["test"][:, start:]
    assert truth.shape[1] == task.test_steps
    exact = dataclasses.replace(task, noise=0.0)
    scores = exact.score({"forecast.test": exact.data(0)["test"][:, start:]}, 0)
    assert scores.values["nrmse_mean"] == 0
    assert set(scores.values) <= {metric.name for metric in task.metrics}
    assert exact.oracle(0) == 0
    shown = (data["train"] + data["train_noise"]).mean(axis=(0, 1))
    last = data["test"][:, start - 1] + data["test_noise"][:, -1]
    guesses = [np.broadcast_to(x, truth.shape) for x in (shown, last[:, None])]
    assert task.baseline(0) == min(task.score({"forecast.test": x}, 0).values["nrmse_mean"] for x in guesses)
    assert (task.oracle(0) > 0) == (task.noise > 0)
    lost = task.score({"forecast.test": np.full(truth.shape, np.nan)}, 0).values
    assert np.isfinite(list(lost.values())).all()
    assert lost["diverged"] == 1


@pytest.mark.parametrize("name", TASKS)
def test_input_t_acts_between_samples_before_t_and_t(name: str) -> None:
    task = TASKS[name]
    problem = task.problem(0)
    clean = task.data(0)["train"]
    inputs = problem.train.inputs
    assert inputs is not None
    assert inputs.shape == (task.train, task.steps + 1, task.channels)
    assert not inputs[:, 0].any()
    after = task.advance(clean[:, 1], inputs[:, 2].numpy())
    np.testing.assert_allclose(after, clean[:, 2], atol=1e-12)
    assert problem.query is not None
    rollout = problem.query.rollouts["test"]
    assert rollout.inputs is not None
    assert rollout.context.inputs is not None
    given = torch.cat([rollout.context.inputs, rollout.inputs], dim=1).numpy()
    first = task.data(0)["test"]
    assert rollout.context.observations.shape[1] == task.context
    np.testing.assert_allclose(task.paths(first[:, 0], given), first, atol=1e-10)


@pytest.mark.parametrize(
    ("task", "acceleration"),
    [
        (ControlledPendulum(), lambda x, v, u: -np.sin(x) - 0.1 * v + u * np.cos(x)),
        (ControlledDuffing(), lambda x, v, u: -0.5 * v + x - x**3 + u),
    ],
)
def test_a_sample_of_an_oscillator_is_the_flow_of_its_equation(task: DrivenTask, acceleration: object) -> None:
    assert callable(acceleration)
    x, u = np.array([[1.2, -0.7]]), np.array([[0.8]])
    solution = solve_ivp(lambda _, s: [s[1], acceleration(*s, 0.8)], (0, 0.1), x[0], rtol=1e-12, atol=1e-12)
    assert np.abs(task.advance(x, u)[0] - solution.y[:, -1]).max() < 1e-7


def test_actuators_are_blocks_on_a_circle() -> None:
    b = actuators(200, 8)
    assert b.shape == (200, 8)
    assert b.sum(axis=0).tolist() == [21] * 8
    assert np.flatnonzero(b[:, 0]).tolist() == [2 + k for k in range(21)]
    # The last one of two wide blocks on 20 points reaches over the end to neither side of its half.
    assert np.flatnonzero(actuators(20, 2)[:, 1]).tolist() == [14, 15, 16]


def test_convection_diffusion_reaction_is_the_transform_of_its_modes() -> None:
    task = ConvectionDiffusionReaction()
    x, u = np.random.default_rng(0).standard_normal((2, 200)), np.random.default_rng(1).uniform(-1, 1, (2, 8))
    k = 2 * np.pi * np.fft.fftfreq(200, 1 / 200)
    factors = np.exp((-0.1j * k - 0.002 * k**2 + 0.1) * 0.1)
    expected = ifft(factors * fft(x), axis=1).real + u @ actuators(200, 8).T
    assert np.abs(task.advance(x, u) - expected).max() < 1e-12
    assert np.abs(np.linalg.eigvals(task.matrix)).max() == pytest.approx(np.exp(0.01))


def test_waves_without_inputs_are_those_of_the_free_equation_and_the_mean_grows_with_them() -> None:
    task = TASKS["ks8"]
    assert isinstance(task, ActuatedKS)
    x = task.data(0)["test"][:, 0]
    free = KuramotoSivashinsky(22.0, 32, 0.1)(x, 0.5, 1)[:, 1]
    assert np.abs(task.advance(x, np.zeros((2, 4))) - free).max() < 1e-12
    # The mean of u_t = ... + B u: transport and dissipation conserve it.
    u = np.array([[1.0, 0.5, 0.0, -0.2], [0.3, 0.3, 0.3, 0.3]])
    gained = 0.5 * (actuators(32, 4) @ u.T).mean(axis=0)
    assert np.abs(task.advance(x, u).mean(axis=1) - x.mean(axis=1) - gained).max() < 1e-12
