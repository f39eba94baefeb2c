"""The symbolic code of a piecewise linear model: its regions in the plane, and the graph of what follows what."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamark.leaderboards.page.curves import SMALL, Line, captioned
from dynamark.leaderboards.page.graph import graph
from dynamark.leaderboards.page.markup import escape
from dynamark.leaderboards.page.svg import Chart, around

if TYPE_CHECKING:
    import pandas

__all__ = ["codes"]

# Points of a region, and the number of colors.
_DOTS, _COLORS = 120, 8


def codes(rows: pandas.DataFrame) -> dict[str, str]:
    """By key, the figures of measurements that hold the curves of a code.

    `symbolic_graph` over i 2^P + j: how often region j follows region i, P the field `rectified`; `region_<i>`: points of a
    region; `region_occupation` over i: its share of time; `fixed_points`: those that lie in their own region.
    """
    figures = {}
    for key, task, fields, curves in rows[["key", "task", "task_fields", "curves"]].itertuples(index=False, name=None):
        lines = {c["name"]: Line(np.asarray(c["axis"], float), np.asarray(c["values"], float)) for c in _listed(curves)}
        if "symbolic_graph" in lines:
            figures[str(key)] = _figures(str(task), lines, 2 ** int(json.loads(fields).get("rectified", 8)))
    return figures


def _listed(curves: Iterable[dict[str, Any]] | None) -> list[dict[str, Any]]:
    return [] if curves is None else list(curves)


def _figures(task: str, lines: dict[str, Line], size: int) -> str:
    transitions = lines["symbolic_graph"]
    edges = [
        (int(n) // size, int(n) % size, float(w)) for n, w in zip(transitions.axis, transitions.values, strict=True)
    ]
    places = {int(name.removeprefix("region_")): line for name, line in lines.items() if name[7:].isdigit()}
    occupied = lines.get("region_occupation", Line(np.array([]), np.array([])))
    shares = {int(i): float(share) for i, share in zip(occupied.axis, occupied.values, strict=True)}
    nodes = sorted({*places, *(node for i, j, _ in edges for node in (i, j))})
    tones = {node: f"c{place % _COLORS}" for place, node in enumerate(nodes)}
    legend = [(tones[node], escape(f"{node}" + (f", {shares[node]:.0%}" if node in shares else ""))) for node in nodes]
    drawn = graph(edges, shares, tones, f"symbolic graph of {task}")
    parts = [captioned("what follows what", drawn, [])] if drawn else []
    if places:
        parts.insert(0, captioned("regions, and their share of the time", _plane(task, places, tones, lines), legend))
    return f'<div class="plots">{"".join(parts)}</div>' if parts else ""


def _plane(task: str, places: dict[int, Line], tones: dict[int, str], lines: dict[str, Line]) -> Chart:
    """The points of each region in its color, and the fixed points."""
    x, y = (np.concatenate([getattr(line, side) for line in places.values()]) for side in ("axis", "values"))
    chart = Chart(
        f"regions of {task}", ("first coordinate", around(x, False), False), ("last", around(y, False), False), *SMALL
    )
    for node, line in places.items():
        step = max(1, -(-len(line.axis) // _DOTS))
        chart.dots(line.axis[::step], line.values[::step], tones[node], 3)
    fixed = lines.get("fixed_points")
    if fixed is not None and len(fixed.axis):
        chart.dots(fixed.axis, fixed.values, "fixed", 8)
    return chart
