"""Variants of sensing: that each is hard in the way that it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.runners.registry import resolve_task
from dynamark.runners.spec import parse
from dynamark.tasks.sensing.variants import (
    CoherentCompletion,
    CorrelatedSensing,
    FewMeasurements,
    IncrementalSensing,
    NoisySensing,
    PopulationSensing,
)


def test_the_population_operator_is_an_isometry() -> None:
    operator = PopulationSensing.at("tiny").problem(0).operator
    x = torch.randn(20, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x + x.T
    torch.testing.assert_close(operator.adjoint(operator.forward(x)), x, rtol=1e-14, atol=1e-14)


def test_a_correlated_operator_weighs_by_the_correlation_in_the_mean() -> None:
    """E A*A X = C X C, to the sampling error of a mean over operators."""
    task = CorrelatedSensing.at("tiny", rows=6, columns=6, measurements=3000)
    x = torch.randn(6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = x + x.T
    i, j = np.indices((6, 6))
    c = torch.from_numpy(0.7 ** np.abs(i - j))
    mean = torch.stack([(o := task.operator(s)).adjoint(o.forward(x)) for s in range(10)]).mean(0)
    expected = c @ x @ c
    assert (mean - expected).norm() < 0.05 * expected.norm()


def test_one_row_of_a_coherent_matrix_has_half_its_energy() -> None:
    task = CoherentCompletion.at("tiny")
    left, right = task.truth(1)
    energy = np.sum((left @ right.T) ** 2, axis=1)
    assert energy[0] / energy.sum() == pytest.approx(0.5, rel=1e-9)
    assert task.incoherence(1) > 10
    torch.testing.assert_close(task.problem(1).operator.forward(torch.from_numpy(left @ right.T)), task.problem(1).y)


def test_numbers_of_measurements_follow_the_degrees_of_freedom() -> None:
    assert len(FewMeasurements.at("tiny", oversampling=1.1).problem(0).y) == round(1.1 * 2 * 46)
    assert FewMeasurements.at("tiny", measurements=77).problem(0).y.shape == (77,)
    assert len(NoisySensing.at("tiny").problem(0).y) == 6 * 92


def test_noise_is_told_and_limits_the_oracle() -> None:
    task = NoisySensing.at("tiny")
    assert task.problem(0).noise == 0.1
    assert 0.01 < task.oracle(0) < 0.1
    expected = task.expected_error()
    assert expected is not None
    assert np.mean([task.oracle(s) ** 2 for s in range(12)]) == pytest.approx(expected**2, rel=0.2)
    left, right = task.truth(0)
    exact = task.score({"form": np.array(0.0), "factor.0": left, "factor.1": right}, 0).values
    assert exact["rel"] < 1e-14
    assert exact["loss"] == pytest.approx(0.1 / np.sqrt(2 + 0.01), rel=0.1)


def test_incremental_values_are_in_progression_and_the_rank_is_open() -> None:
    task = IncrementalSensing.at("tiny")
    np.testing.assert_allclose(task.spectrum(), [1, 0.55, 0.3025])
    assert (task.problem(0).rank, task.problem(0).rank_is_exact) == (20, False)


def test_the_ill_conditioned_task_spans_three_decades() -> None:
    task = resolve_task(parse("sensing/ill_conditioned"), "tiny")
    np.testing.assert_allclose(task.spectrum(), [1, 1e-3], rtol=1e-12)  # type: ignore[attr-defined]
