"""What a task states of its system holds at other values of its fields too, or the task refuses them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dynamark.errors import UserError
from dynamark.tasks.koopman.deterministic import Duffing, SlowManifold
from dynamark.tasks.koopman.fields import KuramotoSivashinsky
from dynamark.tasks.koopman.flows import FlowTask
from dynamark.tasks.koopman.maps import TorusMap
from dynamark.tasks.koopman.waves import LARGEST_EXPONENTS, KuramotoSivashinskyField, Wake


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (SlowManifold, {"mu": -0.2, "lam": -0.7, "dt": 0.3}),
        (Wake, {"dt": 0.3}),
        (TorusMap, {"dt": 2.0}),
        (TorusMap, {"dt": 0.5, "skew": True}),
    ],
)
def test_eigenfunctions_move_by_their_eigenvalues_at_other_fields(kind: type[FlowTask], fields: dict[str, Any]) -> None:
    task = kind.at("tiny", name="koopman/other", **fields)
    assert isinstance(task, FlowTask)
    assert task.spectrum is not None
    start = task.starts(np.random.default_rng(0), 40)
    now, later = (task.eigenfunctions(x) for x in np.moveaxis(task.flow(start, task.dt, 1), 1, 0))
    assert now is not None
    assert later is not None
    np.testing.assert_allclose(later, now * task.spectrum[1], atol=1e-9)


@pytest.mark.parametrize("damping", [0.5, 2.0, 3.5])
def test_rates_of_the_duffing_wells_are_those_of_the_linearization(damping: float) -> None:
    """x'' = -d x' - 2 (x - 1): complex below d = 2 sqrt 2, real above."""
    task = Duffing(damping=damping)
    assert task.spectrum is not None
    rates = np.linalg.eigvals(np.array([[0.0, 1.0], [-2.0, -damping]]))
    expected = np.sort_complex(np.append(np.exp(rates * task.dt), 1.0))
    np.testing.assert_allclose(np.sort_complex(task.spectrum[1]), expected, rtol=1e-12)


@pytest.mark.parametrize(("length", "points", "count", "blocks"), [(22.0, 64, 48, 60), (100.0, 256, 16, 40)])
def test_the_lyapunov_time_of_waves_belongs_to_their_length(
    length: float, points: int, count: int, blocks: int
) -> None:
    """Pairs of solutions 1e-6 apart, put back every 5 units of time."""
    equation, rng, size, block = KuramotoSivashinsky(length, points), np.random.default_rng(0), 1e-6, 5.0
    base = equation.starts(rng, count, discard=200.0)
    apart = rng.standard_normal(base.shape)
    apart -= apart.mean(axis=1, keepdims=True)  # the mean is conserved
    state = np.concatenate([base, base + size * apart / np.linalg.norm(apart, axis=1, keepdims=True)])
    total, settling = np.zeros(count), 15
    for n in range(settling + blocks):
        state = equation(state, block, 1)[:, -1]
        gap = state[count:] - state[:count]
        distance = np.linalg.norm(gap, axis=1, keepdims=True)
        state[count:] = state[:count] + gap * (size / distance)
        if n >= settling:
            total += np.log(distance[:, 0] / size)
    rates = total / (blocks * block)
    rate, error = rates.mean(), rates.std() / np.sqrt(count)
    assert error < 0.045 * rate
    assert abs(rate - LARGEST_EXPONENTS[length]) < 0.02 * rate + 2 * error
    assert KuramotoSivashinskyField(length=length, points=points).clock == 1 / LARGEST_EXPONENTS[length]


def test_the_primary_score_of_waves_averages_over_one_lyapunov_time() -> None:
    for tier in KuramotoSivashinskyField.tiers:
        task = KuramotoSivashinskyField.at(tier)
        assert isinstance(task, KuramotoSivashinskyField)
        assert task.primary_horizon * task.dt == pytest.approx(task.clock, rel=0.12)


def test_waves_of_another_length_are_refused() -> None:
    with pytest.raises(UserError, match=r"length=30 is not known; use one of 22, 100"):
        KuramotoSivashinskyField(length=30.0)
