"""What skill costs: skill against seconds and against size, with the front of those that nothing cheaper beats."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dynamark.leaderboards.page.markup import cost, seconds, slug
from dynamark.leaderboards.page.svg import Chart, around
from dynamark.leaderboards.table import Standing, Table

__all__ = ["pareto", "plots"]


def pareto(table: Table, what: Literal["fit_seconds", "parameters"]) -> str:
    """Skill against a cost on a logarithmic scale, with the front of those that nothing cheaper beats.

    Only methods with all runs of the table are drawn: the others' means are of other tasks.
    """
    whole = [s for s in table.standings if s.complete]
    points = [(float(v), s.skill, s) for s in whole if (v := getattr(s, what)) and s.skill is not None]
    if len(points) < 2:
        return ""
    label = {"fit_seconds": "seconds to fit, median", "parameters": "parameters, median"}[what]
    costs = np.array([c for c, _, _ in points])
    chart = Chart(
        f"Skill against {label}, {table.title}",
        (label, around(costs, True, 0.08), True),
        ("skill", (-0.04, 1.04), False),
    )
    front: list[tuple[float, float, Standing]] = []
    for value, skill, s in sorted(points, key=lambda item: (item[0], -item[1], item[2].method)):
        if not front or skill > front[-1][1]:
            front.append((value, skill, s))
    steps = [
        (x, y)
        for (x, y, _), (nx, _, _) in zip(front, [*front[1:], (chart.x[1][1], 0, None)], strict=True)
        for x, y in ((x, y), (nx, y))
    ]
    chart.line([x for x, _ in steps], [y for _, y in steps], "front")
    leading = {s.method for _, _, s in front}
    chart.whiskers(
        ((value, s.low, s.high) for value, _, s in points if s.low is not None and s.high is not None), "whisker"
    )
    for value, skill, s in points:
        shown = seconds(value) if what == "fit_seconds" else f"{cost(value)} parameters"
        style = "dot lead" if s.method in leading else "dot"
        chart.point(
            value,
            skill,
            style,
            f"{s.method}: skill {skill:.3f}, {shown}",
            link=slug("method", s.method),
        )
    for value, skill, s in reversed(front):  # the best first: labels that would cover others are left out
        chart.text(value, skill, s.method)
    return chart.render()


def plots(table: Table) -> str:
    """Both plots of a table, those that there are."""
    return "".join(
        f"<figure><figcaption>{caption}</figcaption>{chart}</figure>"
        for what, caption in (("fit_seconds", "skill against time"), ("parameters", "skill against size"))
        if (chart := pareto(table, what))  # type: ignore[arg-type]
    )
