"""The one training loop: against closed forms, member by member, and to the bit whatever the neighbors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dynamark.methods.cohort import Stacked
from dynamark.methods.training import Recipe, clip_members, learning_rate, train
from dynamark.tasks.problems import Run

TRUE = torch.tensor([[2.0, -1.0, 0.5]])


def networks(count: int) -> list[nn.Module]:
    collected = []
    for k in range(count):
        torch.manual_seed(k)
        collected.append(nn.Linear(3, 1))
    return collected


def batch(member: int, run: Run) -> tuple[Tensor, Tensor]:
    x = torch.randn(16, 3, generator=run.generator)
    return x, x @ TRUE.T + 0.25


def loss(module: Any, x: Tensor, y: Tensor) -> Tensor:
    return (module(x) - y).square().mean()


def trained(count: int, recipe: Recipe, first: int = 0) -> list[Tensor]:
    runs = [Run((first + k,)) for k in range(count)]
    fitted = train(networks(first + count)[first:], loss, batch, runs, recipe)
    return [torch.cat([p.detach().flatten() for p in m.parameters()]) for m in fitted]


@pytest.mark.parametrize("optimizer", ["adam", "radam", "adagrad"])
def test_linear_regression_reaches_its_closed_form(optimizer: Any) -> None:
    rate = {"adam": 0.05, "radam": 0.1, "adagrad": 1.0}[optimizer]
    for network in trained(2, Recipe(steps=800, rate=rate, optimizer=optimizer, clip=None)):
        np.testing.assert_allclose(network, [2.0, -1.0, 0.5, 0.25], atol=2e-3)


def test_a_members_bits_depend_on_no_neighbor() -> None:
    recipe = Recipe(steps=50, rate=0.05)
    two, five = trained(2, recipe), trained(5, recipe)
    assert torch.equal(two[0], five[0])
    assert torch.equal(two[1], five[1])
    assert torch.equal(trained(3, recipe, first=1)[0], five[1])


def test_a_nan_stays_in_its_member() -> None:
    def poisoned(member: int, run: Run) -> tuple[Tensor, Tensor]:
        x, y = batch(member, run)
        return (x * torch.nan, y) if member == 1 else (x, y)

    runs = [Run((k,)) for k in range(3)]
    fitted = train(networks(3), loss, poisoned, runs, Recipe(steps=20, rate=0.05))
    finite = [all(torch.isfinite(p).all() for p in m.parameters()) for m in fitted]
    assert finite == [True, False, True]


def test_clipping_is_each_members_own() -> None:
    stacked = Stacked(networks(2))
    for p in stacked.parameters.values():
        p.grad = torch.ones_like(p)
        p.grad[1] *= 100
    clip_members(stacked.parameters, 4.0)
    norms = torch.stack(
        [p.grad.square().flatten(1).sum(1) for p in stacked.parameters.values() if p.grad is not None]
    ).sum(0)
    np.testing.assert_allclose(norms.sqrt(), [2.0, 4.0], rtol=1e-5)


@pytest.mark.parametrize(
    ("schedule", "start", "middle", "end"),
    [
        ("constant", 1, 1, 1),
        ("cosine", 1, 0.5, 0),
        ("exponential", 1, 1e-3**0.5, 1e-3),
        ("one_cycle", 0.04, 0.811745, 0),
    ],
)
def test_schedules(schedule: Any, start: float, middle: float, end: float) -> None:
    recipe = Recipe(rate=1.0, schedule=schedule)
    actual = [learning_rate(recipe, step, 100) for step in (0, 50, 100)]
    np.testing.assert_allclose(actual, [start, middle, end], atol=1e-6)


def test_one_cycle_peaks_at_30_percent() -> None:
    rates = [learning_rate(Recipe(rate=1.0), step, 100) for step in range(100)]
    assert int(np.argmax(rates)) == 30


def test_the_weights_that_validated_best_are_kept_member_by_member() -> None:
    """With a rate that never settles, some earlier weights are better than the last, if not of every member."""
    validation = [batch(k, Run((100 + k,))) for k in range(8)]
    recipe = Recipe(steps=60, rate=3.0, schedule="constant", clip=None)
    losses = []
    for how, *seen in ((replace(recipe, validate_every=1), validation), (recipe,)):
        models = train(networks(8), loss, batch, [Run((k,)) for k in range(8)], how, *seen)
        losses.append([loss(model, *data).item() for model, data in zip(models, validation, strict=True)])
    assert all(best <= last for best, last in zip(*losses, strict=True))
    assert sum(best < last for best, last in zip(*losses, strict=True)) >= 5


def test_rates_scale_by_name() -> None:
    recipe = Recipe(steps=5, rate=0.1, rates={"bias": 0.0}, weight_decay=0.0)
    before = [m.bias.detach().clone() for m in networks(1)]  # type: ignore[union-attr]
    (after,) = train(networks(1), loss, batch, [Run()], recipe)
    assert torch.equal(before[0], after.bias)  # type: ignore[arg-type]
    assert not torch.equal(networks(1)[0].weight, after.weight)  # type: ignore[arg-type]


def test_the_budget_bounds_the_steps_and_progress_is_reported() -> None:
    collected: list[tuple[int, int]] = []
    run = Run(budget=7, on_progress=lambda step, total: collected.append((step, total)))
    train(networks(1), loss, batch, [run], Recipe(steps=100))
    assert collected[-1] == (7, 7)
    assert run.steps == 7
    assert [step for step, _ in run.curves["training_loss"]] == [1, 2, 3, 4, 5, 6, 7]
