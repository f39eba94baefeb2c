"""Structured and sparse instances, and the linear network: measured as they say, and nothing large is formed."""

from __future__ import annotations

import resource

import numpy as np
import pytest
import torch

from dynamark.errors import UserError
from dynamark.runners.execute import wire
from dynamark.tasks.sensing.sparse import SparseCompletion
from dynamark.tasks.sensing.structured import DeepLinear, StructuredPositive, StructuredSensing
from dynamark.tasks.sensing.tasks import LowRankRecovery

TASKS: list[type[LowRankRecovery]] = [StructuredSensing, StructuredPositive, SparseCompletion, DeepLinear]


@pytest.mark.parametrize("cls", TASKS)
def test_measurements_are_those_of_the_truth(cls: type[LowRankRecovery], tmp_path: object) -> None:
    task = cls.at("tiny")
    problem = task.problem(1)
    left, right = (torch.from_numpy(np.array(part)) for part in task.truth(1))
    torch.testing.assert_close(problem.operator.forward(left @ right.T), problem.y, rtol=1e-12, atol=1e-12)
    values = torch.linalg.svdvals(left @ right.T)[: task.rank]
    np.testing.assert_allclose(values, task.spectrum(), rtol=1e-12)
    exact = task.score({"form": np.array(0.0), "factor.0": left.numpy(), "factor.1": right.numpy()}, 1).values
    assert max(exact[name] for name in ("rel", "relr", "loss", "spectral")) < 1e-14
    wire.write(tmp_path / "problem", problem)  # type: ignore[operator]
    there = wire.read(tmp_path / "problem")  # type: ignore[operator]
    assert torch.equal(there.operator.forward(left @ right.T), problem.operator.forward(left @ right.T))


@pytest.mark.parametrize("cls", [StructuredSensing, StructuredPositive, SparseCompletion])
def test_the_operator_is_an_isometry_in_the_mean(cls: type[LowRankRecovery]) -> None:
    task = cls.at("tiny")
    squares = [float(task.problem(s).y.square().sum() / np.sum(task.spectrum() ** 2)) for s in range(12)]
    assert np.mean(squares) == pytest.approx(1, abs=0.1)


def test_exactly_so_many_distinct_entries_are_seen() -> None:
    task = SparseCompletion.at("tiny")
    operator = task.operator(0)
    places = operator.row * 700 + operator.column
    assert len(places) == (8 * 2 * (1400 - 2)) == len(set(places.tolist()))
    assert torch.equal(places, places.sort()[0])
    with pytest.raises(UserError, match="sensing/completion"):
        SparseCompletion.at("tiny", noise=0.1)


def test_the_large_tier_never_holds_a_whole_matrix() -> None:
    """4,000 x 4,000 numbers would take 128 MB; posing and scoring stay below, in about half a second."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    task = SparseCompletion.at("large")
    problem = task.problem(0)
    left, right = task.truth(0)
    assert task.score({"form": np.array(0.0), "factor.0": left, "factor.1": right}, 0).values["rel"] < 1e-14
    assert problem.y.shape == (319_600,)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128_000


def test_the_large_operators_are_two_vectors() -> None:
    operator = StructuredSensing.at("large").operator(0)
    assert isinstance(operator.signs, torch.Tensor)
    assert operator.signs.numel() + operator.places.numel() == 300 * 200 + 15_000


def test_curves_tell_singular_values_and_the_rank_that_was_learned() -> None:
    task = StructuredSensing.at("tiny")
    left, right = task.truth(0)
    solution = {"form": np.array(0.0), "factor.0": left, "factor.1": right}
    solution |= {
        "snapshot.0.0": left[:, :1] * [1, 0],
        "snapshot.0.1": right,
        "snapshot.5.0": left,
        "snapshot.5.1": right,
    }
    curves = {curve.name: curve for curve in task.score(solution, 0).curves}
    np.testing.assert_allclose(curves["singular_values"].values, curves["singular_values_true"].values, rtol=1e-12)
    np.testing.assert_allclose(curves["singular_values_true"].values, task.spectrum(), rtol=1e-12)
    assert curves["effective_rank_by_steps"].values.tolist() == [1, 2]
    assert "singular_values" not in {curve.name for curve in task.score(solution, 1).curves}
