"""Which rows of a results folder differ from what today's code plans by nothing but the digest of a source."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pyarrow as pa

from dynamark.results.schema import Row
from dynamark.runners.carry.tree import Code, Plan

__all__ = ["IDENTITY", "SOURCES", "Pair", "Question", "configuration", "in_question", "narrowed"]

SOURCES = ("method_source", "task_source")

# What else identifies a run. Of two rows that agree in all of it, one can be the other's re-run.
_SETTINGS = (
    "kind",
    "task",
    "tier",
    "task_version",
    "task_fields",
    "salt",
    "method",
    "method_fields",
    "budget",
    "device",
)

# The columns that decide which rows are in question.
IDENTITY = ("key", *_SETTINGS, *SOURCES, "seed", "status")

CURRENT, OTHER_CODE = "already current", "from the code of other revisions"
CHANGED, UNKNOWN = (
    "of tasks or methods whose version or parameters changed",
    "of tasks or methods unknown to this revision",
)


@dataclass(frozen=True)
class Pair:
    """A row of the old revision, and the columns that today's code plans for the same run, its key among them."""

    old: Row
    planned: Row


@dataclass(frozen=True)
class Question:
    """The rows that can be carried if a sample agrees, ordered by key; how many others there are, by reason."""

    pairs: tuple[Pair, ...]
    left_alone: Counter[str] = field(default_factory=Counter)


def narrowed(rows: pa.Table, task: Sequence[str], method: Sequence[str]) -> pa.Table:
    """The rows whose task and method match one of the globs each; no glob matches everything."""
    for column, globs in (("task", task), ("method", method)):
        if globs:
            labels = rows[column].to_pylist()
            rows = rows.filter(pa.array([any(_matches(label, glob) for glob in globs) for label in labels], pa.bool_()))
    return rows


def _matches(label: str, glob: str) -> bool:
    return fnmatchcase(label, glob) or fnmatchcase(label.partition("(")[0], glob)


def in_question(rows: Sequence[Row], old: Code, today: Code) -> Question:
    """Sort rows into those that can be carried and those that are left alone.

    Rows belong to the old revision if its own code plans them under their own key, with the digests that they have.
    """
    left_alone: Counter[str] = Counter()
    open_rows: list[Pair] = []
    for row, planned in _planned(rows, today):
        if planned is None:
            left_alone[UNKNOWN] += 1
        elif row["key"] == planned["key"] and _agree(row, planned, SOURCES):
            left_alone[CURRENT] += 1
        elif not _agree(row, planned, (*_SETTINGS, "seed")):
            left_alone[CHANGED] += 1
        else:
            open_rows.append(Pair(row, planned))
    planned_then = _planned([pair.old for pair in open_rows], old)
    pairs = []
    for pair, (_, then) in zip(open_rows, planned_then, strict=True):
        if then is not None and then["key"] == pair.old["key"] and _agree(pair.old, then, SOURCES):
            pairs.append(pair)
        else:
            left_alone[OTHER_CODE] += 1
    return Question(tuple(sorted(pairs, key=lambda pair: str(pair.old["key"]))), left_alone)


def _agree(row: Row, other: Row, columns: Sequence[str]) -> bool:
    return all(_plain(row[name]) == _plain(other[name]) for name in columns)


def _plain(value: object) -> object:
    """Fields, which are JSON, by their values."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def configuration(row: Row) -> Row:
    """What says how a run was made, but for its seed and sources."""
    return {name: row[name] for name in _SETTINGS}


def _planned(rows: Sequence[Row], code: Code) -> list[tuple[Row, Row | None]]:
    """Each row with the columns that the code plans for its run; None where it plans none."""
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(json.dumps(configuration(row)), []).append(place)
    seeds = [sorted({rows[place]["seed"] for place in places}) for places in groups.values()]
    plans: list[Plan] = code.plan([configuration(rows[places[0]]) for places in groups.values()], seeds) if rows else []
    plan_of: list[Row | None] = [None] * len(rows)
    for places, plan in zip(groups.values(), plans, strict=True):
        by_seed = {} if isinstance(plan, str) else {run["seed"]: run for run in plan}
        for place in places:
            plan_of[place] = by_seed.get(rows[place]["seed"])
    return list(zip(rows, plan_of, strict=True))
