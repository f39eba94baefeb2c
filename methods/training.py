"""The training loop of all gradient-trained methods: Adam on stacked seeds, a schedule, gradient clipping, the best weights.

All methods share this loop and differ only in their recipe, so that a comparison of networks does not compare training loops.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from dynamark.methods.cohort import Stacked
from dynamark.tasks.problems import Run

__all__ = ["Recipe", "clip_members", "learning_rate", "train"]


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run: steps, learning rate with its schedule, gradient clipping, optimizer.

    schedule: `one_cycle` increases over the first 30 % of steps and decays to 0, both as cosines (Smith 2018); `cosine` decays
        from the first step on; `exponential` decays to `final` times the rate; `constant`.
    clip: largest gradient norm of a member; None does not clip.
    rates: multipliers of the learning rate by a regular expression for parameter names (the first match applies).
    validate_every: steps between validations; training returns the weights with the least validation loss. 0 returns the last.
    """

    steps: int = 2000
    rate: float = 1e-3
    schedule: Literal["one_cycle", "cosine", "exponential", "constant"] = "one_cycle"
    final: float = 1e-3
    clip: float | None = 1.0
    weight_decay: float = 0.0
    rates: Mapping[str, float] = field(default_factory=dict)
    validate_every: int = 0
    optimizer: Literal["adam", "radam", "adagrad"] = "adam"


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate at `step` (from 0) of `steps`."""
    progress = step / max(1, steps)
    if recipe.schedule == "constant":
        return recipe.rate
    if recipe.schedule == "exponential":
        return recipe.rate * float(recipe.final**progress)
    if recipe.schedule == "cosine":
        return recipe.rate * 0.5 * (1 + math.cos(math.pi * progress))
    warm = 0.3
    if progress < warm:
        return recipe.rate * (0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * progress / warm)))
    return recipe.rate * 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))


def train(
    modules: Sequence[nn.Module],
    loss: Callable[..., Tensor],
    batch: Callable[[int, Run], tuple[Tensor, ...]],
    runs: Sequence[Run],
    recipe: Recipe,
    validation_data: Sequence[tuple[Tensor, ...]] | None = None,
) -> list[nn.Module]:
    """Train modules of equal structure together, one per run, and return them with the trained weights.

    loss(module, *batch): the mean loss of one member, a scalar.
    batch(member, run): the tensors of the member's next batch, tensors with `run.generator`.
    validation_data: one tuple of tensors per member; the best weights are those with the least `loss` on it.
    """
    stacked = Stacked(modules)
    steps = runs[0].limit(recipe.steps)
    optimizer, scales = _optimizer(stacked, recipe)
    best: dict[str, Tensor] | None = None
    best_loss = torch.full((len(modules),), torch.inf)
    validation = None if validation_data is None else _stack(validation_data)
    for step in range(steps):
        for group, scale in zip(optimizer.param_groups, scales, strict=True):
            group["lr"] = learning_rate(recipe, step, steps) * scale
        tensors = _stack([batch(i, run) for i, run in enumerate(runs)])
        optimizer.zero_grad(set_to_none=True)
        losses = stacked.each(loss, *tensors)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        if recipe.clip is not None:
            clip_members(stacked.parameters, recipe.clip)
        optimizer.step()
        _report(runs, step + 1, steps, losses)
        if (
            validation is not None
            and recipe.validate_every
            and ((step + 1) % recipe.validate_every == 0 or step + 1 == steps)
        ):
            with torch.no_grad():
                validation_loss = stacked.each(loss, *validation)
            best, best_loss = _keep_best(stacked.parameters, validation_loss, best, best_loss)
    return stacked.write_back(best)


def _stack(members: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(parts) for parts in zip(*members, strict=True))


def _optimizer(stacked: Stacked, recipe: Recipe) -> tuple[torch.optim.Optimizer, list[float]]:
    """The optimizer, with one parameter group per multiplier of the learning rate, and the multipliers."""
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in stacked.parameters.items():
        scale = next((s for pattern, s in recipe.rates.items() if re.search(pattern, name)), 1.0)
        groups.setdefault(scale, []).append(parameter)
    parameter_groups = [{"params": members} for members in groups.values()]
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adam": torch.optim.AdamW,
        "radam": torch.optim.RAdam,
        "adagrad": torch.optim.Adagrad,
    }
    optimizer = kinds[recipe.optimizer](parameter_groups, lr=recipe.rate, weight_decay=recipe.weight_decay)
    return optimizer, list(groups)


def clip_members(parameters: Mapping[str, Tensor], limit: float) -> None:
    """Scale each member's gradient to a norm of at most `limit`, independent of the other members."""
    gradients = [p.grad for p in parameters.values() if p.grad is not None]
    norms = torch.stack([g.abs().square().flatten(1).sum(1) for g in gradients]).sum(0).sqrt()
    factor = (limit / (norms + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def _keep_best(
    parameters: Mapping[str, Tensor], loss: Tensor, best: dict[str, Tensor] | None, best_loss: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """The best weights of each member so far, and their validation losses."""
    if best is None:
        return {name: p.detach().clone() for name, p in parameters.items()}, loss
    better = loss < best_loss
    for name, p in parameters.items():
        best[name][better] = p.detach()[better]
    return best, torch.where(better, loss, best_loss)


def _report(runs: Sequence[Run], step: int, steps: int, losses: Tensor) -> None:
    for run in runs:
        run.progress(step, steps)
    if Run.wants_snapshot(step):
        for run, value in zip(runs, losses.detach().tolist(), strict=True):
            run.curve("training_loss", float(step), value)
