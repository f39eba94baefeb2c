"""`dynamark reproduce KEY`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dynamark.results.schema import Row
    from dynamark.runners.suite import Suite


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("key", metavar="KEY", help="key of a row, or its first digits as the page shows them")
    add("--store", action="append", default=[], metavar="DIR", help="folder of one's own rows; may repeat")
    add("--method", metavar="SPEC", help="where the method is, if it is not one of dynamark's: path/mine.py:Mine")
    add("--task", metavar="SPEC", help="where the task is, if it is not one of dynamark's")
    add(
        "--tolerance",
        type=float,
        default=1e-6,
        metavar="X",
        help="largest relative difference of a score (default: %(default)g)",
    )
    add("--timeout", type=float, default=600.0, metavar="S", help="seconds the run may take (default: %(default)g)")


def main(told: argparse.Namespace) -> int:
    """Run the row again and compare; exit code 0 the same, 1 another result, 3 another result of another source, 4 failed."""
    from dynamark.leaderboard.trust import differences, find
    from dynamark.results.schema import SCORED
    from dynamark.results.store import default_store, published_store, read_rows

    rows = read_rows([published_store(), *(told.store or [default_store()])])
    old = find(rows.to_pylist() if len(rows) < 10_000 else _beginning(rows, told.key), told.key)
    print(f"{old['method']} on {old['task']} [{old['tier']}], seed {old['seed']}")
    new = _again(old, _suite(old, told.task, told.method), told.timeout)
    code = _sources(old, new)
    changed = differences(old, new, told.tolerance)
    for line in changed:
        print(f"  {line}")
    if changed:
        return 4 if new["status"] not in SCORED and old["status"] in SCORED else code or 1
    print("  the same result" + (f", {old['status']}" if old["status"] not in SCORED else ""))
    return 0


def _beginning(rows: Any, key: str) -> list[Row]:
    """The rows whose key begins so, of a table that is too large for Python's own objects."""
    import pyarrow.compute as pc

    found: list[Row] = rows.filter(pc.starts_with(rows["key"], key)).to_pylist()
    return found


def _suite(row: Row, task: str | None, method: str | None) -> Suite:
    """A suite of this row alone, and of the seeds before it."""
    from dynamark.methods.catalogue import METHODS
    from dynamark.runners.suite import Entry, Suite
    from dynamark.tasks.catalogue import TASKS

    about, seeds = "one row again", row["seed"] + 1
    if row["tier"] == "experiment":
        return Suite("reproduce", about, (), experiments=((_spec(row["task"], row["task_fields"]), seeds),))
    known = [
        given or _named(row, kind, table) for given, kind, table in ((task, "task", TASKS), (method, "method", METHODS))
    ]
    return Suite("reproduce", about, (Entry((known[0],), (known[1],), row["tier"], seeds, row["budget"]),))


def _named(row: Row, kind: str, table: dict[str, str]) -> str:
    """The spec of a task or method of the catalogue, from its label and fields."""
    from importlib.metadata import entry_points

    from dynamark.errors import UserError

    name = str(row[kind]).partition("(")[0]
    if name not in table and name not in {point.name for point in entry_points(group=f"dynamark.{kind}s")}:
        raise UserError(
            f"{kind} '{row[kind]}' is not one of dynamark's; say where it is with --{kind} path/file.py:Class"
        )
    return _spec(name, row[f"{kind}_fields"])


def _spec(name: str, fields: str) -> str:
    """NAME(field=value, ...) with every field of the row."""
    told = {field: value for field, value in json.loads(fields).items() if field != "tier"}
    inside = ", ".join(f"{field}={_literal(value)}" for field, value in told.items())
    return f"{name.partition('(')[0]}({inside})" if inside else name


def _literal(value: Any) -> str:
    """A value of JSON as Python writes it; what was a tuple is one again."""
    if isinstance(value, list):
        return f"({''.join(f'{_literal(v)}, ' for v in value)})"
    return repr(value).replace("inf", "1e999") if isinstance(value, float) else repr(value)


def _again(old: Row, suite: Suite, timeout: float) -> Row:
    """The row that the same run leaves today, in a store of its own."""
    import tempfile

    from dynamark.results.store import Store
    from dynamark.runners.plan import cohorts, expand
    from dynamark.runners.run import run

    device: Literal["cpu", "cuda"] = "cuda" if old["device"] == "cuda" else "cpu"
    # The last part of the plan holds the seed; the parts before it are those of other seeds.
    parts = len(cohorts(expand(suite, device=device, salt=old["salt"]).runs))
    with tempfile.TemporaryDirectory() as folder:
        run(suite, store=folder, workers=1, timeout=timeout, device=device, salt=old["salt"], shard=(parts, parts))
        rows: list[Row] = Store(folder).rows().to_pylist()
    return next(row for row in rows if row["seed"] == old["seed"])


def _sources(old: Row, new: Row) -> int:
    """Say what differs in what was run and on what; 3 when the task or the method is not the same."""
    changed = 0
    for column, what in (
        ("task_version", "version of the task"),
        ("task_fields", "parameters of the task"),
        ("method_fields", "hyper-parameters of the method"),
        ("method_source", "source of the method"),
        ("task_source", "source of the task"),
    ):
        if old[column] != new[column]:
            print(f"  the {what} changed since")
            changed = 3
    for name in ("processor", "torch", "numpy", "scipy", "blas"):
        before, now = ((row["provenance"] or {}).get(name) for row in (old, new))
        if before != now:
            print(f"  {name}: {before} before, {now} now")
    return changed
