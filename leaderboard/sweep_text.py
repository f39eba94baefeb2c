"""Sweeps as text: a table per sweep, one column per value of the field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dynamark.leaderboards.sweeps import Bounds, Line, Point, SweepTable
from dynamark.leaderboards.text_tables import titled_table

__all__ = ["bounds_text", "headings", "reached_title", "sweep_json", "sweep_text"]


def sweep_text(tables: Sequence[SweepTable], format: str) -> str:
    """The sweeps that have results, for the terminal, in Markdown or in LaTeX."""
    parts = [
        titled_table(*headings(table), _head(table), [_row(table, line) for line in table.lines], format)
        for table in tables
        if table.lines
    ]
    return "\n\n".join(parts) + ("\n" if parts else "")


def headings(table: SweepTable) -> tuple[str, str]:
    """The title of a sweep, and what its numbers are."""
    sweep = table.sweep
    better = "lower" if sweep.lower_is_better else "higher"
    return (
        f"{sweep.suite}: {sweep.name}",
        f"{sweep.question} Median {table.metric} ({better} is better) with its 95 % interval over seeds, {sweep.base}, "
        f"tier {sweep.entry.tier}, by {sweep.field}.",
    )


def _head(table: SweepTable) -> list[str]:
    head = ["method", *(f"{value:g}" for value in table.sweep.values), "slope"]
    return head + ([reached_title(table)] if table.sweep.target is not None else [])


def reached_title(table: SweepTable) -> str:
    """The heading of the column of the value that reaches the target."""
    sign = "<=" if table.sweep.lower_is_better else ">="
    return f"{table.sweep.field} for {table.metric} {sign} {table.sweep.target:g}"


def _row(table: SweepTable, line: Line) -> list[str]:
    cells = [line.method + (" *" if line.own else ""), *map(_point, line.points), bounds_text(line.slope)]
    return cells + ([bounds_text(line.reached, table.sweep.values[-1])] if table.sweep.target is not None else [])


def _point(point: Point) -> str:
    if point.median is None:
        return "failed" if point.runs else ""
    text = f"{point.median:.3g}"
    return text if point.low is None or point.high is None else f"{text} [{point.low:.2g}, {point.high:.2g}]"


def bounds_text(bounds: Bounds | None, largest: float = math.inf) -> str:
    """An estimate with its interval; beyond the largest value measured it is only known to be larger."""
    if bounds is None:
        return ""
    shown = [f"> {largest:g}" if math.isinf(x) else f"{x:.3g}" for x in (bounds.value, bounds.low, bounds.high)]
    return shown[0] if shown[1] == shown[2] == shown[0] else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def sweep_json(table: SweepTable) -> dict[str, Any]:
    """A sweep as plain data. An infinite `reached` is null with `beyond` true: no value measured reaches the target."""
    sweep = table.sweep
    return {
        "sweep": f"{sweep.suite}: {sweep.name}",
        "question": sweep.question,
        "family": sweep.family,
        "tier": sweep.entry.tier,
        "task": sweep.base,
        "field": sweep.field,
        "score": table.metric,
        "lower_is_better": sweep.lower_is_better,
        "target": sweep.target,
        "lines": [
            {
                "method": line.method,
                "own": line.own,
                "points": [vars(point) for point in line.points],
                "slope": _plain(line.slope),
                "reached": _plain(line.reached),
            }
            for line in table.lines
        ],
    }


def _plain(bounds: Bounds | None) -> dict[str, Any] | None:
    if bounds is None:
        return None
    ends = {name: value if math.isfinite(value) else None for name, value in vars(bounds).items()}
    return {**ends, "beyond": math.isinf(bounds.value)}
