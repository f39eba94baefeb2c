"""A row run again, from what it says of itself."""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import entry_points
from typing import Any, Literal

from dynamark.errors import UserError
from dynamark.methods.catalogue import METHODS
from dynamark.results.schema import Row
from dynamark.results.store import Store
from dynamark.runners.run import run
from dynamark.runners.suite import Entry, Suite
from dynamark.runners.trials import written
from dynamark.tasks.catalogue import TASKS

__all__ = ["again"]


def again(row: Row, *, task: str | None = None, method: str | None = None, timeout: float = 600.0) -> Row:
    """The row that the same run leaves today, made in a store of its own.

    task, method: specs of what is in no catalogue, such as path/mine.py:Mine.
    """
    device: Literal["cpu", "cuda"] = "cuda" if row["device"] == "cuda" else "cpu"
    suite, seeds = _suite(row, task, method), [row["seed"]]
    with tempfile.TemporaryDirectory() as folder:
        run(suite, seeds=seeds, store=folder, workers=1, timeout=timeout, device=device, salt=row["salt"])
        made: list[Row] = Store(folder).rows().to_pylist()
    return made[0]


def _suite(row: Row, task: str | None, method: str | None) -> Suite:
    """A suite of this row alone."""
    if row["tier"] == "experiment":
        spec = _spec(row["task"], row["task_fields"])
        return Suite("reproduce", "one measurement again", (), experiments=((spec, 1),))
    tasks = (task or _named(row, "task", TASKS),)
    methods = (method or _named(row, "method", METHODS),)
    return Suite("reproduce", "one run again", (Entry(tasks, methods, row["tier"], 1, row["budget"]),))


def _named(row: Row, kind: str, table: dict[str, str]) -> str:
    """The spec of a task or method of the catalogue, from its label and fields."""
    name = str(row[kind]).partition("(")[0]
    if name not in table and name not in {point.name for point in entry_points(group=f"dynamark.{kind}s")}:
        raise UserError(
            f"{kind} '{row[kind]}' is not one of dynamark's; say where it is with --{kind} path/file.py:Class"
        )
    spec = _spec(name, row[f"{kind}_fields"])
    # A suite may let a method choose fields without a word of it in the label.
    return f"{name}={spec}" if kind == "method" and row[kind] == name else spec


def _spec(name: str, fields: str) -> str:
    """NAME(field=value, ...) with every field of the row."""
    told = {field: value for field, value in json.loads(fields).items() if field != "tier"}
    inside = ", ".join(f"{field}={_literal(value)}" for field, value in told.items())
    return f"{name.partition('(')[0]}({inside})" if inside else name


def _literal(value: Any) -> str:
    """A value of JSON as a spec writes it; what was a tuple is one again."""
    if isinstance(value, list):
        return f"({''.join(f'{_literal(v)}, ' for v in value)})"
    return repr(value).replace("inf", "1e999") if isinstance(value, float) else written(value)
