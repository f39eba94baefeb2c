"""Synthetic rows for tests of what is made from rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dynamark.results.schema import table

PLACE = {"dynamark": "0", "threads": 1, "processor": "some processor", "device": "cpu"}


def row(
    method: str = "m",
    task: str = "chaos/a",
    seed: int = 0,
    value: float | None = 1.0,
    *,
    oracle: float | None = 0.01,
    baseline: float = 10.0,
    status: str | None = None,
    lower_is_better: bool = True,
    log: bool = True,
    finished: str = "2026-01-01",
    metric: str = "error",
    **more: Any,
) -> dict[str, Any]:
    """One row; `value=None` is a failed run."""
    primary = {"score": metric, "lower_is_better": lower_is_better, "log": log, "floor": 1e-6}
    columns = {
        "suite": "s",
        "kind": "run",
        "family": task.split("/")[0],
        "task": task,
        "tier": "tiny",
        "task_version": 1,
        "task_fields": "{}",
        "salt": "",
        "method": method,
        "method_fields": "{}",
        "method_source": "abc",
        "seed": seed,
        "device": "cpu",
        "status": status or ("crashed" if value is None else "ok"),
        "primary": None if value is None else {**primary, "value": value, "baseline": baseline, "oracle": oracle},
        "fit_seconds": 1.0,
        "parameters": 10,
        "cohort_size": 1,
        "finished": finished,
        "provenance": PLACE,
        **more,
    }
    words = repr(
        [columns[n] for n in ("task", "tier", "task_version", "task_fields", "salt", "method", "method_source", "seed")]
    )
    return {"key": hashlib.sha256(words.encode()).hexdigest(), **columns}


def rows_of(scores: dict[str, dict[str, Sequence[float | None]]], **more: Any) -> list[dict[str, Any]]:
    """Rows from scores by method and task, one a seed."""
    return [
        row(method, task, seed, value, **more)
        for method, tasks in scores.items()
        for task, values in tasks.items()
        for seed, value in enumerate(values)
    ]


def store(folder: Path, rows: Sequence[dict[str, Any]], name: str = "s--m") -> Path:
    """A store that holds these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(list(rows)), folder / f"{name}.parquet")
    return folder


def arrow(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as Arrow."""
    return table(list(rows))
