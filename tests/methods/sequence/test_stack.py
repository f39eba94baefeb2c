"""Trained sequence models: they learn, do not look ahead, continue by themselves, and do not depend on neighbors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sequence_problems import blind_and_sighted, error, paths, simulators, typical_error

from dynamark.methods.sequence.convolutional import LRU, S4D, STU
from dynamark.methods.sequence.gru import GRU
from dynamark.methods.sequence.stack import SequenceMethod
from dynamark.tasks.problems import Prediction, Run, Trajectories

# Outputs of size 3 by FFTs of 64 samples in single precision: 3 eps log2(64) is 2e-6.
SINGLE = 1e-5

METHODS: list[SequenceMethod] = [
    S4D(modes=4, banks=2, steps=150, rate=3e-2, steps_range=(0.02, 0.2)),
    LRU(states=8, steps=150, rate=3e-2),
    STU(filters=8, steps=150),
    GRU(units=8, steps=150, rate=2e-2),
    STU(filters=8, steps=150, rate=0.1, depth=2, width=4, activation="gelu"),
]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_training_from_rest_finds_the_system(method: SequenceMethod) -> None:
    """Medians of twelve seeds: .022 of the GRU, .09 of the deep stack, at most .006 of the others."""
    assert typical_error(method) < (0.05 if method.depth == 1 else 0.3)


def test_one_step_models_use_past_outputs_and_roll_on() -> None:
    method = STU(filters=4, steps=200)
    problem = Prediction(paths(16, 0), paths(4, 1))
    model = method.fit_predictors([problem, problem], [Run((0,)), Run((1,))])[0]
    test = paths(3, 2)
    assert test.inputs is not None
    ahead = model.predict(test, (1, 4))
    assert ahead.shape == (2, 3, 32, 1)
    assert error(ahead[0], test.observations) < 1e-3
    context = Trajectories(test.observations[:, :20], test.inputs[:, :20])
    rolled = model.forecast(context, 4, test.inputs[:, 20:24])
    np.testing.assert_allclose(rolled[:, 3], ahead[1, :, 20], atol=SINGLE)
    # Its own predictions go in: outputs beyond the context change nothing.
    changed = replace(test, observations=torch.cat([test.observations[:, :20], test.observations[:, 20:] + 1], dim=1))
    np.testing.assert_allclose(model.predict(changed, (4,))[0, :, 20], rolled[:, 3], atol=SINGLE)


def test_members_have_the_same_bits_whatever_their_neighbors() -> None:
    for method in (replace(m, steps=5) for m in METHODS):
        three, two = simulators(method, 3), simulators(method, 2)
        for a, b in zip(three, two, strict=False):
            for p, q in zip(a.network.parameters(), b.network.parameters(), strict=True):
                assert torch.equal(p, q), method


def test_an_output_is_added_and_rolled_on() -> None:
    """y_t - y_{t-1} = u_t / 2 - 0.1 y_{t-1} is still a response to inputs alone; forecasts add their own outputs."""
    method = STU(filters=8, steps=300, difference=1)
    problem = Prediction(paths(16, 0), paths(4, 1))
    model = method.fit_predictors([problem, problem], [Run((0,)), Run((1,))])[0]
    test = paths(3, 2)
    assert test.inputs is not None
    ahead = model.predict(test, (1, 3))
    assert error(ahead[0], test.observations) < 1e-3
    context = Trajectories(test.observations[:, :20], test.inputs[:, :20])
    rolled = model.forecast(context, 3, test.inputs[:, 20:23])
    np.testing.assert_allclose(rolled[:, 0], ahead[0, :, 20], atol=SINGLE)
    np.testing.assert_allclose(rolled[:, 2], ahead[1, :, 20], atol=SINGLE)
    network = model.network(test.inputs.float()).detach()
    np.testing.assert_allclose(rolled[:, 1], rolled[:, 0] + network[:, 21], atol=SINGLE)


def test_gaps_are_seen_unless_blind() -> None:
    blind, sighted = blind_and_sighted(GRU(units=8, steps=200, rate=4e-2, batch=16))
    assert np.mean(sighted) < 0.5
    assert min(blind) > 0.9


def test_parameters_are_counted() -> None:
    (model, _) = simulators(STU(filters=8, taps=3, steps=1))
    assert model.parameter_count() == 16 + 3
