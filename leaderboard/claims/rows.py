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
    "budget",
    "status",
    "scores",
    "curves",
    "fit_seconds",
    "finished",
)

# The fields of a task that tell the budget of its runs.
_BUDGETS = ("passes", "updates")


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
    named = dict.fromkeys(field for need in claim.needs for field in _told(need))
    for need in claim.needs:
        found = _found(need, prepared).sort_values("finished").drop_duplicates("seed", keep="last")
        missing += need.seeds - len(found)
        # What another run of the claim names, this one has by default: read off the row.
        told = _told(need)
        fields = {
            f"{side}.{name}": [told.get((side, name), own.get(name)) for own in found[f"{side}_told"]]
            for side, name in named
        }
        parts.append(found.assign(**fields))
    rows = pandas.concat(parts, ignore_index=True)
    scores = [
        {f"score.{s['name']}": s["value"] for s in entry} if status in SCORED and entry is not None else {}
        for entry, status in zip(rows["scores"], rows["status"], strict=True)
    ]
    return pandas.concat([rows, pandas.DataFrame(scores, index=rows.index)], axis=1), missing


def _told(need: Runs | Experiment) -> dict[tuple[str, str], Any]:
    """The fields that a need names, by side (task or method) and name."""
    sides = {"task": need.fields} if isinstance(need, Experiment) else {"task": need.task_fields, "method": need.fields}
    return {(side, name): value for side, fields in sides.items() for name, value in fields.items()}


def _found(need: Runs | Experiment, rows: pandas.DataFrame) -> pandas.DataFrame:
    early = rows["seed"] < need.seeds
    if isinstance(need, Experiment):
        near = rows[early & (rows["tier"] == "experiment") & (rows["task_name"] == need.name)]
        return near[_with(need.fields, near, "task")]
    named = (rows["task_name"] == need.task) & (rows["method_name"] == need.method)
    near = rows[early & named & (rows["tier"] == need.tier)]
    return near[_with(need.task_fields, near, "task") & _with(need.fields, near, "method") & _unbound(near)]


def _unbound(rows: pandas.DataFrame) -> pandas.Series:
    """Which rows had the budget of their task and fixed fields: a suite may set another, and let a method choose."""
    own = [budget in map(task.get, _BUDGETS) for budget, task in zip(rows["budget"], rows["task_told"], strict=True)]
    chooses = [any(isinstance(value, dict) for value in method.values()) for method in rows["method_told"]]
    return (rows["budget"].isna() | np.array(own, dtype=bool)) & ~np.array(chooses, dtype=bool)


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
