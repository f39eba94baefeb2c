"""What the tests of sensing methods share: scores of a method on a task, and seeded normal draws."""

from __future__ import annotations

from typing import Any

import torch

from dynamark.runners.execute.answers import ask
from dynamark.tasks.problems import KINDS, Estimate, Recovery, Run
from dynamark.tasks.sensing.tasks import LowRankRecovery


def scores(method: Any, task: LowRankRecovery, seeds: int = 2) -> list[dict[str, float]]:
    """The scores of each seed, solved together where the method can."""
    solved = _solved(method, task, seeds, task.budget)
    scored = [task.score(ask(*fit), i) for i, fit in enumerate(solved)]
    return [{**s.values, **{f"fact.{name}": value for name, value in s.facts.items()}} for s in scored]


def matrices(method: Any, task: LowRankRecovery, seeds: int, budget: int) -> list[torch.Tensor]:
    """The estimated matrix of each seed."""
    estimates = [estimate for estimate, _, _ in _solved(method, task, seeds, budget)]
    products = {"product": lambda f, g: f @ g.mT, "symmetric": lambda x: x @ x.mT, "dense": lambda x: x}
    return [products[estimate.form](*estimate.factors) for estimate in estimates]


def _solved(method: Any, task: LowRankRecovery, seeds: int, budget: int | None) -> list[tuple[Estimate, Recovery, Run]]:
    problems = [task.problem(seed) for seed in range(seeds)]
    runs = [Run([seed], budget=budget) for seed in range(seeds)]
    single, plural = KINDS[Recovery]
    if hasattr(method, plural):
        estimates = method.fit_estimates(problems, runs)
    else:
        estimates = [getattr(method, single)(p, r) for p, r in zip(problems, runs, strict=True)]
    return list(zip(estimates, problems, runs, strict=True))


def normals(*shape: int, seed: int = 4) -> torch.Tensor:
    """Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
