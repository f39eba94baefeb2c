"""Re-running a result from its recorded configuration."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from dynamark.errors import UserError
from dynamark.results.schema import EXPERIMENT, Row
from dynamark.results.store import Store
from dynamark.runners.objects import Given, one_spec
from dynamark.runners.plan.suite import Entry, Suite
from dynamark.runners.recordings import fields_again, is_recording
from dynamark.runners.registry import method_names, resolve_method, task_names
from dynamark.runners.run import Device, run
from dynamark.runners.spec import Spec, competing, open_fields

__all__ = ["rerun", "suite_of"]

_MINE = "path/file.py:Class"


def rerun(
    row: Row,
    *,
    task: Given | None = None,
    method: Given | None = None,
    data: str | Path | None = None,
    timeout: float = 600.0,
) -> Row:
    """Re-run a result from its recorded configuration, in a temporary results folder, and return the new row.

    task, method: where to find a task or method that does not ship with dynamark: `path/mine.py:Mine`, a class or an instance.
    data: the file of the recording, if the task is one.
    timeout: time limit in seconds.
    """
    device: Device = "cuda" if row["device"] == "cuda" else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        run(
            suite_of(row, task, method, data),
            seeds=[row["seed"]],
            store=folder,
            workers=1,
            timeout=timeout,
            device=device,
            salt=row["salt"],
        )
        rows: list[Row] = Store(folder).rows().to_pylist()
    return rows[0]


def suite_of(row: Row, task: Given | None, method: Given | None, data: str | Path | None) -> Suite:
    """A suite that contains this run only."""
    if row["kind"] == EXPERIMENT:
        experiment = Spec(str(row["task"]).partition("(")[0], _fields(row["task_fields"]))
        return Suite("reproduce", "re-run one experiment", (), experiments=((experiment, 1),))
    tasks = _task(row, data) if task is None else one_spec(task, "task")
    methods = _method(row) if method is None else one_spec(method, "method")
    count = max(1, len(competing(_parsed(row["method_fields"]))))
    entry = Entry((tasks,), (methods,), row["tier"], 1, row["budget"], candidates=count)
    return Suite("reproduce", "re-run one result", (entry,))


def _task(row: Row, data: str | Path | None) -> Spec:
    fields = _fields(row["task_fields"])
    if is_recording(fields):  # one that ships has no content among its fields
        target, fields = fields_again(row["task"], fields, data)
        return Spec(target, fields, row["task"])
    if data is not None:
        raise UserError(f"task '{row['task']}' is no recording; leave --data out")
    name = str(row["task"]).partition("(")[0]
    if name not in task_names():
        raise UserError(f"task '{row['task']}' does not ship with dynamark; give its class with --task {_MINE}")
    return Spec(name, fields)


def _method(row: Row) -> Spec:
    """The method under its label: a suite may let it choose fields, which the label does not tell."""
    name = str(row["method"]).partition("(")[0]
    if name not in method_names():
        raise UserError(f"method '{row['method']}' does not ship with dynamark; give its class with --method {_MINE}")
    fields = _parsed(row["method_fields"])
    if competing(fields):  # they are drawn again, from what is left as it is
        own = resolve_method(Spec(name)).fields
        return Spec(
            name, {key: value for key, value in fields.items() if key in own and value != own[key]}, row["method"]
        )
    choices = open_fields(fields)
    fixed = {key: value for key, value in fields.items() if key not in choices}
    return Spec(name, fixed, row["method"], choices)


def _fields(text: str) -> dict[str, Any]:
    return {name: value for name, value in _parsed(text).items() if name != "tier"}


def _parsed(text: str) -> dict[str, Any]:
    """The fields of a row, which may be a stranger's."""
    try:
        fields = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise UserError("the recorded fields of this result are not valid JSON; it cannot be run again")
    return fields
