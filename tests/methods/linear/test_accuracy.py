"""How exact spectral filtering is on its home ground, at full length: bars that were set before anything was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dynamark.methods.linear.regression import SpectralARX, SpectralFiltering
from dynamark.runners.claims.lds.experiments_filters import PopulationError
from dynamark.runners.execute.answers import ask
from dynamark.tasks.base import Task
from dynamark.tasks.lds.onestep import OneStep
from dynamark.tasks.lds.simulation import Simulation
from dynamark.tasks.problems import Run

# Seventeen filters and three taps are twenty features.
BARS = {17: 1e-5, 25: 1e-9}


@pytest.mark.parametrize("states", [10, 100, 1000])
def test_the_expected_error_does_not_know_the_number_of_states(states: int) -> None:
    experiment = PopulationError(order=states, filters=tuple(BARS))
    errors = [experiment.measure(Run((0, seed))).values for seed in range(7)]
    for filters, bar in BARS.items():
        assert np.median([e[f"error_{filters}"] for e in errors]) < bar


@pytest.mark.parametrize(("filters", "bar"), BARS.items())
def test_a_regression_on_data_is_as_exact(filters: int, bar: float) -> None:
    task = Simulation(name="lds/sym_pos", train=16, validation=4, test=8)
    method = SpectralFiltering(filters, both_signs=False)
    assert np.median([_score(task, method.fit_forecaster, seed)["nmse"] for seed in range(5)]) < bar


def test_filtering_inputs_and_outputs_is_within_half_a_percent_of_the_kalman_filter() -> None:
    """A hundred states, noise of the process and of the measurement; the bar is a share of the innovation variance."""
    scores = _score(OneStep(name="lds/sym_pos_noisy", noise="nw+nv", order=100), SpectralARX().fit_predictor, 0)
    assert scores["excess"] < 0.005
    assert scores["mse_ratio"] < 1.005


def _score(task: Task, fit: Any, seed: int) -> Any:
    """The scores of a closed-form method on an instance."""
    problem: Any = task.problem(seed)
    return task.score(ask(fit(problem, Run()), problem, Run()), seed).values
