"""Measurements of a cohort against the operators of its members."""

from __future__ import annotations

import pytest
import torch
from sensing_support import normals

from dynamark.errors import UserError
from dynamark.methods.sensing import measurements, reading
from dynamark.methods.sensing.measurements import DenseMeasurements, measure
from dynamark.methods.sensing.sampled import SampledMeasurements, SparseMeasurements
from dynamark.methods.sensing.start import leading
from dynamark.tasks.sensing.completion import Completion
from dynamark.tasks.sensing.sparse import SparseCompletion
from dynamark.tasks.sensing.structured import StructuredPositive
from dynamark.tasks.sensing.tasks import AsymmetricSensing, LowRankRecovery, PositiveSensing

TASKS: list[type[LowRankRecovery]] = [PositiveSensing, AsymmetricSensing, Completion, StructuredPositive]


@pytest.mark.parametrize("share", [1, 2, 5])
@pytest.mark.parametrize("cls", TASKS)
def test_a_cohort_measures_as_its_members_do(cls: type[LowRankRecovery], share: int) -> None:
    task = cls.at("tiny", share=share)
    problems = [task.problem(seed) for seed in range(5)]
    together = measure(problems)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(5, *together.shape, generator=draw, dtype=torch.float64)
    x = x + x.mT
    residual, z = together.normal(x)
    for i, problem in enumerate(problems):
        own = problem.operator.forward(x[i]) - problem.y
        torch.testing.assert_close(residual[i].norm(), own.norm(), rtol=1e-12, atol=0)
        torch.testing.assert_close(z[i], problem.operator.adjoint(own), rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(together.relative(residual)[i], own.norm() / problem.y.norm())
    assert together.passes == 2


def test_members_that_share_are_measured_by_one_product() -> None:
    task = AsymmetricSensing.at("tiny", share=3)
    together = measure([task.problem(seed) for seed in range(5)])
    assert isinstance(together, DenseMeasurements)
    assert [members for _, members in together.groups] == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("share", [1, 64])
@pytest.mark.parametrize("cls", TASKS)
def test_the_bits_of_a_member_do_not_depend_on_its_neighbors(cls: type[LowRankRecovery], share: int) -> None:
    task = cls.at("tiny", share=share)
    problems = [task.problem(seed) for seed in range(9)]
    x = torch.randn(9, task.rows, task.columns, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    full = measure(problems).normal(x)[1]
    for size in range(1, 9):
        assert torch.equal(measure(problems[:size]).normal(x[:size])[1], full[:size])


def test_trimming_drops_rows_that_were_seen_too_often() -> None:
    task = Completion.at("tiny", oversampling=1.5)
    problem = task.problem(0)
    together = measure([problem])
    torch.testing.assert_close(together.proxy()[0], problem.operator.adjoint(problem.y))
    together.mask[0, 3] = together.mask.amax()  # a row that is seen in full
    assert together.proxy()[0, 3].abs().max() == 0
    assert together.proxy()[0, 4].abs().max() > 0


def test_few_samples_are_measured_sparsely_and_as_by_masks() -> None:
    problems = [SparseCompletion.at("tiny").problem(seed) for seed in range(2)]
    sparse, masked = measure(problems), SampledMeasurements(problems)
    assert isinstance(sparse, SparseMeasurements)
    f, g = (normals(2, 700, 3, seed=seed) for seed in (0, 1))
    residual, z = sparse.gradient(f, g)
    other, whole = masked.gradient(f, g)
    torch.testing.assert_close(residual.norm(dim=1), other.norm(dim=1), rtol=1e-12, atol=0)
    torch.testing.assert_close(z @ g, whole @ g, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(z.mT @ f, whole.mT @ f, rtol=1e-11, atol=1e-11)
    for own, mask in zip(sparse.entries(), masked.entries(), strict=True):
        torch.testing.assert_close(own @ g, mask @ g, rtol=1e-11, atol=1e-11)
    assert sparse.passes == masked.passes == 2
    u, s, v = leading(sparse.proxy(), sparse.shape, 2)
    torch.testing.assert_close(s, torch.linalg.svdvals(masked.proxy())[:, :2], rtol=1e-3, atol=0)
    torch.testing.assert_close(u.mT @ (masked.proxy() @ v), s.diag_embed(), rtol=1e-3, atol=1e-3)
    with pytest.raises(UserError, match="not materialized"):
        sparse.normal(f @ g.mT)


needs_numba = pytest.mark.skipif(not reading.available(), reason="numba not there")


@pytest.mark.parametrize("long", [False, pytest.param(True, marks=needs_numba)])
@pytest.mark.parametrize("cls", [AsymmetricSensing, PositiveSensing])
def test_large_operators_are_read_once_and_give_the_same_gradient(
    cls: type[LowRankRecovery], long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [cls.at("tiny", measurements=100).problem(seed) for seed in range(2)]
    f, g = normals(2, 20, 3), normals(2, 20, 3, seed=1)
    plain, fused = measure(problems), measure(problems)
    residual, z = plain.gradient(f, g)
    monkeypatch.setattr(measurements, "_CACHE", 1000)
    monkeypatch.setattr(reading, "_BLOCK", 7 * 8 * 210)
    taken = []
    monkeypatch.setattr(measurements, "read_compiled", lambda *given: taken.append(1) or reading.read_compiled(*given))
    if long:
        monkeypatch.setattr(measurements, "_LONG", -1)
    other, same = fused.gradient(f, g)
    torch.testing.assert_close(other, residual, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(same @ g, z @ g, rtol=1e-12, atol=1e-12)
    assert fused.passes == 2
    assert len(taken) == 2 * long


@needs_numba
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 30])
def test_the_compiled_reading_is_the_plain_one_and_repeats_itself(count: int, dtype: torch.dtype) -> None:
    """Any number of rows, whole groups of four or not, and any place in memory."""
    rows, x, y = normals(count, 37).to(dtype), normals(37, seed=1).to(dtype), normals(count, seed=2).to(dtype)
    residual, z = reading.read_compiled(rows, x, y)
    assert residual.dtype == z.dtype == dtype
    accuracy = 100 * torch.finfo(dtype).eps
    torch.testing.assert_close(residual, rows @ x - y, rtol=accuracy, atol=accuracy)
    torch.testing.assert_close(z, rows.T @ (rows @ x - y), rtol=accuracy, atol=10 * accuracy)
    shifted = torch.cat([rows.flatten()[:1], rows.flatten()])[1:].view(count, 37)
    again = reading.read_compiled(shifted, x, y)
    assert torch.equal(again[0], residual)
    assert torch.equal(again[1], z)


@pytest.mark.parametrize("cls", [AsymmetricSensing, PositiveSensing])
def test_a_reduced_operator_has_the_same_losses(cls: type[LowRankRecovery]) -> None:
    """More measurements than entries, noise among them: residual norms and gradients stay, the stored operator shrinks."""
    problem = cls.at("tiny", noise=0.3).problem(0)
    reduced = measure([problem])
    assert isinstance(reduced, DenseMeasurements)
    f, g = normals(1, 20, 3), normals(1, 20, 3, seed=1)
    own = problem.operator.forward(f[0] @ g[0].T) - problem.y
    residual, z = reduced.normal(f @ g.mT)
    torch.testing.assert_close(residual.norm(), own.norm(), rtol=1e-12, atol=0)
    torch.testing.assert_close(z[0], problem.operator.adjoint(own), rtol=1e-11, atol=1e-11)
    assert len(reduced.groups[0][0].rows) == (211 if cls is PositiveSensing else 401)
