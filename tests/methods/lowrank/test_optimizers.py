"""Adam, Lion, GaLore, online subspace descent and Flora against torch, naive loops and closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from lowrank_support import STEPS, assert_close, autograd, errors, fitted, quadratic, start, toy
from sensing_support import normals
from torch import Tensor

from dynamark.methods.lowrank.adaptive import AdamTraining, LionTraining
from dynamark.methods.lowrank.galore import Flora, GaLore, OnlineSubspaceDescent
from dynamark.methods.lowrank.optimizers import Full, Lion
from dynamark.methods.lowrank.projected import (
    LearnedProjection,
    RandomProjection,
    SingularProjection,
    leading,
    reconstruction_gradient,
)
from dynamark.tasks.problems import Run

METHODS = [AdamTraining(), LionTraining(), GaLore(), OnlineSubspaceDescent(), Flora()]


def test_adam_is_that_of_torch() -> None:
    weights = [w.clone().requires_grad_() for w in start()]
    expected = autograd(weights, lambda: weights, lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95)))
    assert_close(fitted(AdamTraining(rate=0.01, batch=8, beta1=0.8, beta2=0.95)), expected)


class PlainLion(torch.optim.Optimizer):
    """Lion as its paper writes it, one number after the other."""

    def step(self, closure: Any = None) -> None:
        b1, b2, rate, decay = 0.9, 0.99, 0.01, 0.5
        for p in self.param_groups[0]["params"]:
            m = self.state[p].setdefault("m", torch.zeros_like(p))
            update = (b1 * m + (1 - b1) * p.grad).sign()
            p.data = p.data - rate * (update + decay * p.data)
            self.state[p]["m"] = b2 * m + (1 - b2) * p.grad


def test_lion_is_that_of_its_paper() -> None:
    weights = [w.clone().requires_grad_() for w in start()]
    expected = autograd(weights, lambda: weights, lambda p: PlainLion(p, {}))
    assert_close(fitted(LionTraining(rate=0.01, batch=8, decay=0.5)), expected)


def test_lion_stays_in_its_box() -> None:
    """C35: |x| tends to at most 1/lambda, by the factor 1 - eta lambda in every step."""
    first = 3 * normals(2, 4, 5)
    end = quadratic(Full(first, Lion(), decay=2.0), 10 * normals(2, 4, 5, seed=8), 0.01, 400)
    excess = (end.abs().max() - 0.5).clamp(min=0)
    assert excess <= (1 - 0.02) ** 400 * (first.abs().max() - 0.5) + 1e-12
    assert end.abs().max() > 0.49


@pytest.mark.parametrize(
    "method", [GaLore(rank=7, rate=0.01, batch=8), OnlineSubspaceDescent(rank=7, rate=0.01, batch=8)]
)
def test_projections_of_full_rank_are_adam(method: Any) -> None:
    assert_close(fitted(method), fitted(AdamTraining(rate=0.01, batch=8)))


class Averaged(torch.optim.Optimizer):
    """m <- .9 m + .1 g, p <- p - .01 m."""

    def step(self, closure: Any = None) -> None:
        for p in self.param_groups[0]["params"]:
            self.state[p]["m"] = 0.9 * self.state[p].get("m", 0.0) + 0.1 * p.grad
            p.data = p.data - 0.01 * self.state[p]["m"]


def test_flora_of_full_rank_is_momentum() -> None:
    weights = [w.clone().requires_grad_() for w in start()]
    expected = autograd(weights, lambda: weights, lambda p: Averaged(p, {}))
    assert_close(fitted(Flora(rank=7, rate=0.01, batch=8)), expected)


def naive_galore(target: Tensor, rank: int, every: int, rate: float, steps: int) -> Tensor:
    """GaLore on |W - W*|^2/2 from 0 for one matrix with fewer columns than rows, written out."""
    w, m, v, q = torch.zeros_like(target), 0.0, 0.0, torch.empty(0)
    for t in range(steps):
        g = w - target
        if t % every == 0:
            q = torch.linalg.svd(g.T, full_matrices=False)[0][
                :, :rank
            ]  # with these signs: the moments stay as they are
        r = g @ q
        m, v = 0.9 * m + 0.1 * r, 0.999 * v + 0.001 * r**2
        w = w - rate * 0.25 * (m / (1 - 0.9 ** (t + 1))) / ((v / (1 - 0.999 ** (t + 1))) ** 0.5 + 1e-8) @ q.T
    return w


def test_galore_is_its_algorithm() -> None:
    target = normals(1, 7, 5)
    layer = Full(torch.zeros_like(target), SingularProjection(2, 0.25, 4, "keep"))
    torch.testing.assert_close(quadratic(layer, target, 0.1, 9)[0], naive_galore(target[0], 2, 4, 0.1, 9))


def test_galore_moves_within_one_subspace_until_it_is_refreshed() -> None:
    target = normals(2, 6, 9)
    for every, rank in ((100, 2), (10, 4)):
        layer = Full(torch.zeros_like(target), SingularProjection(2, 1.0, every, "keep"))
        assert torch.linalg.matrix_rank(quadratic(layer, target, 0.01, 20), rtol=1e-8).tolist() == [rank] * 2


def test_moments_are_carried_to_a_new_basis() -> None:
    """The same subspace in another basis: the first moment of P'G is that of the same P m, and the second stays positive."""
    rules = {name: SingularProjection(2, 1.0, 1, name) for name in ("keep", "rotate", "reset")}  # type: ignore[arg-type]
    g = normals(1, 2, 6) + torch.tensor([[[3.0], [0.0]]], dtype=torch.float64)
    g = torch.cat([g, torch.zeros(1, 3, 6, dtype=torch.float64)], 1)
    turned = g.clone()
    turned[:, [0, 1]] = 2 * g[:, [1, 0]]
    for rule in rules.values():
        rule.direction(g)
        rule.direction(turned)
    moments = {name: (rule.basis @ rule.adam.first) for name, rule in rules.items()}  # type: ignore[operator]
    torch.testing.assert_close(moments["rotate"], 0.09 * g + 0.1 * turned)
    torch.testing.assert_close(moments["reset"], 0.1 * turned)
    assert (moments["keep"] - moments["rotate"]).norm() > 0.01 * moments["rotate"].norm()
    assert all(bool((rule.adam.second >= 0).all()) for rule in rules.values())  # type: ignore[operator]


