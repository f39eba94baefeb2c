"""The rows that a claim needs, selected from all rows by task, method, fields, tier and seed; and the suites that make them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from dynamark.results.schema import EXPERIMENT, RUN, SCORED
from dynamark.runners.claims.claim import Claim, Experiment, Runs
from dynamark.runners.plan.suite import Entry, Suite
from dynamark.runners.spec import Spec, most_seeds, parse

if TYPE_CHECKING:
    import pandas

__all__ = ["COLUMNS", "prepare", "select", "suites_of"]

# The columns of rows that claims read.
COLUMNS = (
    "key",
    "kind",
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

# A field of a task or of a method, as (side, name).
Field = tuple[str, str]


def prepare(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Public rows with names and fields parsed: `task_name`, `method_name`, and the fields as dictionaries."""
    rows = rows[rows["salt"] == ""]
    return rows.assign(
        task_name=[_name(label) for label in rows["task"]],
        method_name=[_name(label) for label in rows["method"]],
        task_values=rows["task_fields"].map(_values),
        method_values=rows["method_fields"].map(_values),
    )


def select(claim: Claim, prepared: pandas.DataFrame) -> tuple[pandas.DataFrame, int]:
    """The rows of a claim, and how many of those that it needs are missing.

    Columns: those of the row, `task_name`, `method_name`, `task.<field>` and `method.<field>` for every field that the claim
    names, and `score.<name>` (NaN where a run failed). Of several rows of one run the one that finished last.
    """
    import pandas

    parts, missing = [], 0
    named = dict.fromkeys(field for need in claim.needs for field in _given(need))
    for need in claim.needs:
        rows = _rows_of(need, prepared).sort_values("finished").drop_duplicates("seed", keep="last")
        missing += need.seeds - len(rows)
        # What another run of the claim names, this one has by default: read off the row.
        given = _given(need)
        fields = {
            f"{side}.{name}": [given.get((side, name), own.get(name)) for own in rows[f"{side}_values"]]
            for side, name in named
        }
        parts.append(rows.assign(**fields))
    rows = pandas.concat(parts, ignore_index=True)
    scores = [
        {f"score.{s['name']}": s["value"] for s in entry} if status in SCORED and entry is not None else {}
        for entry, status in zip(rows["scores"], rows["status"], strict=True)
    ]
    return pandas.concat([rows, pandas.DataFrame(scores, index=rows.index)], axis=1), missing


def _given(need: Runs | Experiment) -> dict[Field, Any]:
    """The fields that a need names."""
    sides = {"task": need.fields} if isinstance(need, Experiment) else {"task": need.task_fields, "method": need.fields}
    return {(side, name): value for side, fields in sides.items() for name, value in fields.items()}


def _rows_of(need: Runs | Experiment, rows: pandas.DataFrame) -> pandas.DataFrame:
    early = rows["seed"] < need.seeds
    if isinstance(need, Experiment):
        near = rows[early & (rows["kind"] == EXPERIMENT) & (rows["task_name"] == need.name)]
        return near[_with(need.fields, near, "task")]
    named = (rows["task_name"] == need.task) & (rows["method_name"] == need.method)
    near = rows[early & named & (rows["tier"] == need.tier) & (rows["kind"] == RUN)]
    return near[_with(need.task_fields, near, "task") & _with(need.fields, near, "method") & _unbound(near)]


def _unbound(rows: pandas.DataFrame) -> pandas.Series:
    """Which rows had the budget of their task and fixed fields: a suite may set another, and let a method choose."""
    own = [budget in map(task.get, _BUDGETS) for budget, task in zip(rows["budget"], rows["task_values"], strict=True)]
    chooses = [any(isinstance(value, dict) for value in method.values()) for method in rows["method_values"]]
    return (rows["budget"].isna() | np.array(own, dtype=bool)) & ~np.array(chooses, dtype=bool)


def _with(wanted: Mapping[str, Any], rows: pandas.DataFrame, side: str) -> ndarray:
    """Which rows have the fields that are wanted on this side, and no other that differs from its default."""
    plain = json.loads(json.dumps(dict(wanted)))
    pairs = zip(rows[f"{side}_values"], rows[side], strict=True)
    return np.array(
        [
            _changed(label) <= set(plain) and all(values.get(name) == value for name, value in plain.items())
            for values, label in pairs
        ],
        dtype=bool,
    )


def _name(label: str) -> str:
    return label.partition("(")[0]


# Few distinct texts stand in many rows.


@functools.lru_cache(maxsize=1 << 14)
def _values(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(text)
    return fields


@functools.lru_cache(maxsize=1 << 14)
def _changed(label: str) -> frozenset[str]:
    """The fields that a label names: those that differ from their defaults."""
    if not label.endswith(")"):
        return frozenset()
    spec = parse(label)
    return frozenset({*spec.fields, *spec.choices})


def suites_of(claims: Mapping[str, tuple[str, Claim]]) -> Iterator[Suite]:
    """What claims need, given by id with their family: a suite a family."""
    for family in dict.fromkeys(family for family, _ in claims.values()):
        needs = [need for own, claim in claims.values() if own == family for need in claim.needs]
        entries = [
            Entry((task,), (method,), tier, seeds) for (task, method, tier), seeds in most_seeds(_runs(needs)).items()
        ]
        experiments = most_seeds((Spec(n.name, n.fields), n.seeds) for n in needs if isinstance(n, Experiment))
        yield Suite(f"claims-{family}", "what claims need", tuple(entries), experiments=tuple(experiments.items()))


def _runs(needs: Sequence[Runs | Experiment]) -> Iterator[tuple[tuple[Spec, Spec, str], int]]:
    for need in needs:
        if isinstance(need, Runs):
            yield (Spec(need.task, need.task_fields), Spec(need.method, need.fields), need.tier), need.seeds
