"""Momentum, quasi-Newton steps, soft imputation and deep products: against definitions, closed forms and each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from sensing_support import normals, scores

from dynamark.errors import UserError
from dynamark.methods.sensing.deep import DeepLinear
from dynamark.methods.sensing.descent import GradientDescent
from dynamark.methods.sensing.impute import SoftImpute
from dynamark.methods.sensing.momentum import AcceleratedDescent
from dynamark.methods.sensing.nuclear import PenalizedNuclearNorm
from dynamark.methods.sensing.quasi_newton import QuasiNewton, _pair, line_minimum, two_loops
from dynamark.methods.sensing.scaled import ScaledGradientDescent
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing import structured
from dynamark.tasks.sensing.completion import Completion
from dynamark.tasks.sensing.sparse import SparseCompletion
from dynamark.tasks.sensing.tasks import AsymmetricSensing, LowRankRecovery, PositiveSensing
from dynamark.tasks.sensing.variants import NoisySensing


@pytest.mark.parametrize("momentum", ["nesterov", "heavy_ball"])
@pytest.mark.parametrize("cls", [AsymmetricSensing, PositiveSensing])
def test_momentum_starts_with_plain_steps_and_beats_them(cls: type[LowRankRecovery], momentum: Any) -> None:
    task = cls.at("tiny", condition=10.0, passes=3000)
    plain, quick = GradientDescent(start="spectral"), AcceleratedDescent(momentum=momentum)
    runs = [Run([0], budget=6), Run([0], budget=6)]
    for method, run in zip((plain, quick), runs, strict=True):
        method.fit_estimates([task.problem(0)], [run])
    for one, other in zip(runs[0].snapshots[1][1], runs[1].snapshots[1][1], strict=True):
        torch.testing.assert_close(one, other)
    (slow, *_), (fast, *_) = scores(plain, task), scores(quick, task)
    assert fast["rel"] < 1e-12
    assert fast["steps_8"] < 0.5 * slow["steps_8"]


def test_preconditioned_momentum_does_not_feel_the_condition() -> None:
    for condition in (1.0, 100.0):
        task = AsymmetricSensing.at("tiny", condition=condition, passes=500)
        (outcome, *_) = scores(AcceleratedDescent(preconditioned=True), task)
        assert outcome["steps_8"] < 90


def test_the_two_loops_apply_the_inverse_hessian_of_bfgs() -> None:
    gradient = normals(1, 6, 1)
    curvature = torch.diag(torch.arange(1.0, 7.0, dtype=torch.float64))
    steps = [normals(1, 6, 1, seed=10 + i) for i in range(3)]
    pairs = [_pair(s, curvature @ s) for s in steps]
    s, y = steps[-1][0], curvature @ steps[-1][0]
    inverse = torch.eye(6, dtype=torch.float64) * (s * y).sum() / (y * y).sum()
    for own in steps:
        s, y = own[0], curvature @ own[0]
        rho = 1 / (s * y).sum()
        off = torch.eye(6, dtype=torch.float64) - rho * s @ y.T
        inverse = off @ inverse @ off.T + rho * s @ s.T
    torch.testing.assert_close(two_loops(gradient, pairs)[0], inverse @ gradient[0])
    torch.testing.assert_close(two_loops(curvature @ steps[-1], pairs), steps[-1])  # the secant condition
    useless = _pair(steps[0], -steps[0])
    torch.testing.assert_close(two_loops(gradient, [useless]), gradient)


def test_the_line_minimum_is_that_of_a_fine_grid() -> None:
    parts = [normals(3, 12, seed=seed) for seed in range(3)]
    parts[1] = parts[1] * torch.tensor([[-1.0], [1.0], [-3.0]]) - 0.8 * parts[0]
    grid = torch.linspace(0, 3, 300_001, dtype=torch.float64)
    for i, step in enumerate(line_minimum(*parts)[:, 0, 0]):
        c, b, a = (part[i].numpy() for part in parts)
        loss = np.polyval([a @ a, 2 * a @ b, b @ b + 2 * a @ c, 2 * b @ c, c @ c], grid.numpy())
        assert float(step) == pytest.approx(float(grid[loss.argmin()]), abs=2e-5)
    rising = line_minimum(parts[0], parts[0], parts[0])  # |r|^2 (1 + a + a^2)^2 grows
    assert rising.tolist() == [[[0.0]]] * 3


@pytest.mark.parametrize("cls", [AsymmetricSensing, PositiveSensing, Completion])
def test_quasi_newton_takes_fewer_passes_than_momentum(cls: type[LowRankRecovery]) -> None:
    task = cls.at("tiny", condition=10.0, passes=1600)
    (outcome, *_), (momentum, *_) = scores(QuasiNewton(), task), scores(AcceleratedDescent(), task)
    assert outcome["rel"] < 1e-12
    assert outcome["passes_8"] < momentum.get("passes_8", np.inf)


def test_soft_imputation_solves_the_penalized_problem() -> None:
    """With enough columns the factors reach the minimum of the nuclear norm problem, which is convex and solved elsewhere."""
    task = NoisySensing.at("tiny", noise=0.3, passes=4000)
    problem = task.problem(0)
    f, g = SoftImpute(rank=20).fit_estimates([problem], [Run([0], budget=8000)])[0].factors
    convex = PenalizedNuclearNorm().fit_estimates([problem], [Run([0], budget=8000)])[0].factors[0]
    assert (f @ g.T - convex).norm() < 1e-5 * convex.norm()


def test_soft_imputation_puts_the_samples_in() -> None:
    """One step with full matrices: G = X^T F (F^T F + lambda p)^{-1}, X the product with the samples put in."""
    problem = Completion.at("tiny").problem(0)
    run = Run([0], budget=10)
    SoftImpute().fit_estimates([problem], [run])
    (f, g), (f1, g1) = (factors for _, factors in run.snapshots[:2])
    operator, level = problem.operator, float(torch.linalg.matrix_norm(problem.operator.adjoint(problem.y), 2))
    mask = operator.adjoint(torch.ones_like(problem.y)) > 0
    share = 1 / float(operator.adjoint(torch.ones_like(problem.y)).max()) ** 2
    seen = share * operator.adjoint(problem.y)
    eye = level * share * torch.eye(3, dtype=torch.float64)
    put = torch.where(mask, seen, f @ g.T)
    g = put.T @ f @ torch.linalg.inv(f.T @ f + eye)
    u, s, vt = torch.linalg.svd(f @ g.T)
    g = vt[:3].T * s[:3].sqrt()
    put = torch.where(mask, seen, u[:, :3] * s[:3] @ vt[:3])
    f = put @ g @ torch.linalg.inv(g.T @ g + eye)
    torch.testing.assert_close(f1 @ g1.T, f @ g.T, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_a_deep_step_is_the_gradient_by_every_layer(depth: int) -> None:
    problem = AsymmetricSensing.at("tiny").problem(0)
    method = DeepLinear(depth=depth, start="gaussian", step=0.01, width=5)
    run = Run([3], budget=5)
    method.fit_estimates([problem], [run])
    after = run.snapshots[1][1]
    size = torch.linalg.matrix_norm(problem.operator.adjoint(problem.y), 2)[None, None, None]
    from dynamark.methods.sensing.measurements import measure

    layers = method._layers(problem, [Run([3])], measure([problem]), measure([problem]).proxy(), size)
    own = [w[0].clone().requires_grad_() for w in layers]
    product = own[0]
    for w in own[1:]:
        product = w @ product
    loss = (problem.operator.forward(product) - problem.y).square().sum() / 2
    loss.backward()  # type: ignore[no-untyped-call]
    rate = 2 * 0.01 / depth / size.squeeze() ** (2 - 2 / depth)
    moved = [w.detach() - rate * w.grad for w in own]
    product = moved[0]
    for w in moved[1:]:
        product = w @ product
    torch.testing.assert_close(after[0] @ after[1].T, product, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("depth", [2, 4])
def test_decoupled_modes_follow_their_own_equation(depth: int) -> None:
    """da/dt = L a^{2 - 2/L} (s - a) for each mode alone (Saxe et al. 2014, equation 16), t = eta steps."""
    task = structured.DeepLinear.at("tiny", passes=800)
    run = Run([0], budget=800)
    method = DeepLinear(depth=depth, start="decoupled", strength=0.02, step=0.01)
    method.fit_estimates([task.problem(0)], [run])
    left, right = task.truth(0)
    u, v = torch.from_numpy(left / task.spectrum()), torch.from_numpy(np.array(right))
    rate = 2 * 0.01 / depth / 8 ** (2 - 2 / depth)
    steps = np.array([step for step, _ in run.snapshots], dtype=float)
    strengths = np.array([torch.einsum("ia,ij,ja->a", u, f @ g.T, v).numpy() for _, (f, g) in run.snapshots])
    for i, s in enumerate(task.spectrum()):
        result = solve_ivp(
            lambda _, a, s=s: depth * a ** (2 - 2 / depth) * (s - a),
            (0, steps[-1] * rate),
            [0.02 * 8],
            t_eval=steps * rate,
            rtol=1e-9,
            atol=1e-12,
        )
        assert np.abs(strengths[:, i] - result.y[0]).max() < 0.02 * s


def test_an_orthogonal_start_bears_depth_that_a_gaussian_one_does_not() -> None:
    """The least singular value of the product: 1 times its scale against almost nothing."""
    problem = structured.DeepLinear.at("tiny").problem(0)
    for start, low, high in (("orthogonal", 0.999, 1.001), ("gaussian", 0.0, 1e-3)):
        run = Run([0], budget=2)
        DeepLinear(depth=12, start=start, strength=1.0).fit_estimates([problem], [run])  # type: ignore[arg-type]
        f, g = run.snapshots[0][1]
        values = torch.linalg.svdvals(f @ g.T) / 8
        assert low <= float(values[-1]) <= high
    with pytest.raises(UserError, match="skew"):
        DeepLinear().fit_estimates([PositiveSensing.at("tiny").problem(0)], [Run([0])])


MEMBERS = [
    (AcceleratedDescent(), AsymmetricSensing),
    (QuasiNewton(), PositiveSensing),
    (QuasiNewton(), SparseCompletion),
    (SoftImpute(), SparseCompletion),
    (ScaledGradientDescent(), SparseCompletion),
    (DeepLinear(), structured.DeepLinear),
]


@pytest.mark.parametrize(("method", "cls"), MEMBERS, ids=lambda m: getattr(m, "__name__", type(m).__name__))
def test_members_do_not_depend_on_their_neighbors(method: Any, cls: type[LowRankRecovery]) -> None:
    task = cls.at("tiny")
    problems = [task.problem(seed) for seed in range(3)]

    def fit(members: list[int]) -> tuple[torch.Tensor, ...]:
        runs = [Run([i], budget=60) for i in members]
        factors: tuple[torch.Tensor, ...] = method.fit_estimates([problems[i] for i in members], runs)[0].factors
        return factors

    for one, other in zip(fit([0, 0]), fit([0, 1, 2]), strict=True):
        assert torch.equal(one, other)