def test_the_gradient_of_the_reconstruction_is_that_of_autograd() -> None:
    p, g = normals(2, 6, 3).requires_grad_(), normals(2, 6, 8, seed=5)
    (0.5 * (p @ p.mT @ g - g).square().sum()).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(reconstruction_gradient(p.detach(), g), p.grad)


def test_a_learned_projection_follows_the_gradient() -> None:
    """From the singular vectors of one gradient to the space of another of its rank, where |P P'G - G| = 0."""
    rule = LearnedProjection(2, 1.0, 0.01)
    first, other = (normals(1, 6, 2, seed=s) @ normals(1, 2, 9, seed=s + 1) for s in (1, 7))
    gaps = []
    for gradient in (first, *[other] * 600):
        rule.direction(gradient)
        assert rule.basis is not None
        gaps.append(float((rule.basis @ rule.basis.mT @ gradient - gradient).norm() / gradient.norm()))
    assert gaps[0] < 1e-12
    assert gaps[1] > 0.3
    assert gaps[-1] < 0.02


def test_one_random_projection_reaches_its_row_space_and_many_reach_everything() -> None:
    """Frozen P: W - W_0 tends to (W* - W_0) Q, Q the orthogonal projection on the rows of P."""
    target = normals(2, 5, 8)
    for every, steps in ((10_000, 1500), (40, 4000)):
        rule = RandomProjection(3, every, 0.9, [Run([0]), Run([1])])
        end = quadratic(Full(torch.zeros_like(target), rule), target, 0.05, steps)
        assert rule.basis is not None
        expected = target @ torch.linalg.pinv(rule.basis) @ rule.basis if every > steps else target
        assert (end - expected).norm() < 1e-3 * target.norm()


def test_leading_vectors_are_those_of_the_largest_values() -> None:
    g = normals(3, 4, 9)
    u = leading(g, 2)
    torch.testing.assert_close((u.mT @ g).square().sum((1, 2)), torch.linalg.svdvals(g)[:, :2].square().sum(1))


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_members_do_not_depend_on_their_neighbors(method: Any) -> None:
    def fit(seeds: list[int]) -> list[Tensor]:
        networks = method.fit_networks([toy()] * len(seeds), [Run([s], budget=STEPS) for s in seeds])
        return [factor for layer in networks[0].factors for factor in layer]

    assert all(torch.equal(a, b) for a, b in zip(fit([0, 0]), fit([0, 1, 2]), strict=True))


def test_all_learn_digits_and_a_larger_rank_helps_a_projection() -> None:
    by_method = {type(m).__name__: max(errors(replace(m, epochs=6.0))) for m in METHODS}
    assert max(by_method.values()) < 0.2, by_method
    assert min(errors(GaLore(epochs=6.0), rank=2)) > by_method["GaLore"]


def test_galore_is_that_of_its_package() -> None:
    galore = pytest.importorskip("galore_torch")
    target = normals(7, 5)  # within one basis: later ones differ by signs, which kept moments feel
    w = torch.nn.Parameter(torch.zeros_like(target))
    groups = [{"params": [w], "rank": 2, "update_proj_gap": 100, "scale": 0.25, "proj_type": "std"}]
    optimizer = galore.GaLoreAdamW(groups, lr=0.1, eps=1e-12, weight_decay=0.0)
    for _ in range(9):
        w.grad = w.detach() - target
        optimizer.step()
    torch.testing.assert_close(w.detach(), naive_galore(target, 2, 100, 0.1, 9), rtol=1e-3, atol=1e-5)


def test_lion_is_that_of_its_package() -> None:
    lion = pytest.importorskip("lion_pytorch")
    weights = [w.clone().requires_grad_() for w in start()]
    expected = autograd(weights, lambda: weights, lambda p: lion.Lion(p, lr=0.01, betas=(0.9, 0.99), weight_decay=0.5))
    assert_close(fitted(LionTraining(rate=0.01, batch=8, decay=0.5)), expected)
