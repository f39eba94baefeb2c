"""The rows that a claim needs, found among all rows by task, method, fields, tier and seed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from dynamark.leaderboard.claims.claim import Claim, Experiment, Runs
from dynamark.results.schema import SCORED

if TYPE_CHECKING:
    import pandas

__all__ = ["COLUMNS", "experiments_of", "prepare", "runs_of", "select"]

# The columns of rows that claims read.
COLUMNS = (
    "key",
    "task",
    "tier",
    "salt",
    "task_fields",
    "method",
    "method_fields",
    "seed",
    "status",
    "scores",
    "curves",
    "fit_seconds",
    "finished",
)


def prepare(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Rows with names and fields taken apart: `task_name`, `method_name`, and the fields as dictionaries."""
    rows = rows[rows["salt"] == ""]
    return rows.assign(
        task_name=[_name(label) for label in rows["task"]],
        method_name=[_name(label) for label in rows["method"]],
        task_told=[json.loads(text) for text in rows["task_fields"]],
        method_told=[json.loads(text) for text in rows["method_fields"]],
    )


def select(claim: Claim, prepared: pandas.DataFrame) -> tuple[pandas.DataFrame, int]:
    """The rows of a claim, and how many of those that it needs are missing.

    Columns: those of the row, `task_name`, `method_name`, `task.<field>` and `method.<field>` for every field that the claim
    names, and `score.<name>` (NaN where a run failed). Of several rows of one run the one that finished last.
    """
    import pandas

    parts, missing = [], 0
    named = dict.fromkeys(column for need in claim.needs for column in _told(need))
    for need in claim.needs:
        found = _found(need, prepared).sort_values("finished").drop_duplicates("seed", keep="last")
        missing += need.seeds - len(found)
        told = _told(need)
        # What another run of the claim names, this one has by default: read off the row.
        own = {
            c: [told.get(c, _field(row, c)) for row in found[["task_told", "method_told"]].itertuples()] for c in named
        }
        parts.append(found.assign(**own))
    rows = pandas.concat(parts, ignore_index=True)
    scores = [
        {f"score.{s['name']}": s["value"] for s in entry} if status in SCORED and entry is not None else {}
        for entry, status in zip(rows["scores"], rows["status"], strict=True)
    ]
    return pandas.concat([rows, pandas.DataFrame(scores, index=rows.index)], axis=1), missing


def _told(need: Runs | Experiment) -> dict[str, Any]:
    """The fields that a need names, by column."""
    if isinstance(need, Experiment):
        return {f"task.{name}": value for name, value in need.fields.items()}
    task, method = need.task_fields, need.fields
    return {f"task.{name}": v for name, v in task.items()} | {f"method.{name}": v for name, v in method.items()}


def _field(row: Any, column: str) -> Any:
    """A field of a row's task or method; None where that has no such field."""
    side, _, name = column.partition(".")
    return (row.task_told if side == "task" else row.method_told).get(name)


def _found(need: Runs | Experiment, rows: pandas.DataFrame) -> pandas.DataFrame:
    rows = rows[rows["seed"] < need.seeds]
    if isinstance(need, Experiment):
        near = rows[(rows["tier"] == "experiment") & (rows["task_name"] == need.name)]
        return near[_with(need.fields, near, "task")]
    near = rows[(rows["tier"] == need.tier) & (rows["task_name"] == need.task) & (rows["method_name"] == need.method)]
    return near[_with(need.task_fields, near, "task") & _with(need.fields, near, "method")]


def _with(wanted: Mapping[str, Any], rows: pandas.DataFrame, side: str) -> ndarray:
    """Which rows have the fields that are wanted on this side, and no other that differs from its default."""
    pairs = zip(rows[f"{side}_told"], rows[side], strict=True)
    return np.array([_same(wanted, told, label) for told, label in pairs], dtype=bool)


def _same(wanted: Mapping[str, Any], told: Mapping[str, Any], label: str) -> bool:
    """Whether a row has the fields that are wanted, and no other that differs from its default."""
    return _changed(label) <= set(wanted) and all(
        json.loads(json.dumps(value)) == told.get(name) for name, value in wanted.items()
    )


def _name(label: str) -> str:
    return label.partition("(")[0]


def _changed(label: str) -> set[str]:
    """The fields that a label names: those that differ from their defaults."""
    import ast

    if not label.endswith(")"):
        return set()
    call = ast.parse(f"f{label[label.index('(') :]}", mode="eval").body
    return {str(k.arg) for k in call.keywords} if isinstance(call, ast.Call) else set()


def runs_of(claims: Sequence[Claim]) -> list[tuple[str, str, str, int]]:
    """The runs that claims need as (task, method, tier, seeds), in the specs that `dynamark run` reads; each once."""
    return _most(
        ((_spec(n.task, n.task_fields), _spec(n.method, n.fields), n.tier), n.seeds)
        for claim in claims
        for n in claim.needs
        if isinstance(n, Runs)
    )


def experiments_of(claims: Sequence[Claim]) -> list[tuple[str, int]]:
    """The experiments that claims need as (experiment, seeds); each once."""
    return _most(
        ((_spec(n.name, n.fields),), n.seeds) for claim in claims for n in claim.needs if isinstance(n, Experiment)
    )


def _most(needed: Iterable[tuple[tuple[str, ...], int]]) -> list[Any]:
    """Each thing once, with the largest number of seeds that any claim asks for."""
    most: dict[tuple[str, ...], int] = {}
    for what, seeds in needed:
        most[what] = max(seeds, most.get(what, 0))
    return [(*what, seeds) for what, seeds in most.items()]


def _spec(name: str, fields: Mapping[str, Any]) -> str:
    inside = ", ".join(f"{field}={value!r}" for field, value in fields.items())
    return f"{name}({inside})" if inside else name
