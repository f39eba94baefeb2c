"""Plots that answer questions: what skill costs, how errors and regrets grow, what was reconstructed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy import ndarray

from dynamark.leaderboard.page.markup import brief, cost, escape, seconds, slug
from dynamark.leaderboard.page.svg import Chart, around, wants_logarithm
from dynamark.leaderboard.table import Standing, Table

if TYPE_CHECKING:
    import pandas

__all__ = ["Curves", "curve_charts", "curves_of", "pareto", "pictures"]

# Curves by name, then by method: the median over seeds on a common axis.
Curves = dict[str, dict[str, "Line"]]

# Points of a drawn curve, and methods in one chart; a picture is a curve of seed 0 in two coordinates.
_POINTS, _LINES, _DOTS = 40, 6, 700
# Width and height of a chart in a card, and the number of colours that the style sheet has for methods.
_SMALL, _COLOURS = (345, 225), 8
# Curves that are pictures: their truth is the curve of the same name with "_true".
PICTURES = {
    "attractor": ("x", "y"),
    "eigenvalues": ("real part", "imaginary part"),
    "singular_values": ("index", "singular value"),
}


@dataclass(frozen=True)
class Line:
    """A curve: its axis and its values."""

    axis: ndarray
    values: ndarray


def pareto(table: Table, what: Literal["fit_seconds", "parameters"]) -> str:
    """Skill against a cost on a logarithmic scale, with the front of those that nothing cheaper beats."""
    found = [(float(v), s.skill, s) for s in table.standings if (v := getattr(s, what)) and s.skill is not None]
    if len(found) < 2:
        return ""
    label = {"fit_seconds": "seconds to fit, median", "parameters": "parameters, median"}[what]
    costs = np.array([c for c, _, _ in found])
    chart = Chart(
        f"Skill against {label}, {table.title}",
        (label, around(costs, True, 0.08), True),
        ("skill", (-0.04, 1.04), False),
    )
    front: list[tuple[float, float, Standing]] = []
    for value, skill, s in sorted(found, key=lambda item: (item[0], -item[1], item[2].method)):
        if not front or skill > front[-1][1]:
            front.append((value, skill, s))
    steps = [
        (x, y)
        for (x, y, _), (nx, _, _) in zip(front, [*front[1:], (chart.x[1][1], 0, None)], strict=True)
        for x, y in ((x, y), (nx, y))
    ]
    chart.line([x for x, _ in steps], [y for _, y in steps], "front")
    leading = {s.method for _, _, s in front}
    for value, skill, s in found:
        shown = seconds(value) if what == "fit_seconds" else f"{cost(value)} parameters"
        style = "dot lead" if s.method in leading else "dot"
        if s.low is not None and s.high is not None:
            chart.whisker(value, s.low, s.high, "whisker")
        chart.point(value, skill, style, f"{s.method}: skill {skill:.3f}, {shown}", link=slug("method", s.method))
    for value, skill, s in reversed(front):  # the best first: labels that would cover others are left out
        chart.text(value, skill, s.method)
    return chart.render()


def curves_of(rows: pandas.DataFrame) -> dict[str, Curves]:
    """The curves of each task: by name and method, the median over seeds. Of pictures, the lowest seed's."""
    if "curves" not in rows:
        return {}
    gathered: dict[tuple[str, str, str], list[Line]] = {}
    for task, method, told in zip(rows["task"], rows["method"], rows["curves"], strict=True):
        for curve in told if told is not None else ():
            line = Line(np.asarray(curve["axis"], float), np.asarray(curve["values"], float))
            if len(line.axis):
                gathered.setdefault((str(task), str(curve["name"]), str(method)), []).append(line)
    made: dict[str, Curves] = {}
    for (task, name, method), lines in gathered.items():
        picture = name.removesuffix("_true") in PICTURES
        made.setdefault(task, {}).setdefault(name, {})[method] = lines[0] if picture else _middle(lines)
    return made


def _middle(lines: Sequence[Line]) -> Line:
    """The median over seeds, on the axis of the longest curve; a run that ended earlier keeps its last value."""
    axis = max((line.axis for line in lines), key=len)
    order = np.argsort(axis, kind="stable")
    axis = axis[order]
    read = []
    for line in lines:
        if len(line.axis) == len(axis) and np.array_equal(line.axis[order], axis):
            read.append(line.values[order])
        else:
            own = np.argsort(line.axis, kind="stable")
            read.append(np.interp(axis, line.axis[own], line.values[own], left=np.nan))
    values = np.stack(read)
    known = ~np.isnan(values).all(axis=0)
    return Line(axis[known], np.nanmedian(values[:, known], axis=0))


def _thinned(line: Line, log: bool) -> Line:
    """At most so many points, equally far apart as they are drawn."""
    if len(line.axis) <= _POINTS:
        return line
    at = np.log(line.axis) if log else line.axis
    wanted = np.linspace(at[0], at[-1], _POINTS)
    keep = np.unique(np.clip(np.searchsorted(at, wanted), 0, len(at) - 1))
    return Line(line.axis[keep], line.values[keep])


