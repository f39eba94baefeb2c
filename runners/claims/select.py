"""The rows that a claim needs, found among all rows by task, method, fields, tier and seed."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy import ndarray

from dynamark.results.schema import EXPERIMENT, RUN, SCORED
from dynamark.runners.claims.claim import Claim, Experiment, Need
from dynamark.runners.claims.columns import Rows
from dynamark.runners.spec import parse

__all__ = ["COLUMNS", "Index"]

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
    "finished",
)

# Columns whose values tell one planned run from another but for its seed.
_IDENTITY = ("kind", "tier", "task", "task_fields", "method", "method_fields")

# The fields of a task that tell the budget of its runs.
_BUDGETS = ("passes", "updates")

# A field of a task or of a method, as (side, name).
Field = tuple[str, str]


@dataclass(frozen=True)
class _Group:
    """Rows that differ in seed only: what they ran, and their places in the table."""

    task: str
    method: str
    task_values: Mapping[str, Any]
    method_values: Mapping[str, Any]
    places: ndarray

    def has(self, need: Need) -> bool:
        """Whether these rows have the fields that are wanted, and no other that differs from its default."""
        if isinstance(need, Experiment):
            return _agree(need.fields, self.task_values, self.task)
        return (
            _agree(need.task_fields, self.task_values, self.task)
            and _agree(need.fields, self.method_values, self.method)
            # A suite may let a method choose a field; a claim never does.
            and not any(isinstance(value, dict) for value in self.method_values.values())
        )


def _agree(wanted: Mapping[str, Any], values: Mapping[str, Any], label: str) -> bool:
    return all(name in values and values[name] == _plain(value) for name, value in wanted.items()) and _changed(
        label
    ) <= set(wanted)


class Index:
    """All rows with one salt, grouped once by what they ran: claims then look their rows up.

    table: rows with at least the columns `COLUMNS`. salt: "" for the public data.
    """

    def __init__(self, table: pa.Table, salt: str = "") -> None:
        table = table.filter(pc.equal(table["salt"], salt)).combine_chunks()
        self._texts = {name: table[name].to_numpy(zero_copy_only=False) for name in ("key", "status", "finished")}
        self._seeds = table["seed"].to_numpy(zero_copy_only=False)
        self._budgets = table["budget"].to_numpy(zero_copy_only=False).astype(float)
        self._scores = _Scores(table["scores"], np.isin(self._texts["status"].astype(str), SCORED))
        self._groups: dict[tuple[str, str, str, str], list[_Group]] = {}
        for identity, places in _grouped(table):
            kind, tier, task, task_fields, method, method_fields = identity
            group = _Group(task, method, _values(task_fields), _values(method_fields), places)
            self._groups.setdefault((kind, tier, _name(task), _name(method)), []).append(group)

    def select(self, claim: Claim, needs: Sequence[Need] | None = None, factor: int = 1) -> tuple[Rows, int]:
        """The rows of a claim, and how many of those that it needs are missing.

        needs: other needs than the claim's own. factor: multiplies the number of seeds of each need.
        Of several rows of one run the one that finished last counts.
        """
        needs = claim.needs if needs is None else needs
        fields = list(dict.fromkeys(field for need in needs for field in _given(need)))
        columns: dict[Field, list[Any]] = {field: [] for field in fields}
        labels: dict[str, list[str]] = {name: [] for name in ("kind", "tier", "task", "method")}
        parts, missing = [], 0
        for need in needs:
            places, group = self._places(need, need.seeds * factor)
            missing += need.seeds * factor - len(places)
            parts.append(places)
            for column, cell in zip(labels.values(), _identity(need, group), strict=True):
                column += [cell] * len(places)
            given = _given(need)
            for side, name in fields:
                # What another need of the claim names, this one has by default: read off the row.
                own = {} if group is None else group.task_values if side == "task" else group.method_values
                columns[side, name] += [_plain(given.get((side, name), own.get(name)))] * len(places)
        places = np.concatenate(parts) if parts else np.empty(0, dtype=int)
        return Rows(
            {
                "key": self._texts["key"][places],
                "status": self._texts["status"][places],
                "seed": self._seeds[places],
                **{name: _objects(values) for name, values in labels.items()},
                "task_name": _objects([_name(label) for label in labels["task"]]),
                "method_name": _objects([_name(label) for label in labels["method"]]),
                **{f"{side}.{name}": _objects(columns[side, name]) for side, name in fields},
                **self._scores.at(places),
            },
            claim.level,
        ), missing

    def _places(self, need: Need, seeds: int) -> tuple[ndarray, _Group | None]:
        """Where the rows of a need are, one a seed in the order of seeds; and a group that they come from."""
        groups = [group for group in self._groups.get(_address(need), []) if group.has(need)]
        if not groups:
            return np.empty(0, dtype=int), None
        places = np.concatenate([group.places for group in groups])
        places = places[self._seeds[places] < seeds]
        if not isinstance(need, Experiment):
            places = places[self._unbound(places, groups)]
        order = np.lexsort((self._texts["finished"][places].astype(str), self._seeds[places]))
        places = places[order]
        last = np.append(self._seeds[places][1:] != self._seeds[places][:-1], True)[: len(places)]
        return places[last], groups[0]

    def _unbound(self, places: ndarray, groups: Sequence[_Group]) -> ndarray:
        """Which rows had the budget of their task: a suite may set another."""
        own = {budget for group in groups for budget in map(group.task_values.get, _BUDGETS) if budget is not None}
        budgets = self._budgets[places]
        return np.asarray(np.isnan(budgets) | np.isin(budgets, list(own)))


class _Scores:
    """The scores of all rows, flat, so that those of a few rows become columns without a loop over rows."""

    def __init__(self, column: pa.ChunkedArray, scored: ndarray) -> None:
        lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        flat = lists.flatten()
        names = pc.struct_field(flat, "name").dictionary_encode()
        self._names = names.dictionary.to_pylist()
        self._codes = names.indices.to_numpy(zero_copy_only=False)
        self._values = pc.struct_field(flat, "value").to_numpy(zero_copy_only=False)
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(int)
        self._starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(int) if len(lengths) else lengths
        self._lengths = np.where(scored, lengths, 0)

    def at(self, places: ndarray) -> dict[str, ndarray]:
        """A column a score; NaN where a row lacks it."""
        lengths = self._lengths[places]
        rows = np.repeat(np.arange(len(places)), lengths)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        flat = np.repeat(self._starts[places], lengths) + within
        known, codes = np.unique(self._codes[flat], return_inverse=True)
        cells = np.full((len(known), len(places)), np.nan)
        cells[codes, rows] = self._values[flat]
        return {f"score.{self._names[code]}": cells[k] for k, code in enumerate(known)}


def _grouped(table: pa.Table) -> list[tuple[tuple[str, ...], ndarray]]:
    """Each combination of identities with the places of its rows."""
    combined = np.zeros(len(table), dtype=np.int64)
    words, codes = [], []
    for name in _IDENTITY:
        column = table[name].combine_chunks().dictionary_encode()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        words.append(column.dictionary.to_pylist())
        codes.append(column.indices.to_numpy(zero_copy_only=False).astype(np.int64))
        # Numbered anew after each column, so that no product overflows.
        combined = np.unique(combined * max(len(words[-1]), 1) + codes[-1], return_inverse=True)[1]
    order = np.argsort(combined, kind="stable")
    starts = np.flatnonzero(np.diff(combined[order], prepend=-1))
    return [
        (tuple(w[c[places[0]]] for w, c in zip(words, codes, strict=True)), places)
        for places in np.split(order, starts[1:])
        if len(places)
    ]


def _given(need: Need) -> dict[Field, Any]:
    """The fields that a need names."""
    sides = {"task": need.fields} if isinstance(need, Experiment) else {"task": need.task_fields, "method": need.fields}
    return {(side, name): value for side, fields in sides.items() for name, value in fields.items()}


def _address(need: Need) -> tuple[str, str, str, str]:
    """Kind, tier, name of the task and name of the method, as rows have them."""
    if isinstance(need, Experiment):
        return EXPERIMENT, "", _shown(need.name), ""
    return RUN, need.tier, _shown(need.task), _shown(need.method)


def _identity(need: Need, group: _Group | None) -> tuple[str, str, str, str]:
    kind, tier, task, method = _address(need)
    return (kind, tier, task, method) if group is None else (kind, tier, group.task, group.method)


def _shown(name: str) -> str:
    """A name as rows show it: `folder/file.py:Class` without its folder."""
    path, colon, cls = name.rpartition(":")
    return f"{Path(path).name}:{cls}" if colon and path.endswith(".py") else name


def _objects(values: Sequence[Any]) -> ndarray:
    """A column of any values: NumPy would make a matrix of lists."""
    return np.fromiter(values, dtype=object, count=len(values))


def _name(label: str) -> str:
    return label.partition("(")[0]


def _plain(value: Any) -> Any:
    """Tuples as the lists that JSON makes of them."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


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
