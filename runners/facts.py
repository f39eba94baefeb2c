"""What a user knows of a task before choosing a method: how it is observed, its noise, inputs, sizes.

The facts of all tasks on boards are stored in `suites/facts.json`, so that the leaderboard reads them without generating data; a
test compares them with the tasks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from dynamark.runners.plan.suite import SHIPPED

if TYPE_CHECKING:
    from dynamark.tasks.base import Task

__all__ = ["Facts", "facts", "measure"]


@dataclass(frozen=True)
class Facts:
    """The facts of one task at one tier.

    observed: `fully` if the observations are the whole state, `partially` if not, `` if the task has no state.
    noise: whether measurements or dynamics are noisy. inputs: number of known input channels.
    dimension: observed channels; of a matrix its longer side, of a classifier its features.
    samples: observations to learn from; of a matrix its measurements.
    """

    observed: str
    noise: bool
    inputs: int
    dimension: int
    samples: int


def facts(task: str, tier: str) -> Facts | None:
    """The stored facts of a task by its label; None for a task that is on no board."""
    stored = _stored().get(tier, {}).get(task)
    return None if stored is None else Facts(**stored)


@cache
def _stored() -> dict[str, dict[str, dict[str, Any]]]:
    content: dict[str, dict[str, dict[str, Any]]] = json.loads((SHIPPED / "facts.json").read_text(encoding="utf-8"))
    return content


def measure(task: Task) -> Facts:
    """The facts of a task: sizes from the problem of seed 0, the rest from its fields."""
    inputs, dimension, samples = _sizes(task)
    return Facts(_observed(task), _noisy(task), inputs, dimension, samples)


def _sizes(task: Any) -> tuple[int, int, int]:
    """Input channels, dimension and samples."""
    if task.family == "chaos":  # known without generating the trajectory, which takes up to a minute
        return 0, len(task.system.observed or range(task.system.dim)), task.train
    problem, kind = task.problem(0), task.kind.__name__
    if kind == "Recovery":
        return 0, max(problem.operator.shape), problem.y.numel()
    if kind == "Training":
        return 0, problem.inputs[0].numel(), len(problem.inputs)
    if kind == "Online":
        return problem.channels, problem.dim, problem.horizon
    train = problem.train
    count, length = train.observations.shape[:2]
    samples = count * length if train.lengths is None else int(train.lengths.sum())
    return train.channels, train.dim, samples


def _observed(task: Any) -> str:
    if task.family in ("lds", "recorded"):  # the state is hidden behind the outputs, or unknown
        return "partially"
    if task.family == "sensing":
        return ""
    return "partially" if task.family == "chaos" and task.system.observed is not None else "fully"


def _noisy(task: Any) -> bool:
    """Noise: of measurements, by the fields `noise` and `level`; in stochastic dynamics; in every recording."""
    if task.family == "recorded":
        return True
    fields = task.fields()
    if "noise" in fields:
        return fields["noise"] not in (0, "n0")
    return bool(fields.get("level", 0)) or (task.family == "koopman" and "noise" not in fields)
