"""Made-up rows of claims."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dynamark.results.keys import canonical
from dynamark.results.schema import EXPERIMENT, RUN, SCHEMA
from dynamark.runners.claims.catalog import Listed
from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Need, Runs
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Below
from dynamark.runners.claims.select import COLUMNS, Index
from dynamark.runners.spec import Spec, field_text

# From the fields that a need names (with "method" and "task"), and the seed, to scores.
Scores = Callable[[Mapping[str, Any], int], Mapping[str, float]]


def row(
    method: str = "gd", seed: int = 0, value: float = 1.0, task: str = "f/t", status: str = "ok", **config: Any
) -> dict[str, Any]:
    """A row with one score, `error`."""
    return {
        "key": f"{method}-{seed}-{value}",
        "kind": RUN,
        "task": task,
        "tier": "tiny",
        "salt": "",
        "method": method,
        "seed": seed,
        "status": status,
        "scores": [{"name": "error", "value": value}] if status == "ok" else None,
        "finished": "2026-01-01",
        **config,
        "task_fields": canonical(config.get("task_fields", {})),
        "method_fields": canonical(config.get("method_fields", {"rate": 1.0})),
    }


def table_of(*rows: dict[str, Any]) -> pa.Table:
    """Rows as claims read them."""
    return pa.Table.from_pylist(list(rows), schema=pa.schema([SCHEMA.field(name) for name in COLUMNS]))


def index_of(*rows: dict[str, Any]) -> Index:
    """The index of rows."""
    return Index(table_of(*rows))


def claim(*needs: Need, checks: Sequence[Check] = (), **more: Any) -> Claim:
    """A claim on the median error."""
    return Claim("lorenz1963", EMPIRICAL, "statement", needs, checks or [Check("e", median("error"), Below(2))], **more)


def listed(claimed: Claim) -> Listed:
    """A claim as the catalog lists it."""
    return Listed("X", "f", claimed)


def rows_for(needs: Sequence[Need], scores: Scores, factor: int = 1) -> list[dict[str, Any]]:
    """The rows that needs ask for."""
    rows = []
    for need in needs:
        runs = isinstance(need, Runs)
        name = need.task if runs else need.name
        fields = need.task_fields if runs else need.fields
        config = {**fields, **(need.fields if runs else {}), "task": name, "method": need.method if runs else ""}
        for seed in range(need.seeds * factor):
            rows.append(
                row(
                    field_text(need.method, Spec("m", need.fields).fields) if runs else "",
                    seed,
                    task=field_text(name, Spec("t", fields).fields),
                    kind=RUN if runs else EXPERIMENT,
                    tier=need.tier if runs else "",
                    task_fields=dict(fields),
                    method_fields=dict(need.fields) if runs else {},
                    key=f"{config}-{seed}",
                    scores=[{"name": n, "value": v} for n, v in scores(config, seed).items()],
                )
            )
    return rows


def score_names(text: str) -> list[str]:
    """The names of scores that a source mentions."""
    return re.findall(r'"([a-z]\w*(?:\.\w+)?)"', text)
