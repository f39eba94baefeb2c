"""Preconditioning: its polynomial, its identity at degree 0, and its gain on real poles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.methods.online.learners import VAW
from dynamark.methods.online.preconditioning import Preconditioned
from dynamark.tasks.numerics.polynomials import monic_chebyshev
from dynamark.tasks.problems import Learner, Online, Run

TIME = 400


def stream(learner: Learner, u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    answers = []
    for t in range(u.shape[1]):
        answers.append(learner.predict(u[:, t]))
        learner.update(y[:, t])
    return torch.stack(answers, dim=1)


def sequence() -> tuple[torch.Tensor, torch.Tensor]:
    """Poles 0.999 and -0.99."""
    u = np.random.default_rng(0).standard_normal((1, TIME, 1))
    x, y = np.zeros(2), np.zeros((1, TIME, 1))
    for t in range(TIME):
        x = np.array([0.999, -0.99]) * x + u[0, t, 0]
        y[0, t, 0] = x.sum()
    return torch.from_numpy(u), torch.from_numpy(y)


@pytest.mark.parametrize("degree", [0, 1, 2, 5, 12])
def test_the_polynomial_is_monic_and_small(degree: int) -> None:
    c = monic_chebyshev(degree)
    assert c[0] == 1
    assert np.abs(np.polyval(c, np.linspace(-1, 1, 4001))).max() == pytest.approx(2.0 ** min(0, 1 - degree), rel=1e-9)
    if degree == 2:
        np.testing.assert_allclose(c, [1, 0, -0.5])  # not the second difference


def test_degree_zero_is_the_inner_learner() -> None:
    u, y = sequence()
    problem = Online(1, 1, TIME)
    plain = stream(VAW("fir", order=5).fit_learner(problem, Run()), u, y)
    assert torch.equal(stream(Preconditioned(order=5, degree=0).fit_learner(problem, Run()), u, y), plain)


def test_it_predicts_the_differenced_output_and_puts_the_past_back() -> None:
    u, y = sequence()
    c = monic_chebyshev(3)
    differenced = torch.from_numpy(np.convolve(y[0, :, 0], c)[:TIME].copy())[None, :, None]
    problem = Online(1, 1, TIME)
    inner = stream(VAW("fir", order=5).fit_learner(problem, Run()), u, differenced)
    expected = inner - (differenced - y)
    got = stream(Preconditioned(order=5, degree=3).fit_learner(problem, Run()), u, y)
    np.testing.assert_allclose(got, expected, atol=1e-8)


def test_real_poles_near_one_are_met_where_taps_alone_fail() -> None:
    u, y = sequence()
    errors = []
    for degree in (0, 6):
        answers = stream(Preconditioned(degree=degree).fit_learner(Online(1, 1, TIME), Run()), u, y)
        errors.append(float((answers - y)[:, TIME // 2 :].square().mean() / y[:, TIME // 2 :].square().mean()))
    assert errors[0] > 0.3
    assert errors[1] < 0.02 * errors[0]
