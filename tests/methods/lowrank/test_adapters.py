"""LoRA and its kin against autograd with torch's optimizers, and against closed forms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lowrank_support import STEPS, autograd, errors, fitted, quadratic, start, toy
from sensing_support import normals
from torch import Tensor

from dynamark.methods.lowrank.adapters import TwoFactorAdapter
from dynamark.methods.lowrank.lora import LoRA
from dynamark.methods.lowrank.networks import he_weights
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
        skipped=sum(a.numel() for a in right),
    )
    for a, b in zip(fitted(LoRA(rank=rank, alpha=alpha, rate=rate, batch=8, freeze_a=frozen)), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


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


ADAPTERS = [LoRA(), LoRA(freeze_a=True)]


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


def test_the_change_of_weights_has_the_rank_of_the_adapter() -> None:
    for before, after in zip(start(), fitted(LoRA(rank=2, batch=8)), strict=True):
        assert torch.linalg.matrix_rank(after - before, rtol=1e-8) == 2
