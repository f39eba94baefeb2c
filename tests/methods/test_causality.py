"""No model looks ahead: outputs at and after t never move a prediction before or at t. All methods of the catalog."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamark.methods.catalog import METHODS
from dynamark.runners.registry import load, resolve_method
from dynamark.runners.spec import parse
from dynamark.tasks.problems import Forecasting, Online, Prediction, Run, Trajectories

TIME, CHANNELS, DIM = 64, 2, 2
# By FFT a later value moves the rounding of an earlier one, in single precision.
ROUNDING = 1e-4
few = settings(max_examples=3, deadline=None, database=None)
cuts, seeds = st.integers(0, TIME - 1), st.integers(0, 1000)


def solving(*protocols: str) -> list[str]:
    """The methods of the catalog that have one of these."""
    classes = {name: load(parse(spec).name, "method") for name, spec in METHODS.items()}
    return [name for name, cls in classes.items() if any(hasattr(cls, p) for p in protocols)]


PREDICTING = solving("fit_predictor", "fit_predictors")
# Their kin that simulate inputs from rest: forecasters elsewhere see no inputs.
SIMULATING = [name for name in solving("fit_forecaster", "fit_forecasters") if name in PREDICTING]
LEARNING = solving("fit_learner", "fit_learners")


def paths(count: int, seed: int) -> Trajectories:
    """y_t = 0.8 y_{t-1} + u_t + noise, at irregular times."""
    draw = np.random.default_rng(seed)
    u, y = draw.standard_normal((2, count, TIME, DIM))
    for t in range(TIME):
        y[:, t] = (0.8 * y[:, t - 1] if t else 0) + u[:, t] + 0.3 * y[:, t]
    gaps = torch.from_numpy(draw.exponential(size=(count, TIME)))
    return Trajectories(torch.from_numpy(y), torch.from_numpy(u), gaps=gaps)


@functools.cache
def fitted(name: str, kind: type) -> Any:
    """A model after a few steps, so that no weight is still zero."""
    method, plural = resolve_method(parse(name)).build(), "fit_predictors" if kind is Prediction else "fit_forecasters"
    if kind is Forecasting:
        known, held_out = (replace(p, gaps=None) for p in (paths(12, 1), paths(4, 2)))
        problem: Any = Forecasting(known, held_out, context=0)
    else:
        problem = Prediction(paths(12, 1), paths(4, 2))
    if hasattr(method, plural):
        return getattr(method, plural)([problem], [Run((3,), budget=3)])[0]
    return getattr(method, plural[:-1])(problem, Run((3,), budget=3))


def spliced(first: torch.Tensor, second: torch.Tensor, cut: int) -> torch.Tensor:
    return torch.cat([first[:, :cut], 3 * second[:, cut:]], dim=1)


def moved(before: torch.Tensor, after: torch.Tensor) -> list[bool]:
    """At which times [trajectory, time, dim] differs by more than rounding."""
    return ((before - after).abs().amax(dim=(0, 2)) > ROUNDING * before.abs().max()).tolist()


@pytest.mark.parametrize("name", PREDICTING)
@given(cut=cuts, seed=seeds)
@few
def test_the_future_does_not_move_a_prediction(name: str, cut: int, seed: int) -> None:
    model, some, other = fitted(name, Prediction), paths(2, seed), paths(2, seed + 1)
    assert some.inputs is not None
    assert other.inputs is not None
    assert some.gaps is not None
    assert other.gaps is not None
    outputs = replace(some, observations=spliced(some.observations, other.observations, cut))
    before = model.predict(some)[0]
    # Output t is predicted from outputs before t, and from the input and the gap that belong to it.
    assert not any(moved(before, model.predict(outputs)[0])[: cut + 1])
    driven = replace(some, inputs=spliced(some.inputs, other.inputs, cut), gaps=spliced(some.gaps, other.gaps, cut))
    after = moved(before, model.predict(driven)[0])
    assert not any(after[:cut])
    if cut < TIME - 1:
        assert any(after[cut:]) or any(moved(before, model.predict(outputs)[0])[cut + 1 :]), "it sees nothing at all"


@pytest.mark.parametrize("name", SIMULATING)
@given(cut=cuts, seed=seeds)
@few
def test_later_inputs_do_not_move_a_simulation(name: str, cut: int, seed: int) -> None:
    model, some, other = fitted(name, Forecasting), paths(2, seed), paths(2, seed + 1)
    assert some.inputs is not None
    assert other.inputs is not None
    rest = Trajectories(some.observations[:, :0], some.inputs[:, :0])
    before = model.forecast(rest, TIME, some.inputs)
    after = moved(before, model.forecast(rest, TIME, spliced(some.inputs, other.inputs, cut)))
    assert not any(after[:cut])
    assert after[cut]


@pytest.mark.parametrize("name", LEARNING)
@given(cut=cuts, seed=seeds)
@few
def test_the_future_and_the_neighbors_do_not_move_a_learner(name: str, cut: int, seed: int) -> None:
    some, other = paths(2, seed), paths(2, seed + 1)
    assert some.inputs is not None
    assert other.inputs is not None
    # The first sequence gets another future, the second is another from the start.
    outputs, inputs = (
        torch.cat([spliced(a[:1], b[:1], cut), b[1:]])
        for a, b in ((some.observations, other.observations), (some.inputs, other.inputs))
    )
    before = learned(name, some.inputs, some.observations)
    after = moved(before[:1], learned(name, inputs, outputs)[:1])
    assert not any(after[:cut])
    assert cut < 2 or any(after[cut:]), "it sees nothing at all"


def learned(name: str, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """The predictions of a learner, each before its output is revealed."""
    learner = resolve_method(parse(name)).build().fit_learner(Online(CHANNELS, DIM, TIME), Run((3,)))
    answers = []
    for t in range(TIME):
        answers.append(learner.predict(inputs[:, t]))
        learner.update(outputs[:, t])
    return torch.stack(answers, dim=1)


def test_all_kinds_of_sequence_models_are_among_them() -> None:
    assert {"mamba", "cfc", "ltc", "lstm", "s4", "s4_ptd", "gru_low_rank", "prophecy", "n4sid", "extrapolation"} <= set(
        PREDICTING
    )
    assert {"vaw", "rls", "ogd", "usp"} <= set(LEARNING)
