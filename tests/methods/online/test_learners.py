"""Online learners against their definitions in dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.errors import UserError
from dynamark.methods.online.learners import OGD, RLS, VAW
from dynamark.tasks.problems import Online, Run

TIME = 60


def sequences() -> tuple[torch.Tensor, torch.Tensor]:
    draw = np.random.default_rng(0)
    u = draw.standard_normal((2, TIME, 1))
    y = np.zeros((2, TIME, 2))
    for t in range(1, TIME):
        y[:, t] = 0.8 * y[:, t - 1] + u[:, t] * [1, -0.5]
    return torch.from_numpy(u), torch.from_numpy(y + 0.1 * draw.standard_normal(y.shape))


def stream(method: VAW | RLS | OGD) -> torch.Tensor:
    u, y = sequences()
    learner = method.fit_learner(Online(1, 2, TIME), Run())
    answers = []
    for t in range(TIME):
        answers.append(learner.predict(u[:, t]))
        learner.update(y[:, t])
    return torch.stack(answers, dim=1)


def features(order: int) -> np.ndarray:
    u, y = sequences()
    z = np.zeros((2, TIME, order + 1 + 2 * order))
    for t in range(TIME):
        for i in range(min(order, t) + 1):
            z[:, t, i] = u[:, t - i, 0]
        for j in range(1, min(order, t) + 1):
            z[:, t, order + 1 + np.arange(2) * order + j - 1] = y[:, t - j]
    return z


@pytest.mark.parametrize("penalty", [1e-6, 1.0])
@pytest.mark.parametrize("forward", [True, False])
def test_square_root_updates_equal_dense_solves(penalty: float, forward: bool) -> None:
    method = VAW(order=2, penalty=penalty) if forward else RLS(order=2, penalty=penalty)
    got, z, y = stream(method), features(2), sequences()[1].numpy()
    for n in range(2):
        a, b = penalty * np.eye(z.shape[2]), np.zeros((z.shape[2], 2))
        for t in range(TIME):
            now = a + np.outer(z[n, t], z[n, t])
            expected = z[n, t] @ np.linalg.solve(now if forward else a, b)
            np.testing.assert_allclose(got[n, t], expected, rtol=1e-5, atol=1e-6)
            a, b = now, b + np.outer(z[n, t], y[n, t])


def test_forgetting_weights_the_past_geometrically() -> None:
    got, z, y = stream(RLS(order=1, penalty=1e-3, forgetting=0.9)), features(1), sequences()[1].numpy()
    t = TIME - 1
    weight = 0.9 ** np.arange(t - 1, -1, -1.0)
    a = (z[0, :t] * weight[:, None]).T @ z[0, :t] + 1e-3 * 0.9**t * np.eye(4)
    expected = z[0, t] @ np.linalg.solve(a, (z[0, :t] * weight[:, None]).T @ y[0, :t])
    np.testing.assert_allclose(got[0, t], expected, rtol=1e-8)


def test_forgetting_pauses_without_excitation() -> None:
    learner = RLS(order=1, penalty=1.0, forgetting=0.5, cap=100.0).fit_learner(Online(1, 1, 101), Run())
    for _ in range(100):
        learner.predict(torch.zeros(1, 1, dtype=torch.float64))
        learner.update(torch.zeros(1, 1, dtype=torch.float64))
    assert torch.isfinite(learner.predict(torch.ones(1, 1, dtype=torch.float64))).all()
    assert learner._root.abs().max() > 0.01


@pytest.mark.parametrize("adaptive", [True, False])
def test_gradient_descent_is_its_recursion(adaptive: bool) -> None:
    got, z, y = stream(OGD(order=1, rate=0.05, adaptive=adaptive)), features(1), sequences()[1].numpy()
    w, total, largest = np.zeros((4, 2)), np.zeros((4, 2)), 0.0
    for t in range(TIME):
        np.testing.assert_allclose(got[0, t], z[0, t] @ w, atol=1e-12)
        g = 2 * np.outer(z[0, t], z[0, t] @ w - y[0, t])
        total += g**2 if adaptive else 1
        largest = max(largest, float(z[0, t] @ z[0, t]))
        g = g if adaptive else g / (largest or 1.0)
        w -= 0.05 * np.divide(g, np.sqrt(total), out=np.zeros_like(g), where=total > 0)


@pytest.mark.parametrize("name", ["spectral", "spectral_both", "spectral_arx", "poles"])
def test_every_feature_map_learns(name: str) -> None:
    # VAW shrinks toward zero by the leverage of each step, so only the late part is compared.
    got, y = stream(RLS(features=name, filters=5, penalty=1e-2)), sequences()[1]
    late = slice(TIME // 2, None)
    assert (got - y)[:, late].square().mean() < 0.35 * y[:, late].square().mean()


def test_sequences_do_not_mix() -> None:
    u, y = sequences()
    both = stream(VAW(order=2))
    learner = VAW(order=2).fit_learner(Online(1, 2, TIME), Run())
    for t in range(TIME):
        np.testing.assert_allclose(learner.predict(u[1:, t])[0], both[1, t], atol=1e-12)
        learner.update(y[1:, t])


def test_an_unknown_feature_map_is_named() -> None:
    with pytest.raises(UserError, match="feature map"):
        VAW(features="nonsense").fit_learner(Online(1, 1, 4), Run())
