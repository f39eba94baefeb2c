"""Checks of results that are submitted for publication, and of a result that was re-run."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dynamark.errors import UserError
from dynamark.results.keys import run_key
from dynamark.results.schema import EXPERIMENT, FAILED, SCORED, STATUSES, Row
from dynamark.results.store import Store, published_store
from dynamark.results.tolerance import Spreads, changes, near, scores_of, spreads
from dynamark.version import __version__

__all__ = ["Current", "differences", "find", "places", "published_for", "sources", "verify"]


@dataclass(frozen=True)
class Current:
    """A task as it is now: its version, its fields (as JSON) and the digest of its source."""

    version: int
    fields: str
    source: str


# What a task is now, by its name and tier; None where it does not ship with dynamark.
Known = Callable[[str, str], Current | None]


def find(rows: pa.Table, key: str) -> Row:
    """The row whose key starts with the given hexadecimal digits."""
    if len(key) < 6 or set(key) - set("0123456789abcdef"):
        raise UserError(f"invalid key '{key}': expected at least 6 hexadecimal digits, as shown on the HTML page")
    matches: list[Row] = rows.filter(pc.starts_with(rows["key"], key)).to_pylist()
    if not matches:
        raise UserError(f"no result has a key that starts with {key}; give its results folder with --store")
    if len(matches) > 1:
        raise UserError(f"{len(matches)} results have a key that starts with {key}; give more digits")
    return matches[0]


def sources(old: Row, new: Row) -> list[str]:
    """Differences in code and parameters between two runs; these can explain different scores."""
    named = {
        "task_version": "task version has",
        "task_fields": "task parameters have",
        "method_fields": "method hyper-parameters have",
        "method_source": "method source has",
        "task_source": "task source has",
    }
    return [f"the {what} changed" for column, what in named.items() if old[column] != new[column]]


def places(old: Row, new: Row) -> list[str]:
    """Differences in hardware and libraries between two runs."""
    changes = []
    for name in ("processor", "torch", "numpy", "scipy", "blas"):
        before, now = ((row["provenance"] or {}).get(name) for row in (old, new))
        if before != now:
            changes.append(f"{name}: {before} before, {now} now")
    return changes


def differences(old: Row, new: Row, tolerance: float) -> list[str]:
    """Differences between a result and its re-run: the status, or scores that differ by more than `tolerance` (relative)."""
    if (old["status"] in SCORED) != (new["status"] in SCORED):
        return [f"status: {old['status']} before, {new['status']} now ({new['reason'] or 'no reason given'})"]
    moved = []
    before, after = (scores_of(row) for row in (old, new))
    for name in sorted(before.keys() | after.keys()):
        a, b = before.get(name, math.nan), after.get(name, math.nan)
        if not near(a, b, tolerance):
            moved.append(f"{name}: {a:.6g} before, {b:.6g} now")
    return moved


# What a published row must say to be compared with another of its key, or to say how far seeds differ.
_COMPARED = ("key", "task", "tier", "salt", "method", "status", "reason", "scores", "provenance")


def published_for(rows: Sequence[Row]) -> dict[str, Row]:
    """The published rows by key, as far as `verify` needs them for these rows: those of the same tasks and methods."""
    table = Store(published_store()).rows(_COMPARED)
    for name in ("task", "method"):
        table = table.filter(pc.is_in(table[name], pa.array(sorted({row[name] or "" for row in rows}), pa.string())))
    return {row["key"]: row for row in table.to_pylist()}


def verify(rows: Sequence[Row], published: Mapping[str, Row], known: Known) -> list[str]:
    """The problems of rows that are to be published, one line each; an empty list if the rows can be published."""
    if not rows:
        return ["the file has no rows"]
    problems = [
        f"key {key[:16]}… occurs in {count} rows" for key, count in Counter(r["key"] for r in rows).items() if count > 1
    ]
    seen: set[str] = set()
    over_seeds = spreads(published.values())
    for row in rows:
        where = f"{row['method']} on {row['task']} [{row['tier']}], seed {row['seed']}"
        for problem in _of_row(row, published, over_seeds, known):
            # A problem that all seeds share is reported once.
            shared = problem.startswith("the task") or "checkout" in problem or "installed" in problem
            line = f"{row['task']} [{row['tier']}]: {problem}" if shared else f"{where}: {problem}"
            if line not in seen:
                seen.add(line)
                problems.append(line)
    return problems


def _of_row(row: Row, published: Mapping[str, Row], over_seeds: Spreads, known: Known) -> Iterator[str]:
    if row["key"] != run_key(row):
        yield "the key does not match the recorded configuration; make rows with `dynamark run`, not by hand"
    if row["status"] not in STATUSES:
        yield f"unknown status '{row['status']}'; expected one of: {', '.join(STATUSES)}"
    yield from _content(row)
    yield from _task(row, known)
    yield from _origin(row)
    place = row["provenance"] or {}
    if not place.get("dynamark") or not place.get("processor"):
        yield "the provenance lacks the dynamark version or the processor; run again with `dynamark run`"
    if place.get("dirty"):
        yield "it ran in a checkout with uncommitted changes; commit them and run again"
    elif _is_installed(row) and place.get("dynamark") != __version__:
        yield f"it ran with an installed dynamark {place.get('dynamark')}, not {__version__}; upgrade and run again"
    if row["key"] in published:
        yield from _changed(published[row["key"]], row, over_seeds)


def _is_installed(row: Row) -> bool:
    """Whether a row comes from an installed package, which knows no commit."""
    place = row["provenance"] or {}
    return bool(place.get("dynamark")) and place.get("commit") is None and not place.get("dirty")


def _changed(old: Row, new: Row, over_seeds: Spreads) -> Iterator[str]:
    """A published value that another run of the same key contradicts."""
    if (old["status"] in SCORED) != (new["status"] in SCORED):
        yield f"its status is {new['status']}, but {old['status']} is published; run it again"
    elif moved := changes(old, new, over_seeds):
        yield f"it changes a published value ({moved[0]}); increase the version of the task or remove the row"


def _origin(row: Row) -> Iterator[str]:
    """What is wrong with the record of a row that was carried from the source of an older revision."""
    steps = row.get("carried_from") or []
    for step, after in itertools.pairwise([*steps, row]):
        if not step["method_source"] or not step["task_source"] or not step["commit"] or not _is_date(step["date"]):
            yield "it was carried, but the digests, the commit or the date are missing; use `dynamark results carry`"
        elif all(step[name] == after[name] for name in ("method_source", "task_source")):
            yield "it was carried, but from the digests that it has; use `dynamark results carry`"
        if min(step["tiny"] or 0, step["rows"] or 0) < 0 or not (step["tiny"] or 0) + (step["rows"] or 0):
            yield "it was carried without a sample; use `dynamark results carry`"


def _is_date(text: str | None) -> bool:
    try:
        datetime.fromisoformat(text or "")
    except ValueError:
        return False
    return True


def _content(row: Row) -> Iterator[str]:
    if row["status"] in FAILED and not row["reason"]:
        yield "it failed, but the reason is missing"
    if row["status"] not in SCORED or row["kind"] == EXPERIMENT:
        return
    primary = row["primary"]
    if primary is None or primary["value"] is None or not math.isfinite(primary["value"]):
        yield "the primary score is missing or not finite"
    elif {primary["score"]: primary["value"]}.items() - scores_of(row).items():
        yield "the primary score is not among the scores"


def _parsed(text: str | None) -> Any:
    """JSON from a row; None if it is none."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None


def _task(row: Row, known: Known) -> Iterator[str]:
    if row["kind"] == EXPERIMENT:
        return
    current = known(row["task"], row["tier"])
    if current is None:
        yield "the task does not ship with dynamark; keep results of your own tasks in your own results folder"
    elif row["task_version"] != current.version:
        yield f"the task has version {current.version} now, not {row['task_version']}; run it again"
    elif _parsed(row["task_fields"]) != json.loads(current.fields):
        yield "the task has other parameters now; run it again"
    elif _is_installed(row) and row["task_source"] != current.source:
        # Without a commit, only the digest says which code ran: an installed package may be any.
        yield "the task ran with an installed package whose code is not that of this checkout; run it in a checkout"
