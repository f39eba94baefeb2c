"""Converts rows that an older version of dynamark wrote to the current schema."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from dynamark.results.schema import EXPERIMENT, RUN, SCHEMA, SCHEMA_VERSION, Row

__all__ = ["columns_of", "upgraded", "upgraded_row"]

# Names that were changed with schema 2, old to new.
_METHODS = {
    "mean": "training_mean",
    "spectral": "spectral_init",
    "hankel": "hankel_dmd",
    "parroting": "context_parroting",
    "nuclear_penalised": "nuclear_penalized",
}
_TASKS = {"sensing/few": "sensing/few_measurements"}
_SCORES = {"verdict": "fact.kind", "unfinished": "fact.unfinished"}

# What a table of schema 1 must hold for its rows to be upgraded.
_NEEDED = ("tier", "method", "task")


def upgraded(rows: pa.Table, version: int) -> pa.Table:
    """Convert a table of an older schema to the current columns. Columns that were not read are not added."""
    if version >= SCHEMA_VERSION:
        return rows
    measured = pc.equal(rows["tier"], "experiment")
    rows = rows.append_column("kind", pc.if_else(measured, EXPERIMENT, RUN))
    for name, names in (("method", {**_METHODS, "experiment": ""}), ("task", _TASKS), ("tier", {"experiment": ""})):
        values = pa.array([_renamed(label, names) for label in rows[name].to_pylist()], pa.string())
        rows = rows.set_column(rows.column_names.index(name), name, values)
    if "scores" in rows.column_names:
        rows = rows.set_column(rows.column_names.index("scores"), "scores", _renamed_scores(rows["scores"]))
    return rows


def _renamed_scores(column: pa.ChunkedArray) -> pa.Array:
    """The lists of scores with their current names."""
    scores = column.combine_chunks()
    flat = scores.values
    names = pc.dictionary_encode(flat.field("name"))
    today = pa.array([_SCORES.get(name, name) for name in names.dictionary.to_pylist()], pa.string())
    renamed = pa.DictionaryArray.from_arrays(names.indices, today).cast(pa.string())
    structs = pa.StructArray.from_arrays([renamed, flat.field("value")], ["name", "value"])
    return pa.ListArray.from_arrays(scores.offsets, structs, mask=scores.is_null())


def upgraded_row(row: Row, version: int) -> Row:
    """Convert a row of an older schema to the current schema."""
    if version >= SCHEMA_VERSION:
        return row
    if row.get("scores"):
        row = {
            **row,
            "scores": [{**score, "name": _SCORES.get(score["name"], score["name"])} for score in row["scores"]],
        }
    needed = pa.table({name: pa.array([row[name]], pa.string()) for name in _NEEDED})
    return {
        **{key: value for key, value in row.items() if key in SCHEMA.names or key == "provenance"},
        **upgraded(needed, version).to_pylist()[0],
    }


def columns_of(columns: list[str] | None, version: int) -> list[str] | None:
    """The columns to read from an older file in order to compute the requested columns of the current schema."""
    if columns is None or version >= SCHEMA_VERSION:
        return columns
    return sorted({*columns, *_NEEDED} - {"kind"})


def _renamed(label: str | None, names: Mapping[str, str]) -> str | None:
    """A label, `name(fields)`, with the current name."""
    if label is None:
        return None
    name, bracket, rest = label.partition("(")
    return names.get(name, name) + bracket + rest
