"""LoRA and its kin against autograd with torch's optimizers, and against closed forms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lowrank_support import STEPS, assert_close, autograd, errors, fitted, quadratic, start, toy
from sensing_support import normals
from torch import Tensor

from dynamark.methods.lowrank.adapters import SingleFactorAdapter, TwoFactorAdapter
from dynamark.methods.lowrank.kin import SingLoRA, TuckerLoRA
from dynamark.methods.lowrank.lora import LoRA
from dynamark.methods.lowrank.networks import he_weights
from dynamark.methods.lowrank.riemannian import ManifoldAdapter, RiemannianAdapter
from dynamark.runners.claims.sensing.experiments_adapters import singlora_limit
from dynamark.runners.claims.sensing.experiments_tangent import block_limit, tail
from dynamark.tasks.problems import Run


@pytest.mark.parametrize("frozen", [False, True])
def test_lora_is_autograd_with_adam(frozen: bool) -> None:
    rank, alpha, rate = 2, 6.0, 0.01
    run = Run([0])
    he_weights([toy()], [run])
    base, right, left = start(), [], []
    for w in base:
        a = (2 * torch.rand(rank, w.shape[1], generator=run.generator, dtype=w.dtype) - 1) / w.shape[1] ** 0.5
        right.append(a.requires_grad_(not frozen))
        left.append(torch.zeros(len(w), rank, dtype=w.dtype, requires_grad=True))
    expected = autograd(
        left if frozen else [*left, *right],
        lambda: [w + alpha / rank * b @ a for w, b, a in zip(base, left, right, strict=True)],
        lambda p: torch.optim.Adam(p, lr=rate),
        run,
    )
    assert_close(fitted(LoRA(rank=rank, alpha=alpha, rate=rate, batch=8, freeze_a=frozen)), expected)


def test_lora_of_full_rank_with_the_identity_is_adam_times_its_scale() -> None:
    """W_0 + s B with A = I frozen: Adam does not see the factor s of dB, so the first change is s times Adam's."""
    w, g = normals(1, 4, 4), normals(1, 4, 4, seed=9)
    changes = []
    for scale in (1.0, 3.0):
        layer = TwoFactorAdapter(w, torch.eye(4, dtype=w.dtype)[None], scale, frozen=True)
        layer.step(g, 0.1)
        changes.append(layer.weight() - w)
    torch.testing.assert_close(changes[0], -0.1 * g.sign(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(changes[1], 3 * changes[0])


def test_lora_reaches_the_best_change_of_its_rank_and_a_frozen_a_that_of_its_rows() -> None:
    w, target = normals(1, 6, 8), normals(1, 6, 8, seed=3)
    a = normals(1, 2, 8, seed=5) / 8**0.5
    ends = {}
    for frozen in (False, True):
        layer = TwoFactorAdapter(w, a, 1.0, frozen)
        for rate in (0.05, 0.01, 1e-3, 1e-4):
            quadratic(layer, w + target, rate, 800)
        ends[frozen] = layer.weight() - w
    values = torch.linalg.svdvals(target[0])
    loss = float((ends[False] - target).square().sum() / target.square().sum())
    assert loss == pytest.approx(float(values[2:].square().sum() / values.square().sum()), rel=1e-5)
    torch.testing.assert_close(ends[True], target @ torch.linalg.pinv(a) @ a, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("alpha", [None, 5.0])
def test_one_factor_is_autograd_with_adam(alpha: float | None) -> None:
    """Both shapes: the toy has a matrix with more rows and one with more columns; the ramp ends within the steps."""
    rank, rate, ramp = 2, 0.01, 4
    run = Run([0])
    he_weights([toy()], [run])
    base, scale = start(), 1.0 if alpha is None else alpha / rank
    starts = [torch.randn(max(w.shape), rank, generator=run.generator, dtype=w.dtype) for w in base]
    parts = [(a / max(w.shape) ** 0.5).requires_grad_() for a, w in zip(starts, base, strict=True)]
    calls = iter([1, 2, 3, *[4] * 100])

    def weights() -> list[Tensor]:
        u = scale * next(calls) / ramp
        return [
            w + u * (a @ a[: w.shape[1]].T if len(w) >= w.shape[1] else a[: len(w)] @ a.T)
            for w, a in zip(base, parts, strict=True)
        ]

    assert [len(p) for p in parts] == [7, 7]
    expected = autograd(parts, weights, lambda p: torch.optim.Adam(p, lr=rate), run)
    assert_close(fitted(SingLoRA(rank=rank, alpha=alpha, rate=rate, ramp=ramp, batch=8)), expected)


def test_one_factor_reaches_the_best_semidefinite_change_only() -> None:
    """C38, with Adam in place of gradient descent."""
    target = normals(1, 6, 6, seed=11)
    layer = SingleFactorAdapter(torch.zeros_like(target), normals(1, 6, 2, seed=2) / 6**0.5, 1.0, 10)
    for rate in (0.05, 0.01, 1e-3, 1e-4):
        quadratic(layer, target, rate, 800)
    loss = float((layer.weight() - target).square().sum())
    assert loss == pytest.approx(singlora_limit(target[0].numpy(), 2), rel=1e-5)
    assert loss > 1.05 * float(torch.linalg.svdvals(target[0])[2:].square().sum())


def test_a_core_between_factors_is_autograd_with_adam() -> None:
    rank, rate = 2, 0.01
    run = Run([0])
    he_weights([toy()], [run])
    base, count = start(), 0
    factors: list[list[Tensor]] = []
    for w in base:
        drawn = [torch.randn(n, rank, generator=run.generator, dtype=w.dtype) for n in w.shape]
        factors.append([(d / (2 * rank) ** 0.5).requires_grad_() for d in drawn])
        count += sum(d.numel() for d in drawn)
    cores = [torch.zeros(rank, rank, dtype=torch.float64, requires_grad=True) for _ in base]
    expected = autograd(
        [*cores, *(f for pair in factors for f in pair)],
        lambda: [w + 4 * u @ c @ v.T for w, c, (u, v) in zip(base, cores, factors, strict=True)],
        lambda p: torch.optim.Adam(p, lr=rate),
        run,
    )
    assert_close(fitted(TuckerLoRA(rank=rank, rate=rate, batch=8)), expected)


@pytest.mark.parametrize("alpha", [1.0, 10.0])
def test_the_riemannian_adapter_reaches_the_limit_of_its_blocks(alpha: float) -> None:
    """C46: on |W - W*|^2/2 from the optimal start; from zero the tail of rank r."""
    target, zero = normals(1, 12, 9), torch.zeros(1, 12, 9, dtype=torch.float64)
    values = torch.linalg.svdvals(target[0]).numpy()
    for start_name, limit in (("optimal", block_limit(values, 2, alpha)), ("zero", tail(values, 2))):
        layer = ManifoldAdapter(zero, 2, alpha, 0.0, start_name)  # type: ignore[arg-type]
        assert torch.equal(layer.weight(), zero)
        loss = float((quadratic(layer, target, 1.0, 400) - target).square().sum())
        assert loss == pytest.approx(limit, rel=1e-6)


def test_the_riemannian_step_is_the_projected_gradient_and_its_momentum_stays_tangent() -> None:
    zero, g, h = torch.zeros(2, 7, 8, dtype=torch.float64), normals(2, 7, 8), normals(2, 7, 8, seed=3)
    layer = ManifoldAdapter(zero, 2, 1.0, 0.5, "optimal")
    layer.step(g, 0.0)
    torch.testing.assert_close(layer.weight(), zero, atol=1e-12, rtol=0)
    assert layer.frames is not None

    def projected(z: Tensor) -> Tensor:
        u, v = (f @ f.mT for f in layer.frames)  # type: ignore[union-attr]
        return u @ z + z @ v - u @ z @ v

    expected = projected(0.5 * projected(0.5 * g) + 0.5 * h)
    before, eps = layer.weight(), 1e-6
    layer.step(h, eps)
    torch.testing.assert_close((before - layer.weight()) / eps, expected, rtol=1e-4, atol=1e-4)


ADAPTERS = [LoRA(), LoRA(freeze_a=True), SingLoRA(), TuckerLoRA(), RiemannianAdapter()]


@pytest.mark.parametrize("method", ADAPTERS, ids=repr)
def test_members_do_not_depend_on_their_neighbors(method: Any) -> None:
    def fit(seeds: list[int]) -> list[Tensor]:
        networks = method.fit_networks([toy()] * len(seeds), [Run([s], budget=STEPS) for s in seeds])
        return [factor for layer in networks[0].factors for factor in layer]

    assert all(torch.equal(a, b) for a, b in zip(fit([0, 0]), fit([0, 1, 2]), strict=True))


def test_adapters_of_a_random_network_learn_digits_and_freezing_costs() -> None:
    free, frozen = errors(LoRA(epochs=6.0)), errors(LoRA(epochs=6.0, freeze_a=True))
    assert max(free) < 0.15
    assert min(frozen) > max(free)
    assert max(frozen) < 0.4
    for method in (SingLoRA(epochs=6.0), TuckerLoRA(epochs=6.0), RiemannianAdapter(epochs=6.0)):
        assert max(errors(method)) < 0.2, method


def test_the_change_of_weights_has_the_rank_of_the_adapter() -> None:
    for before, after in zip(start(), fitted(LoRA(rank=2, batch=8)), strict=True):
        assert torch.linalg.matrix_rank(after - before, rtol=1e-8) == 2
