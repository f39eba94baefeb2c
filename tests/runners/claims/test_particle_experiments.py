"""Switching particles (X31), small; broken twins must not pass for the claim."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dynamark.methods.recurrent.planes import affine
from dynamark.runners.claims.chaos import experiments_mode_filter as particles
from dynamark.runners.claims.chaos.experiments_mode_filter import MAPS, ModeFilter, meetings, simulated
from dynamark.runners.claims.chaos.experiments_particles import SwitchingParticles
from dynamark.runners.claims.chaos.switching import X31
from dynamark.tasks.problems import Run


def test_a_meeting_is_the_first_time_of_being_near() -> None:
    x = np.zeros((1, 4, 3, 2))
    x[0, :, 1, 0] = [1.0, 0.1, 0.2, 1.0]
    x[0, :, 2, 0] = [9.0, 9.0, 9.0, 9.0]
    met = meetings(x, 0.25)
    assert met.shape == (1, 3, 3, 3)
    assert np.argwhere(met[0]).tolist() == [[1, 0, 1], [1, 1, 0]]


def test_particles_that_meet_swap_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(particles, "REDRAW", 0.0)
    data = simulated(50, 60, True, np.random.default_rng(0))
    met = meetings(data.x, particles.RADIUS)[:, 1:]
    before, after = data.mode[:, :-1], data.mode[:, 1:]
    partner = np.take_along_axis(before, met.argmax(axis=3), axis=2)
    np.testing.assert_array_equal(after, np.where(met.any(axis=3), partner, before))
    assert met.sum() > 20
    apart = simulated(50, 60, False, np.random.default_rng(0)).mode
    assert (apart == apart[:, :1]).all()


def test_the_filter_of_one_particle_is_that_of_a_hidden_markov_model() -> None:
    """Against the sum over all sequences of modes."""
    x = simulated(1, 4, False, np.random.default_rng(1)).x
    model = ModeFilter(MAPS, redraw=0.3)
    filtered = model.run(x).filtered
    for particle in range(3):
        path = x[0, :, particle]
        joint = np.zeros(3)
        for modes in itertools.product(range(3), repeat=4):
            weight = 1 / 3
            for t, q in enumerate(modes):
                if t:
                    weight *= 0.7 * (q == modes[t - 1]) + 0.3 / 3
                squared = np.square(path[t + 1] - affine(path[t]) @ MAPS[q]).sum()
                weight *= 0.96 * np.exp(-squared / 2e-4) / (2 * np.pi * 1e-4) + 0.04 / 1.6**2
            joint[modes[-1]] += weight
        np.testing.assert_allclose(filtered[0, -1, particle], joint / joint.sum(), rtol=1e-9)


def test_probabilities_of_redraws_and_of_taking_over_are_learned() -> None:
    data = simulated(150, 99, True, np.random.default_rng(2))
    model = ModeFilter(MAPS, redraw=0.3, omega=0.5).learned(data.x)
    assert model.redraw == pytest.approx(0.02, abs=0.006)
    assert model.omega > 0.9


def test_x31_holds_with_and_without_interaction() -> None:
    values = SwitchingParticles(train=100).measure(Run([0])).values
    assert values["ratio"] < 0.7
    assert values["switch_accuracy"] > 0.4
    assert values["plain_switch_accuracy"] < 0.1
    assert values["loss"] < 1.1 * values["true_loss"]
    apart = SwitchingParticles(interacting=False, train=100).measure(Run([0])).values
    assert 0.9 < apart["ratio"] < 1.1
    assert apart["omega"] < 0.1
    assert len(X31.checks) == 4


def test_x31_a_fixed_probability_of_taking_over_is_found() -> None:
    """Broken twins: it hurts where nothing is taken over; and where it is 0 there is nothing to gain."""
    apart = SwitchingParticles(interacting=False, fixed_omega=0.95, train=100).measure(Run([0])).values
    assert apart["ratio"] > 1.1
    assert apart["omega"] > 0.1
    never = SwitchingParticles(fixed_omega=0.0, train=100).measure(Run([0])).values
    assert never["ratio"] > 0.7
    assert never["switch_accuracy"] < 0.4
