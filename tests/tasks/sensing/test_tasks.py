"""Instances of sensing: what is handed out, that seeds share operators, and the oracles."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from dynamark.errors import UserError
from dynamark.runners.execute import wire
from dynamark.tasks.sensing import oracles
from dynamark.tasks.sensing.completion import Completion
from dynamark.tasks.sensing.metrics import relative_error, truncate
from dynamark.tasks.sensing.tasks import AsymmetricSensing, LowRankRecovery, PositiveSensing
from dynamark.tasks.sensing.truth import degrees_of_freedom, incoherence

TASKS: list[type[LowRankRecovery]] = [PositiveSensing, AsymmetricSensing, Completion]


def dense(task: LowRankRecovery, seed: int) -> torch.Tensor:
    left, right = task.truth(seed)
    return torch.from_numpy(left @ right.T)


@pytest.mark.parametrize("cls", TASKS)
def test_measurements_are_those_of_a_truth_with_the_stated_spectrum(cls: type[LowRankRecovery]) -> None:
    task = cls.at("tiny", condition=10.0, rank=3, spacing="geometric")
    problem = task.problem(2)
    matrix = dense(task, 2)
    torch.testing.assert_close(problem.operator.forward(matrix), problem.y, rtol=1e-12, atol=1e-12)
    values = torch.linalg.svdvals(matrix)
    np.testing.assert_allclose(values[:3], [1, 10**-0.5, 0.1], rtol=1e-10)
    assert values[3] < 1e-14
    if task.symmetric:
        assert torch.linalg.eigvalsh(matrix).min() > -1e-14


@pytest.mark.parametrize("cls", TASKS)
def test_the_operator_is_an_isometry_in_the_mean(cls: type[LowRankRecovery]) -> None:
    task = cls.at("tiny")
    squares = [float(task.problem(s).y.square().sum() / dense(task, s).square().sum()) for s in range(12)]
    assert np.mean(squares) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("cls", TASKS)
def test_seeds_share_the_very_same_operator(cls: type[LowRankRecovery], tmp_path: object) -> None:
    task = cls.at("tiny", share=2)
    problems = [task.problem(seed) for seed in range(4)]
    assert problems[0].operator is problems[1].operator
    assert problems[2].operator is problems[3].operator is not problems[1].operator
    assert not torch.equal(problems[0].y, problems[1].y)
    assert all(p.shared for p in problems)
    wire.write(tmp_path / "problems", problems)  # type: ignore[operator]
    read = wire.read(tmp_path / "problems")  # type: ignore[operator]
    for field in dataclasses.fields(read[0].operator):
        if isinstance(part := getattr(read[0].operator, field.name), torch.Tensor):
            assert part is getattr(read[1].operator, field.name)


def test_hints_and_budget() -> None:
    assert PositiveSensing.at("tiny").problem(0).rank == 2
    surplus = PositiveSensing.at("tiny", fit_rank=4, passes=77)
    assert (surplus.problem(0).rank, surplus.problem(0).rank_is_exact, surplus.budget) == (4, False, 77)
    for wrong in ({"columns": 21}, {"rank": 0}, {"share": 0}):
        with pytest.raises(UserError):
            PositiveSensing.at("tiny", **wrong)


@pytest.mark.parametrize("cls", TASKS)
def test_scores_of_truth_and_zero(cls: type[LowRankRecovery]) -> None:
    task = cls.at("tiny")
    left, right = task.truth(0)
    exact = task.score({"form": np.array(0.0), "factor.0": left, "factor.1": right}, 0).values
    assert max(exact[name] for name in ("rel", "relr", "loss", "spectral")) < 1e-14
    assert task.oracle(0) <= exact["rel"]
    assert task.baseline(0) == pytest.approx(1)
    broken = task.score({"form": np.array(0.0), "factor.0": left * np.nan, "factor.1": right}, 0).values
    assert broken["rel"] == broken["loss"] == 1e3


def test_reach_counts_steps_and_passes() -> None:
    task = AsymmetricSensing.at("tiny")
    left, right = task.truth(0)
    solution = {"form": np.array(0.0), "factor.0": left, "factor.1": right}
    for step, error in ((0, 1.0), (1, 1e-1), (2, 1e-3), (3, 1e-5)):
        solution |= {f"snapshot.{step}.0": left * (1 + error), f"snapshot.{step}.1": right}
    solution["passes"] = np.array([1.0, 3.0, 5.0, 7.0])
    values = task.score(solution, 0).values
    assert values["steps_2"] == pytest.approx(1.5)
    assert values["passes_2"] == pytest.approx(4.0)
    assert "steps_6" not in values


@pytest.mark.parametrize(("cls", "symmetric"), [(PositiveSensing, True), (AsymmetricSensing, False)])
def test_the_tangent_oracle_attains_the_inverse_wishart_risk(cls: type[LowRankRecovery], symmetric: bool) -> None:
    task = cls.at("tiny", rows=12, columns=12, measurements=130, noise=0.1)
    freedom = degrees_of_freedom(12, 12, 2, symmetric)
    risks = []
    for seed in range(40):
        scale = np.linalg.norm(dense(task, seed))
        risks.append((float(task.oracle(seed)) * scale) ** 2)
    expected = oracles.expected_tangent_error(0.1, freedom, 130)
    assert np.mean(risks) == pytest.approx(expected, rel=0.15)


def test_the_minimizer_of_too_small_a_rank_is_stationary_and_better_than_truncation() -> None:
    task = PositiveSensing.at("tiny", rank=3, condition=4.0, fit_rank=1)
    problem, truth = task.problem(0), task.truth(0)
    best = oracles.loss_minimizer(problem.operator, problem.y, truth, 1, symmetric=True)
    x = torch.from_numpy(best[0] @ best[1].T)
    residual = problem.operator.forward(x) - problem.y
    assert (problem.operator.adjoint(residual) @ x).norm() < 1e-10
    cut = truncate(truth, 1)
    assert residual.norm() < (problem.operator.forward(torch.from_numpy(cut[0] @ cut[1].T)) - problem.y).norm()
    assert task.oracle(0) == pytest.approx(float(relative_error(best, truth)))


def test_statistical_dimension_of_the_square_case() -> None:
    assert oracles.statistical_dimension(24, 2) / degrees_of_freedom(24, 24, 2, False) == pytest.approx(1.91, abs=0.02)


def test_incoherence_runs_from_one_to_n_over_r() -> None:
    assert incoherence(np.linalg.qr(np.ones((16, 1)))[0]) == pytest.approx(1)
    assert incoherence(np.eye(16)[:, :2]) == pytest.approx(8)