def curve_charts(curves: Curves, table: Table, task: str) -> str:
    """A chart for each curve of a task: its best methods and those of one's own."""
    parts = []
    for name in sorted(curves):
        if name.removesuffix("_true") in PICTURES:
            continue
        lines = {m: curves[name][m] for m in _chosen(curves[name], table, task)}
        if any(len(line.axis) > 1 for line in lines.values()):
            parts.append(_figure(name, lines, _colours(lines, table), f"{task}: {_words(name)}"))
    return "".join(parts)


def _chosen(having: Mapping[str, Line], table: Table, task: str) -> list[str]:
    lower = next(t.lower_is_better for t in table.tasks if t.name == task)

    def rank(s: Standing) -> tuple[bool, float, str]:
        score = s.scores.get(task)
        return (score is None, (score or 0.0) * (1 if lower else -1), s.method)

    ordered = [s for s in sorted(table.standings, key=rank) if s.method in having]
    best = [s.method for s in ordered[:_LINES]]
    return best + [s.method for s in ordered[_LINES:] if s.own][:2]


def _colours(methods: Iterable[str], table: Table) -> dict[str, str]:
    """A class a method: the same in all charts of a table, unless two in one chart would share it."""
    place = {s.method: i for i, s in enumerate(table.standings)}
    taken: dict[str, str] = {}
    for method in methods:
        wanted = [f"c{(place[method] + k) % _COLOURS}" for k in range(_COLOURS)]
        taken[method] = next((c for c in wanted if c not in taken.values()), wanted[0])
    return taken


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(name: str, lines: Mapping[str, Line], colours: Mapping[str, str], label: str) -> str:
    axes = np.concatenate([line.axis for line in lines.values()])
    values = np.concatenate([line.values for line in lines.values()])
    log_x = wants_logarithm(axes) and not np.allclose(np.diff(axes[:3]), 1)
    log_y = wants_logarithm(values)
    what, _, over = _words(name).partition(" by ")
    chart = Chart(
        f"{label}, median over seeds",
        (over or ("step" if "loss" in name else "t"), around(axes, log_x, 0.0), log_x),
        (what, around(values, log_y), log_y),
        *_SMALL,
    )
    for method, line in lines.items():
        drawn = _thinned(line, log_x)
        chart.line(drawn.axis, drawn.values, colours[method], method)
    return _captioned(name, chart, [(colours[method], method) for method in lines])


def _captioned(name: str, chart: Chart, legend: Sequence[tuple[str, str]]) -> str:
    """A figure with its legend: (class, method), or (class, "") for the truth."""
    items = "".join(f'<li class="{style}">{_linked(method) if method else "truth"}</li>' for style, method in legend)
    caption = f"<figcaption>{escape(_words(name))}</figcaption>"
    return f'<figure>{caption}{chart.render()}<ul class="legend">{items}</ul></figure>'


def _linked(method: str) -> str:
    return f'<a href="#{slug("method", method)}">{escape(method)}</a>'


def pictures(curves: Curves, table: Table, task: str) -> str:
    """What was reconstructed beside the truth, for the best method that has such a curve."""
    parts = []
    for name, labels in PICTURES.items():
        found = curves.get(name, {})
        for method in _chosen(found, table, task)[:1]:
            truth = curves.get(f"{name}_true", {}).get(method)
            parts.append(_picture(name, labels, method, found[method], truth, _colours([method], table)[method]))
    return "".join(parts)


def _picture(name: str, labels: tuple[str, str], method: str, line: Line, truth: Line | None, colour: str) -> str:
    both = [line] if truth is None else [line, truth]
    x, y = (np.concatenate([getattr(p, side) for p in both]) for side in ("axis", "values"))
    if name == "eigenvalues":  # the unit circle is always in sight
        x, y = np.append(x, [-1.0, 1.0]), np.append(y, [-1.0, 1.0])
    log = name == "singular_values" and wants_logarithm(y)
    chart = Chart(
        f"{_words(name)} of {method} beside the truth",
        (labels[0], around(x, False), False),
        (labels[1], around(y, log), log),
        *_SMALL,
    )
    if name == "eigenvalues":
        chart.circle()
    for drawn, style in ((truth, "truth"), (line, colour)):
        if drawn is None:
            continue
        step = max(1, -(-len(drawn.axis) // _DOTS))
        if name == "attractor":
            chart.line(drawn.axis[::step], drawn.values[::step], f"thin {style}")
        else:
            for a, b in zip(drawn.axis[::step], drawn.values[::step], strict=True):
                chart.point(
                    float(a),
                    float(b),
                    f"mark {style}",
                    f"{brief(float(a))}, {brief(float(b))}",
                    size=5 if drawn is truth else 3,
                )
    return _captioned(name, chart, [*([] if truth is None else [("truth", "")]), (colour, method)])
