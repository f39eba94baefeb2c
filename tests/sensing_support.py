"""What the tests of sensing methods share: scores of a method on a task, and seeded normal draws."""

from __future__ import annotations

from typing import Any

import torch

from dynamark.runners.execute.answers import ask
from dynamark.tasks.problems import KINDS, Recovery, Run
from dynamark.tasks.sensing.tasks import LowRankRecovery


def scores(method: Any, task: LowRankRecovery, seeds: int = 2) -> list[dict[str, float]]:
    """The scores of each seed, solved together where the method can."""
    problems = [task.problem(seed) for seed in range(seeds)]
    runs = [Run([seed], budget=task.budget) for seed in range(seeds)]
    single, plural = KINDS[Recovery]
    if hasattr(method, plural):
        estimates = method.fit_estimates(problems, runs)
    else:
        estimates = [getattr(method, single)(p, r) for p, r in zip(problems, runs, strict=True)]
    scored = [task.score(ask(*fit), i) for i, fit in enumerate(zip(estimates, problems, runs, strict=True))]
    return [{**s.values, **{f"fact.{name}": value for name, value in s.facts.items()}} for s in scored]


def normals(*shape: int, seed: int = 4) -> torch.Tensor:
    """Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
