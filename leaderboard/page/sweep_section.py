"""The section of sweeps: a chart of the score by the field, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynamark.leaderboards.page.curves import captioned, linked
from dynamark.leaderboards.page.markup import accent, brief, escape, slug, title
from dynamark.leaderboards.page.svg import Chart, around, wants_logarithm
from dynamark.leaderboards.sweep_text import bounds_text, headings, reached_title
from dynamark.leaderboards.sweeps import Line, Point, SweepTable

__all__ = ["sweep_sections"]

# The number of colors that the style sheet has for methods.
_COLORS = 8


def sweep_sections(tables: Sequence[SweepTable]) -> str:
    """The section of all sweeps with results; empty without any."""
    parts = "".join(_sweep(table) for table in tables if table.lines)
    if not parts:
        return ""
    about = "one field of a task is varied; everything else stays"
    return f'<section id="sweeps" class="f-other"><h2>Axes</h2><p>{about}</p>{parts}</section>\n'


def _sweep(table: SweepTable) -> str:
    name, about = headings(table)
    sweep = table.sweep
    return (
        f'<div class="{accent(sweep.family)}"><h3 id="{slug("sweep", f"{sweep.suite}-{sweep.name}")}">'
        f"{escape(title(sweep.family))}: {escape(sweep.name)} <small>{escape(sweep.suite)}</small></h3>"
        f'<p class="question">{escape(about)}</p><div class="plots">{_chart(table, name)}</div>{_numbers(table)}</div>'
    )


def _chart(table: SweepTable, name: str) -> str:
    """A line per method with the interval of each point."""
    values = np.array(
        [end for line in table.lines for p in line.points for end in (p.low, p.median, p.high) if end is not None]
    )
    axis = np.array(table.sweep.values, dtype=float)
    log_x, log_y = wants_logarithm(axis), wants_logarithm(values)
    label = f"{name}: {table.metric} by {table.sweep.field}, median over seeds with 95 % intervals"
    chart = Chart(
        label, (table.sweep.field, around(axis, log_x, 0.03), log_x), (table.metric, around(values, log_y), log_y)
    )
    legend = []
    for place, line in enumerate(table.lines):
        tone = f"c{place % _COLORS}"
        medians = [np.nan if point.median is None else point.median for point in line.points]
        chart.line(axis, medians, tone, line.method)
        for point in line.points:
            if point.median is not None and point.low is not None and point.high is not None:
                chart.whiskers([(point.value, point.low, point.high)], f"line {tone}")
        legend.append((tone, linked(line.method)))
    return captioned(f"{table.metric} by {table.sweep.field}", chart, legend)


def _numbers(table: SweepTable) -> str:
    head = [f"{value:g}" for value in table.sweep.values] + ["slope"]
    if table.sweep.target is not None:
        head.append(reached_title(table))
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    caption = f"{escape(table.metric)} by {escape(table.sweep.field)}; hover for the interval"
    body = "".join(_row(table, line) for line in table.lines)
    return (
        f'<div class="wide"><table><caption>{caption}</caption><thead><tr><th scope="col">method</th>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(table: SweepTable, line: Line) -> str:
    own = ' class="own"' if line.own else ""
    last = [bounds_text(line.slope)]
    if table.sweep.target is not None:
        last.append(bounds_text(line.reached, table.sweep.values[-1]))
    cells = "".join(map(_cell, line.points)) + "".join(f"<td>{escape(text)}</td>" for text in last)
    return f'<tr{own}><th scope="row">{linked(line.method)}</th>{cells}</tr>'


def _cell(point: Point) -> str:
    if point.median is None:
        return f'<td class="failed">{"failed" if point.runs else ""}</td>'
    hint = f"{point.runs} runs, {point.failed} failed"
    if point.low is not None and point.high is not None:
        hint = f"{brief(point.low)} to {brief(point.high)}; {hint}"
    return f'<td title="{escape(hint)}">{brief(point.median)}</td>'
