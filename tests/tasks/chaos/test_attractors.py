"""One attractor an instance: every orbit of the shipped data, every place that free runs start from; and its exponents."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.chaos import systems
from dynamark.tasks.chaos.instances import BurstingNeuron, Chua
from dynamark.tasks.chaos.metrics import StateSpace
from dynamark.tasks.chaos.systems import System, orbits, settle
from dynamark.tasks.chaos.tasks import Reconstruction


def largest_exponent(system: System, count: int, samples: int, settling: int) -> tuple[float, float]:
    """The mean rate at which pairs of orbits 1e-7 apart separate, put back after each sample; and its standard error.

    It uses the sampler alone: neither Jacobians nor the implementation of `numerics.lyapunov`.
    """
    rng, size = np.random.default_rng(7), 1e-7
    starts = settle(system, system.starts(4 * count, rng))
    base = starts[0][:, starts[1]][:, :count]
    apart = rng.standard_normal(base.shape)
    state = np.concatenate([base, base + size * apart / np.linalg.norm(apart, axis=0)], axis=1)
    sample, total = system.bind(state), np.zeros(base.shape[1])
    for t in range(settling + samples):
        sample()
        gap = state[:, count:] - state[:, :count]
        length = np.linalg.norm(gap, axis=0)
        state[:, count:] = state[:, :count] + gap * (size / length)
        if t >= settling:
            total += np.log(length / size)
    rates = total / (samples * system.dt)
    return float(rates.mean()), float(rates.std() / np.sqrt(len(rates)))


@pytest.mark.parametrize(
    ("name", "count", "samples", "settling"),
    [
        ("LORENZ63", 600, 4000, 1000),
        ("ROSSLER", 400, 4000, 1700),
        ("LORENZ96_10", 800, 3000, 300),
        ("LORENZ96_20", 600, 2500, 300),
        ("CHUA", 800, 1500, 600),
        ("MACKEY_GLASS", 300, 2500, 1800),
    ],
)
def test_the_largest_exponent_is_the_stated_one(name: str, count: int, samples: int, settling: int) -> None:
    system: System = getattr(systems, name)
    rate, error = largest_exponent(system, count, samples, settling)
    assert error < 0.0125 * rate
    # 1 % for the constant, and twice the error of this run.
    assert abs(rate - system.lyapunov[0]) < 0.01 * rate + 2 * error


def test_every_system_has_its_exponent_measured() -> None:
    """A new system joins the list above, or is a cycle, whose exponent is 0 and whose period is measured instead."""
    chaotic = {name for name, value in vars(systems).items() if isinstance(value, System) and value.period is None}
    (mark,) = test_the_largest_exponent_is_the_stated_one.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == chaotic


def test_the_period_of_the_neuron_is_the_stated_one() -> None:
    """Crossings of -60 mV downwards, one a period."""
    path = orbits(systems.BURSTING, {"a": (1, 3000)}, np.random.default_rng(0))["a"][0, :, 0]
    down = np.flatnonzero((path[:-1] > -60) & (path[1:] <= -60))
    times = down + (path[down] + 60) / (path[down] - path[down + 1])
    assert len(times) >= 9
    assert np.diff(times).mean() * 0.5 == pytest.approx(148.1, abs=0.05)
    assert np.diff(times).std() * 0.5 < 0.01


def test_starts_of_the_neuron_have_two_basins_of_which_one_is_taken() -> None:
    """What `settle` decides after 448 ms is where an orbit is after 2 s: bursts to -67 mV, or spikes above -53 mV."""
    system = systems.BURSTING
    state, bursting = settle(system, system.starts(80, np.random.default_rng(3)))
    assert 20 < bursting.sum() < 60
    sample = system.bind(state)
    for _ in range(3000):
        sample()
    low = np.full(80, np.inf)
    for _ in range(300):
        sample()
        np.minimum(low, state[0], out=low)
    np.testing.assert_allclose(low[bursting], -67.15, atol=0.01)
    np.testing.assert_allclose(low[~bursting], -52.70, atol=0.01)


@pytest.mark.parametrize(("kind", "length"), [(Chua, 3000), (BurstingNeuron, 700)])
def test_the_truth_ends_on_its_attractor_from_every_place(kind: type[Reconstruction], length: int) -> None:
    """A perfect model scores `basin` = 0, although the box of the data reaches into the other basin, or beyond."""
    system = kind.system
    assert system.confined
    path = orbits(system, {"a": (1, 2 * length)}, np.random.default_rng(0))["a"][0]
    space, rng = StateSpace(path), np.random.default_rng(1)
    box = rng.uniform(path.min(axis=0), path.max(axis=0), (60, 3)).T.copy()
    state, belongs = settle(system, box)
    assert 5 < belongs.sum() < 55
    sample, ends = system.bind(state), np.empty((length, 3, 60))
    with np.errstate(over="ignore", invalid="ignore"):
        for place in ends:
            sample()
            place[:] = state
    away = np.array([space.divergence(ends[..., i]) > 5 for i in range(60)])
    assert np.array_equal(away, ~belongs)
    small = kind.at("tiny", name=f"chaos/{kind.__name__}", train=1000, test=1000, windows=2)
    query = small.problem(0).query
    assert query is not None
    assert np.array_equal(query.rollouts["places"].context.observations[:, 0].numpy(), small.data(0)["places"])
