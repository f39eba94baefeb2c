"""Trust: what is checked of rows that somebody hands in, and of a run that was done again."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from dynamark.errors import UserError
from dynamark.results.keys import run_key
from dynamark.results.schema import EXPERIMENT, FAILED, SCORED, STATUSES, Row

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["differences", "find", "places", "sources", "verify"]

# The version and the fields (as JSON) of a task at a tier; None where it is unknown.
Known = Callable[[str, str], tuple[int, str] | None]


def find(rows: pa.Table, key: str) -> Row:
    """The row whose key begins with these digits."""
    if len(key) < 6 or set(key) - set("0123456789abcdef"):
        raise UserError(f"'{key}' is no key; give at least 6 of its hexadecimal digits, as the page shows them")
    found: list[Row] = rows.filter(pc.starts_with(rows["key"], key)).to_pylist()
    if not found:
        raise UserError(f"no row has a key that begins with {key}; name its store with --store")
    if len(found) > 1:
        raise UserError(f"{len(found)} rows have a key that begins with {key}; give more of its digits")
    return found[0]


def sources(old: Row, new: Row) -> list[str]:
    """What differs in what was run: a difference here explains another result."""
    named = {
        "task_version": "version of the task",
        "task_fields": "parameters of the task",
        "method_fields": "hyper-parameters of the method",
        "method_source": "source of the method",
        "task_source": "source of the task",
    }
    return [f"the {what} changed since" for column, what in named.items() if old[column] != new[column]]


def places(old: Row, new: Row) -> list[str]:
    """What differs in where it ran."""
    told = []
    for name in ("processor", "torch", "numpy", "scipy", "blas"):
        before, now = ((row["provenance"] or {}).get(name) for row in (old, new))
        if before != now:
            told.append(f"{name}: {before} before, {now} now")
    return told


def differences(old: Row, new: Row, tolerance: float) -> list[str]:
    """What a run done again says otherwise: its status, or a score that is off by more than `tolerance` (relative)."""
    if (old["status"] in SCORED) != (new["status"] in SCORED):
        return [f"status: {old['status']} before, {new['status']} now ({new['reason'] or 'no reason given'})"]
    told = []
    before, after = (_scores(row) for row in (old, new))
    for name in sorted(before.keys() | after.keys()):
        a, b = before.get(name, math.nan), after.get(name, math.nan)
        if not _near(a, b, tolerance):
            told.append(f"{name}: {a:.6g} before, {b:.6g} now")
    return told


def _scores(row: Mapping[str, Any]) -> dict[str, float]:
    scores = {score["name"]: score["value"] for score in row["scores"] or ()}
    # Times that a task takes as scores are the machine's, not the method's.
    return {name: math.nan if v is None else v for name, v in scores.items() if "seconds" not in name}


def _near(a: float, b: float, tolerance: float) -> bool:
    if math.isnan(a) or math.isnan(b) or math.isinf(a) or math.isinf(b):
        return a == b or (math.isnan(a) and math.isnan(b))
    return abs(a - b) <= tolerance * max(abs(a), abs(b))


def verify(rows: Sequence[Row], published: Mapping[str, Row], known: Known) -> list[str]:
    """What is wrong with rows that are to be published, a line each; nothing when they may be."""
    if not rows:
        return ["it holds no rows"]
    problems = [
        f"key {key[:16]}… stands in {count} rows" for key, count in Counter(r["key"] for r in rows).items() if count > 1
    ]
    seen: set[str] = set()
    for row in rows:
        where = f"{row['method']} on {row['task']} [{row['tier']}], seed {row['seed']}"
        for problem in _of_row(row, published, known):
            # One line for what all seeds share.
            shared = problem.startswith("the task") or "checkout" in problem
            line = f"{row['task']} [{row['tier']}]: {problem}" if shared else f"{where}: {problem}"
            if line not in seen:
                seen.add(line)
                problems.append(line)
    return problems


def _of_row(row: Row, published: Mapping[str, Row], known: Known) -> Iterator[str]:
    if row["key"] != run_key(row):
        yield "its key is not that of what it says of itself; rows are made by `dynamark run`, not by hand"
    if row["status"] not in STATUSES:
        yield f"unknown status '{row['status']}'; statuses: {', '.join(STATUSES)}"
    yield from _content(row)
    yield from _task(row, known)
    place = row["provenance"] or {}
    if not place.get("dynamark") or not place.get("processor"):
        yield "its provenance does not say what it ran on"
    if place.get("dirty"):
        yield "it ran in a changed checkout; commit the change and run again"
    if row["key"] in published:
        changed = differences(published[row["key"]], row, 1e-9)
        if changed:
            yield f"changes a published value ({changed[0]}); raise the task's version or leave the row out"


def _content(row: Row) -> Iterator[str]:
    if row["status"] in FAILED and not row["reason"]:
        yield "it failed and gives no reason"
    if row["status"] not in SCORED or row["kind"] == EXPERIMENT:
        return
    primary = row["primary"]
    if primary is None or primary["value"] is None or not math.isfinite(primary["value"]):
        yield "it has no finite primary score"
    elif {primary["score"]: primary["value"]}.items() - _scores(row).items():
        yield "its primary score is not among its scores"


def _task(row: Row, known: Known) -> Iterator[str]:
    if row["kind"] == EXPERIMENT:
        return
    told = known(row["task"], row["tier"])
    if told is None:
        yield "the task is not one of dynamark's; rows of other tasks belong in a store of your own"
    elif row["task_version"] != told[0]:
        yield f"the task has version {told[0]} here, not {row['task_version']}; run it again"
    elif json.loads(row["task_fields"]) != json.loads(told[1]):
        yield "the task has other parameters here under that name; run it again"
