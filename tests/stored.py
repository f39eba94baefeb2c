"""Rows of a store, and a journal that holds them."""

from __future__ import annotations

from typing import Any

from dynamark.results.journal import Journal
from dynamark.results.store import Store

PLACE: dict[str, Any] = {"dynamark": "0", "threads": 1}


def row(
    key: str, value: float = 1.0, finished: str = "2026-01-01", suite: str = "s", method: str = "m"
) -> dict[str, Any]:
    return {
        "key": key,
        "suite": suite,
        "kind": "run",
        "family": "f",
        "task": "f/t",
        "method": method,
        "seed": 0,
        "status": "ok",
        "primary": {
            "score": "error",
            "value": value,
            "lower_is_better": True,
            "log": True,
            "floor": 0.0,
            "baseline": 1.0,
        },
        "scores": [{"name": "error", "value": value}],
        "curves": [{"name": "c", "axis": [0.0, 1.0], "values": [value, -0.0]}],
        "finished": finished,
    }


def fill(store: Store, *rows: dict[str, Any]) -> None:
    with Journal(store.journals, PLACE) as journal:
        journal.write(list(rows))
