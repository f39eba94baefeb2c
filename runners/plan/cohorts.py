"""A planned run with its key, and the cohorts of runs that are solved together."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dynamark.results.keys import canonical, run_key
from dynamark.results.schema import EXPERIMENT, RUN, Row
from dynamark.runners.registry import Method
from dynamark.tasks.base import Task
from dynamark.tasks.problems import KINDS

__all__ = ["Cohort", "Planned", "PlannedExperiment", "PlannedRun", "cohorts"]

# Members of one cohort: enough to be bound by arithmetic, few enough to fit in memory.
COHORT = 8


@dataclass(frozen=True)
class PlannedRun:
    """One run: task x method x seed."""

    suite: str
    task: Task
    method: Method
    seed: int
    budget: int | None
    device: str
    task_source: str = field(compare=False)

    @functools.cached_property
    def row(self) -> Row:
        """The columns of its row that are known beforehand, the key among them."""
        row: Row = {
            "suite": self.suite,
            "kind": RUN,
            "family": self.task.family,
            "task": self.task.name,
            "tier": self.task.tier,
            "task_version": self.task.version,
            "task_fields": canonical(self.task.fields()),
            "task_source": self.task_source,
            "salt": self.task.salt,
            "method": self.method.label,
            "method_fields": canonical(self.method.fields),
            "method_source": self.method.source,
            "seed": self.seed,
            "budget": self.budget,
            "device": self.device,
        }
        return {"key": run_key(row), **row}

    @property
    def key(self) -> str:
        """What identifies the run."""
        return str(self.row["key"])


@dataclass(frozen=True)
class PlannedExperiment:
    """One measurement of a claim: experiment x seed. Its row is of the kind "experiment": no tier and no method."""

    suite: str
    method: Method
    seed: int
    device: str
    salt: str

    @functools.cached_property
    def row(self) -> Row:
        """The columns of its row that are known beforehand, the key among them."""
        row: Row = {
            "suite": self.suite,
            "kind": EXPERIMENT,
            "family": self.method.name.partition("/")[0],
            "task": self.method.label,
            "tier": "",
            "task_version": 1,
            "task_fields": canonical(self.method.fields),
            "task_source": self.method.source,
            "salt": self.salt,
            "method": "",
            "method_fields": "{}",
            "method_source": self.method.source,
            "seed": self.seed,
            "budget": None,
            "device": self.device,
        }
        return {"key": run_key(row), **row}

    @property
    def key(self) -> str:
        """What identifies the measurement."""
        return str(self.row["key"])

    @property
    def entropy(self) -> list[int]:
        """The words that seed it: the same whatever its source."""
        identity = [self.method.name, self.row["task_fields"], self.salt]
        words = hashlib.sha256(canonical(identity).encode()).digest()[:16]
        return [*(int.from_bytes(words[i : i + 4], "little") for i in range(0, 16, 4)), self.seed]


Planned = PlannedRun | PlannedExperiment


@dataclass(frozen=True)
class Cohort:
    """Runs that differ in seed only, solved together."""

    runs: tuple[Planned, ...]
    alone: bool = False  # a second try, member by member

    @property
    def experiment(self) -> bool:
        """Whether it runs an experiment, which has no task."""
        return isinstance(self.runs[0], PlannedExperiment)

    @property
    def label(self) -> str:
        """The label in the progress bar."""
        first = self.runs[0].row
        return str(first["task"]) if self.experiment else f"{first['method']} on {first['task']}"

    @property
    def task(self) -> Task:
        """The task of all members; an experiment has none."""
        first = self.runs[0]
        assert isinstance(first, PlannedRun)
        return first.task

    @property
    def entropies(self) -> list[list[int]]:
        """The entropy of each member of an experiment. The entropy of a run is given by its task."""
        return [run.entropy for run in self.runs if isinstance(run, PlannedExperiment)]

    @property
    def budget(self) -> int | None:
        """The budget of each member, in training steps or operator passes."""
        first = self.runs[0]
        return first.budget if isinstance(first, PlannedRun) else None

    @property
    def method(self) -> Method:
        """The method of all members."""
        return self.runs[0].method

    @property
    def seeds(self) -> list[int]:
        """The seeds of the members."""
        return [run.seed for run in self.runs]


def cohorts(runs: Iterable[Planned]) -> list[Cohort]:
    """Group runs that differ only in the seed if the method can fit seeds together; otherwise one run per cohort."""
    groups: dict[Any, list[Planned]] = {}
    for run in runs:
        group = (run.task.digest if isinstance(run, PlannedRun) else run.row["task"], run.method.label)
        groups.setdefault((*group, run.row["method_fields"]), []).append(run)
    batches: list[Cohort] = []
    for members in groups.values():
        size = COHORT if _together(members[0]) else 1
        batches.extend(Cohort(tuple(members[i : i + size])) for i in range(0, len(members), size))
    return batches


def _together(run: Planned) -> bool:
    return isinstance(run, PlannedRun) and KINDS[run.task.kind][1] in run.method.abilities
