"""The two ends of every task's scale on the published seeds, measured or read from the table that the repository keeps.

`python tests/scale_table.py [GLOB ...]` measures the tiny and the standard tier again (half an hour) and writes the table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dynamark.runners.registry import resolve_task
from dynamark.runners.spec import Spec
from dynamark.tasks.base import Task
from dynamark.tasks.catalog import TASKS
from dynamark.tasks.chaos.tasks import Reconstruction

__all__ = ["SEEDS", "TABLE", "Ends", "kept", "measured", "shipped"]

TABLE = Path(__file__).with_name("scale_table.json")
SEEDS = range(5)


@dataclass(frozen=True)
class Ends:
    """Baseline and oracle by seed; of a reconstruction also the distance of the training orbit from the test orbit.

    digest: of the task that was measured.
    """

    digest: str
    baseline: list[float]
    oracle: list[float | None]
    train: list[float] | None = None


def shipped(name: str, tier: str) -> Task:
    """The task of the catalog."""
    return resolve_task(Spec(name), tier)


def measured(task: Task, seeds: Sequence[int] = SEEDS) -> Ends:
    """Computed now."""
    train = None
    if isinstance(task, Reconstruction):
        train = []
        for seed in seeds:
            data = task.data(seed)
            train.append(task.divergence(data["test"][0], data["train"][0], seed))
    return Ends(task.digest, [task.baseline(k) for k in seeds], [task.oracle(k) for k in seeds], train)


def kept() -> dict[str, Ends]:
    """The table, by `family/name/tier`."""
    return {name: Ends(**entry) for name, entry in json.loads(TABLE.read_text()).items()} if TABLE.exists() else {}


def main(globs: list[str], tiers: tuple[str, ...] = ("tiny", "standard")) -> None:
    """Measure the chosen tasks and write the table after each, dropping tasks that are gone."""
    for name in TASKS:
        if globs and not any(Spec(name).matches(glob) for glob in globs):
            continue
        for tier in tiers:
            ends = measured(shipped(name, tier))
            # Read again: another process may measure other tasks.
            table = {**kept(), f"{name}/{tier}": ends}
            lines = [
                f'"{key}": {json.dumps(asdict(table[key]))}' for key in sorted(table) if key.rsplit("/", 1)[0] in TASKS
            ]
            beside = TABLE.with_suffix(".new")
            beside.write_text("{\n" + ",\n".join(lines) + "\n}\n")
            beside.replace(TABLE)  # whole at any moment


if __name__ == "__main__":
    main(sys.argv[1:])
