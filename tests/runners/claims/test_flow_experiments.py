"""Token flows and linear networks against closed forms; broken twins of L32 and C37."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate

from dynamark.runners.claims.lds import experiments_richness, experiments_tokens
from dynamark.runners.claims.lds.experiments_richness import RichLazyLinear, low_rank_start, tangent_kernel
from dynamark.runners.claims.lds.experiments_tokens import TokenFlow, velocity
from dynamark.tasks.problems import Run


def test_the_velocity_is_the_double_sum() -> None:
    x = np.random.default_rng(0).standard_normal(5)
    steps = np.log1p(np.exp(-0.7 * x))
    total = np.cumsum(steps)
    for k, value in enumerate(velocity(x, -2.0, -0.7)):
        sums = sum(math.exp(-(total[k] - total[j])) * steps[j] * x[j] ** 2 for j in range(k + 1))
        assert value == pytest.approx(-2.0 * x[k] * sums)


def test_a_token_follows_its_closed_forms() -> None:
    """x' = -ln 2 x^3 (slope 0): x = x_0 / sqrt(1 + 2 ln 2 x_0^2 t). x' = x^3 softplus(x) blows up after the integral of dx/x'."""
    x, t = np.array([0.8]), 0.0
    flow = TokenFlow(mu=-1.0, slope=0.0, tokens=1)
    for _ in range(200):
        x = flow._in_log_time(x, t, 0.04)
        t = math.expm1(math.log1p(t) + 0.04)
    assert x[0] == pytest.approx(0.8 / math.sqrt(1 + 2 * math.log(2) * 0.64 * t), rel=1e-6)
    time = TokenFlow(mu=1.0, slope=1.0, tokens=1, step=0.05)._blow_up(np.array([0.8]))
    expected = scipy.integrate.quad(lambda u: math.exp(-2 * u) / math.log1p(math.exp(math.exp(u))), math.log(0.8), 6)[0]
    assert time == pytest.approx(expected, rel=1e-4)


def test_l32_fails_with_steps_that_do_not_depend_on_the_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: softplus of |slope| x. Where steps should shrink, the token blows up."""
    growing = TokenFlow(mu=1.0, slope=-1.0, tokens=2, step=0.1)
    assert growing.measure(Run((0,))).values["slope_3_high"] < 0.15
    right = velocity
    monkeypatch.setattr(experiments_tokens, "velocity", lambda x, mu, slope, power: right(x, mu, abs(slope), power))
    with np.errstate(all="ignore"):
        assert not growing.measure(Run((0,))).values["slope_3_high"] < 0.15


def test_the_start_has_its_rank_and_norm() -> None:
    start = low_rank_start(np.random.default_rng(0).standard_normal((16, 16)), 4, 2.0)
    assert np.linalg.matrix_rank(start) == 4
    assert np.linalg.norm(start) == pytest.approx(2.0)


def test_the_kernel_is_the_product_of_gradients() -> None:
    rng = np.random.default_rng(1)
    w, v, x, y = rng.standard_normal((3, 3)), *rng.standard_normal((3, 3))
    gradients = [np.concatenate([np.outer(v, z).ravel(), w @ z]) for z in (x, y)]
    assert gradients[0] @ gradients[1] == pytest.approx(x @ tangent_kernel(w, v) @ y)


def test_c37_fails_with_a_kernel_without_its_second_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: the kernel of the output weights alone, whose alignment does not rise from rank 1 to full rank."""
    few = RichLazyLinear(ranks=(1, 16), step=0.05)
    values = few.measure(Run((0,))).values
    assert values["alignment_1"] < values["alignment_16"] < values["alignment_target"]
    assert values["invariant"] < 2e-2
    monkeypatch.setattr(experiments_richness, "tangent_kernel", lambda w, v: w @ w.T)
    broken = few.measure(Run((0,))).values
    assert broken["alignment_target"] > 0
    assert broken["alignment_1"] > broken["alignment_16"]
