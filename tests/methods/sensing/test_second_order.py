"""Preconditioned, Gauss-Newton, manifold and convex methods: their steps against dense formulations, their behavior."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from sensing_support import normals, scores

from dynamark.errors import UserError
from dynamark.methods.sensing.alternating import AlternatingMinimization, left_factor
from dynamark.methods.sensing.gauss_newton import (
    ApproximateGaussNewton,
    GaussNewtonRecovery,
    balanced,
    linearized,
    solved,
)
from dynamark.methods.sensing.inexact import InexactAlternatingMinimization, improved
from dynamark.methods.sensing.manifold import IterativeHardThresholding, RiemannianDescent, exact_step, tangent
from dynamark.methods.sensing.measurements import DenseMeasurements, measure
from dynamark.methods.sensing.nuclear import NuclearNorm, PenalizedNuclearNorm, projection, shrink
from dynamark.methods.sensing.projection import SingularValueProjection
from dynamark.methods.sensing.scaled import PreconditionedDescent, preconditioned
from dynamark.tasks.numerics.operators import DenseOperator
from dynamark.tasks.problems import Recovery, Run
from dynamark.tasks.sensing.completion import Completion
from dynamark.tasks.sensing.tasks import AsymmetricSensing, LowRankRecovery, PositiveSensing

SURPLUS = [
    (PreconditionedDescent(), PositiveSensing),
    (PreconditionedDescent(), AsymmetricSensing),
    (ApproximateGaussNewton(), AsymmetricSensing),
]


@pytest.mark.parametrize(("method", "cls"), SURPLUS)
@pytest.mark.parametrize("condition", [1.0, 50.0])
def test_a_surplus_of_rank_and_a_bad_condition_stay_linear(
    method: Any, cls: type[LowRankRecovery], condition: float
) -> None:
    """C11 and C12: where plain descent is sublinear."""
    for outcome in scores(method, cls.at("tiny", condition=condition, fit_rank=4, passes=1600)):
        assert outcome["rel"] < 1e-10
        assert outcome["fact.kind"] == 1


def test_a_constant_damping_slows_down_below_it() -> None:
    """ScaledGD(lambda) is fast to 1e-3 and sublinear afterward when the rank is a surplus."""
    task = PositiveSensing.at("tiny", fit_rank=4, passes=1600)
    for outcome in scores(PreconditionedDescent(damping="constant", start="random"), task):
        assert outcome["steps_2"] < 100
        assert outcome["rel"] > 1e-8


EXACT = [
    (GaussNewtonRecovery(), PositiveSensing),
    (GaussNewtonRecovery(), AsymmetricSensing),
    (RiemannianDescent(), PositiveSensing),
    (RiemannianDescent(), AsymmetricSensing),
    (RiemannianDescent(), Completion),
    (IterativeHardThresholding(), AsymmetricSensing),
    (IterativeHardThresholding(), Completion),
    (SingularValueProjection(), PositiveSensing),
]


@pytest.mark.parametrize(("method", "cls"), EXACT)
def test_methods_of_exact_rank_reach_rounding(method: Any, cls: type[LowRankRecovery]) -> None:
    for outcome in scores(method, cls.at("tiny")):
        assert outcome["rel"] < 1e-12


def test_the_step_below_the_share_of_known_entries_is_stable() -> None:
    """The largest eigenvalue of A*A is 1/share, so a step below twice the share cannot increase the residual."""
    task = Completion.at("tiny", rows=40, columns=40, passes=400)
    share = len(task.problem(0).y) / 1600
    small, large = (SingularValueProjection(step=step) for step in (share, 4 * share))
    for stable, diverged in zip(scores(small, task), scores(large, task), strict=True):
        assert stable["rel"] < 1e-5
        assert diverged["rel"] > 1


def test_gauss_newton_is_quadratic() -> None:
    """The number of right digits doubles."""
    task = AsymmetricSensing.at("tiny", measurements=200)
    problem, run = task.problem(0), Run([0])
    GaussNewtonRecovery().fit_estimate(problem, run)
    left, right = task.truth(0)
    errors = [float((f @ g.T - torch.from_numpy(left @ right.T)).norm()) for _, (f, g) in run.snapshots]
    late = [e for e in errors if 1e-7 < e < 1e-1]
    assert len(late) >= 2
    assert all(after < 20 * before**2 for before, after in zip(late, [*late[1:], 0.0], strict=True))


def test_methods_that_need_two_sided_operators_refuse_symmetric_ones() -> None:
    with pytest.raises(UserError, match="skew"):
        ApproximateGaussNewton().fit_estimates([PositiveSensing.at("tiny").problem(0)], [Run([0])])


def small() -> tuple[Any, torch.Tensor, torch.Tensor]:
    task = AsymmetricSensing.at("tiny", rows=7, columns=6, measurements=40)
    return task.problem(0), normals(1, 7, 2), normals(1, 6, 2, seed=5)


def test_the_linear_problem_is_solved_with_least_norm() -> None:
    problem, f, g = small()
    target, measurements = normals(1, 40, seed=6), measure([problem])
    assert isinstance(measurements, DenseMeasurements)
    df, dg = linearized(measurements, f, g, target, inner=200, tolerance=1e-14)
    columns = []
    for part, count in ((0, 7), (1, 6)):
        for i in range(count):
            for j in range(2):
                unit = torch.zeros(count, 2, dtype=torch.float64)
                unit[i, j] = 1
                columns.append(problem.operator.forward(unit @ g[0].T if part == 0 else f[0] @ unit.T))
    design = torch.stack(columns, dim=1).numpy()
    assert np.linalg.matrix_rank(design) == 26 - 4  # k^2 directions of the gauge
    expected = np.linalg.lstsq(design, target[0].numpy(), rcond=1e-10)[0]
    for left, right in ((df, dg), solved(measurements, f, g, target)):
        np.testing.assert_allclose(np.concatenate([left[0].flatten(), right[0].flatten()]), expected, atol=1e-9)


def test_balancing_keeps_the_product() -> None:
    f, g = normals(2, 7, 3), normals(2, 6, 3, seed=8)
    a, b = balanced(f, g)
    torch.testing.assert_close(a @ b.mT, f @ g.mT)
    torch.testing.assert_close(a.mT @ a, b.mT @ b, rtol=1e-9, atol=1e-9)


def test_a_preconditioned_step_without_damping_ignores_the_choice_of_factors() -> None:
    problem, f, g = small()
    change = normals(1, 2, 2, seed=9)
    other = (f @ change, g @ torch.linalg.inv(change).mT)
    one, two = (preconditioned(measure([problem]), state, 0.5, 0.0)[0] for state in ((f, g), other))
    torch.testing.assert_close(one[0] @ one[1].mT, two[0] @ two[1].mT, rtol=1e-9, atol=1e-9)


def test_the_tangent_projection_is_the_projection() -> None:
    problem, f, g = small()
    u, v, z = torch.linalg.qr(f)[0], torch.linalg.qr(g)[0], normals(1, 7, 6, seed=2)
    core, left, right = tangent(z, u, v)
    result = (u @ core + left) @ v.mT + u @ right.mT
    off = torch.eye(7, dtype=torch.float64) - u @ u.mT, torch.eye(6, dtype=torch.float64) - v @ v.mT
    torch.testing.assert_close(result, z - off[0] @ z @ off[1])
    # The exact step minimizes |A(X - a P) - y|^2 in a, Z being the gradient.
    measurements = measure([problem])
    residual, gradient = measurements.normal(f @ g.mT)
    core, left, right = tangent(gradient, u, v)
    direction = (u @ core + left) @ v.mT + u @ right.mT
    step = float(exact_step(measurements, u, v, (core, left, right)))
    image = measurements.forward(direction)
    assert step == pytest.approx(float((image * residual).sum() / image.square().sum()), rel=1e-9)


def test_a_riemannian_step_is_the_truncated_step_on_the_tangent_space() -> None:
    problem, _, _ = small()
    run = Run([0], budget=8)
    RiemannianDescent(rank=2).fit_estimates([problem], [run])
    (f, v), (f1, v1) = (factors for _, factors in run.snapshots[:2])
    u = torch.linalg.qr(f[None])[0]
    measurements = measure([problem])
    _, z = measurements.normal((f @ v.T)[None])
    core, left, right = tangent(z, u, v[None])
    direction = (u @ core + left) @ v.T + u @ right.mT
    a, s, bt = torch.linalg.svd((f @ v.T)[None] - exact_step(measurements, u, v[None], (core, left, right)) * direction)
    torch.testing.assert_close(f1 @ v1.T, (a[..., :2] * s[:, None, :2] @ bt[:, :2])[0])


def test_shrinking_is_the_proximal_map_of_the_nuclear_norm() -> None:
    """At the minimizer of 1/2 |X - M|^2 + t |X|_*, (M - X)/t is a subgradient: U V^T plus a contraction off both spaces."""
    m, t = normals(1, 6, 5), 1.5
    x = shrink(m, torch.tensor(t, dtype=torch.float64).view(1, 1, 1))
    u, s, vt = torch.linalg.svd(x[0], full_matrices=False)
    rank = int((s > 1e-9).sum())
    assert 0 < rank < 5
    rest = (m - x)[0] / t - u[:, :rank] @ vt[:rank]
    assert (u[:, :rank].T @ rest).abs().max() < 1e-9
    assert torch.linalg.matrix_norm(rest, 2) <= 1 + 1e-9


@pytest.mark.parametrize("cls", [PositiveSensing, AsymmetricSensing, Completion])
@pytest.mark.parametrize("share", [1, 2])
def test_the_projection_satisfies_the_measurements(cls: type[LowRankRecovery], share: int) -> None:
    fewer = {} if cls is Completion else {"measurements": 120}
    problems = [cls.at("tiny", share=share, **fewer).problem(seed) for seed in range(2)]
    measurements = measure(problems)
    start = normals(2, *measurements.shape)
    start = (start + start.mT) / 2
    project = projection(measurements)
    nearest = project(start)
    assert measurements.relative(measurements.forward(nearest) - measurements.y).max() < 1e-12
    torch.testing.assert_close(project(nearest), nearest, rtol=1e-9, atol=1e-9)
    # The move is orthogonal to the feasible directions.
    other = project(normals(2, *measurements.shape, seed=1) if cls is not PositiveSensing else start.flip(1).flip(2))
    assert abs(float(((nearest - start) * (other - nearest)).sum())) < 1e-8


def test_least_nuclear_norm_recovers_above_the_statistical_dimension_and_not_below() -> None:
    """C14 at its two ends: 1.91 degrees of freedom is the border for n = 24, r = 2 (92 of them)."""
    far, near = (
        scores(NuclearNorm(), AsymmetricSensing.at("tiny", rows=24, columns=24, measurements=m, passes=3000))
        for m in (240, 120)
    )
    assert all(result["rel"] < 1e-4 for result in far)
    assert all(result["rel"] > 1e-2 for result in near)


def test_the_penalized_problem_is_solved_to_optimality() -> None:
    """With noise: the gradient at the end is -lambda times a subgradient of the nuclear norm."""
    task = AsymmetricSensing.at("tiny", noise=0.5, passes=1500)
    problem = task.problem(0)
    x = PenalizedNuclearNorm().fit_estimates([problem], [Run([0], budget=1500)])[0].factors[0]
    z = problem.operator.adjoint(problem.operator.forward(x) - problem.y)
    penalty = 2.0 * 0.5 * (20 / 800) ** 0.5
    assert torch.linalg.matrix_norm(z, 2) == pytest.approx(penalty, rel=1e-4)
    assert float((-z * x).sum()) == pytest.approx(penalty * float(torch.linalg.svdvals(x).sum()), rel=1e-4)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("cls", [AsymmetricSensing, Completion])
def test_conjugate_gradients_of_a_half_step_end_in_least_squares(cls: type[LowRankRecovery], transposed: bool) -> None:
    """After as many steps as unknowns (of a row, where rows are apart), each step closer, to what rounding allows.

    Both solutions round by n kappa eps, for n unknowns and a Gram matrix of condition number kappa: over 60 draws .35 of that.
    """
    # About 54 of 90 entries are seen: if all were, every Gram matrix would be the identity, and the first step the last.
    settings = {"measurements": 90} if cls is AsymmetricSensing else {"oversampling": 54 / 48}
    for seed in (1, 2, 3):
        measurements = measure([cls.at("tiny", rows=10, columns=9, **settings).problem(seed)])
        fixed = torch.linalg.qr(normals(1, 10 if transposed else 9, 2))[0]
        exact = left_factor(measurements, fixed, transposed)
        unknowns = exact.numel() if cls is AsymmetricSensing else 2
        units = torch.eye(exact.numel(), dtype=torch.float64).view(-1, *exact.shape)
        pairs = [(fixed, unit) if transposed else (unit, fixed) for unit in units]
        design = torch.stack([measurements.product(*pair)[0] for pair in pairs], dim=1)
        rounding = unknowns * float(torch.linalg.cond(design)) ** 2 * torch.finfo(torch.float64).eps
        distances = [1.0]
        for steps in (1, *(n for n in (2, 4, 8, 16) if n < unknowns), unknowns):
            solved, _ = improved(measurements, torch.zeros_like(exact), fixed, steps, transposed)
            distances.append(float((solved - exact).norm() / exact.norm()))
        assert all(after < before for before, after in pairwise(distances))
        assert distances[-1] < 10 * rounding < distances[-2]


@pytest.mark.parametrize("cls", [AsymmetricSensing, Completion])
def test_inexact_alternation_takes_as_many_outer_steps(cls: type[LowRankRecovery]) -> None:
    """C27, its first half."""
    task = cls.at("tiny")
    exact, inexact = (scores(method, task) for method in (AlternatingMinimization(), InexactAlternatingMinimization()))
    for one, other in zip(exact, inexact, strict=True):
        assert other["rel"] < 1e-12
        assert abs(one["steps_8"] - other["steps_8"]) < 2


TOGETHER = [
    InexactAlternatingMinimization(),
    PreconditionedDescent(),
    PreconditionedDescent(damping="constant", start="random"),
    ApproximateGaussNewton(),
    RiemannianDescent(),
    IterativeHardThresholding(),
    NuclearNorm(),
    PenalizedNuclearNorm(),
]


@pytest.mark.parametrize("method", TOGETHER, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("cls", [AsymmetricSensing, Completion])
@pytest.mark.parametrize("share", [1, 8])
def test_members_do_not_depend_on_their_neighbors(method: Any, cls: type[LowRankRecovery], share: int) -> None:
    task = cls.at("tiny", share=share, rows=24, columns=20)
    problems = [task.problem(seed) for seed in range(3)]

    def fit(members: list[int]) -> tuple[torch.Tensor, ...]:
        runs = [Run([i], budget=120) for i in members]
        return method.fit_estimates([problems[i] for i in members], runs)[0].factors

    assert all(torch.equal(a, b) for a, b in zip(fit([0, 0]), fit([0, 1, 2]), strict=True))


@pytest.mark.parametrize("cls", [AsymmetricSensing, Completion])
def test_conjugate_directions_need_fewer_steps(cls: type[LowRankRecovery]) -> None:
    task = cls.at("tiny", condition=10.0, passes=1500)
    (plain, *_), (conjugate, *_) = scores(RiemannianDescent(), task), scores(RiemannianDescent(conjugate=True), task)
    assert conjugate["rel"] < 1e-12
    assert conjugate["steps_8"] < 0.8 * plain["steps_8"]


def test_on_a_flat_manifold_conjugate_directions_are_conjugate_gradients() -> None:
    """At full rank every matrix is tangent: least squares, in as many steps as A*A has distinct eigenvalues, three here."""
    draw = normals(30, 9, seed=3)
    frame = torch.linalg.qr(draw)[0]
    rows = frame * torch.tensor([1.5, 1.5, 1.5, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0], dtype=torch.float64)
    truth = normals(3, 3, seed=5)
    problem = Recovery(DenseOperator(rows, (3, 3)), rows @ truth.flatten(), False, 3)
    run = Run([0], budget=16)
    RiemannianDescent(conjugate=True).fit_estimates([problem], [run])
    errors = [float((f @ v.T - truth).norm() / truth.norm()) for _, (f, v) in run.snapshots]
    assert errors[3] < 1e-10 < errors[2]
