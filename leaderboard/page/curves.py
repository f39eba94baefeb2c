"""Curves of a task as charts: how errors and regrets grow, how losses fall."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from dynamark.leaderboards.page.markup import escape, slug
from dynamark.leaderboards.page.svg import Chart, around, wants_logarithm
from dynamark.leaderboards.table import Standing, Table

if TYPE_CHECKING:
    import pandas

__all__ = [
    "PICTURES",
    "SMALL",
    "Curves",
    "Line",
    "captioned",
    "charts",
    "chosen",
    "colors",
    "curves_of",
    "linked",
    "words",
]

# Curves by name, then by method: the median over seeds on a common axis.
Curves = dict[str, dict[str, "Line"]]

# Points of a drawn curve, and methods in one chart.
_POINTS, _LINES = 24, 5
# Charts of a card: more would take a third of the page.
_CHARTS = 1
# Width and height of a chart in a card, and the number of colors that the style sheet has for methods.
SMALL, _COLORS = (345, 225), 8
# Curves that are pictures, of one seed: their truth is the curve of the same name with "_true". The labels of their axes.
PICTURES = {
    "attractor": ("", ""),
    "eigenvalues": ("real part", "imaginary part"),
    "singular_values": ("index", "singular value"),
}
# What a curve runs over, where its name does not end with "by ...".
_OVER = {"nrmse": "steps ahead", "regret": "round"}
# Curves of how a method was fitted, not of what it does: they stay in the rows.
_FITTING = ("training_loss", "residual", "validation_loss")
# One curve of several that belong together: the second singular value, by steps.
_NUMBERED = re.compile(r"(.+)_(\d+)((?:_by_.+)?)")


@dataclass(frozen=True)
class Line:
    """A curve: its axis and its values."""

    axis: ndarray
    values: ndarray


def curves_of(rows: pandas.DataFrame) -> dict[str, Curves]:
    """The curves of each task: by name and method, the median over seeds. Of pictures, the lowest seed's."""
    if "curves" not in rows:
        return {}
    gathered: dict[tuple[str, str, str], list[Line]] = {}
    for task, method, seed_curves in zip(rows["task"], rows["method"], rows["curves"], strict=True):
        for curve in seed_curves if seed_curves is not None else ():
            line = Line(np.asarray(curve["axis"], float), np.asarray(curve["values"], float))
            if len(line.axis):
                gathered.setdefault((str(task), str(curve["name"]), str(method)), []).append(line)
    curves: dict[str, Curves] = {}
    for (task, name, method), lines in gathered.items():
        picture = name.removesuffix("_true") in PICTURES
        curves.setdefault(task, {}).setdefault(name, {})[method] = lines[0] if picture else _middle(lines)
    return curves


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


def charts(curves: Curves, table: Table, task: str) -> str:
    """Charts of the primary score's curve (else of the first) and of each family of curves: the best methods and your own."""
    shown, families = [], _families(curves)
    metric = next(t.metric for t in table.tasks if t.name == task).partition("_")[0]
    names = set(curves) - {member for own in families.values() for member in own}
    for name in sorted(names, key=lambda name: (not name.startswith(metric), name)):
        if name.removesuffix("_true") in PICTURES or name in _FITTING:
            continue
        lines = {m: curves[name][m] for m in chosen(curves[name], table, task)}
        if any(len(line.axis) > 1 for line in lines.values()):
            drawn = _chart(name, lines, colors(lines, table), f"{task}: {words(name)}, median over seeds")
            legend = [(colors(lines, table)[method], escape(method)) for method in lines]
            shown.append(captioned(words(name), drawn, legend))
    shown = shown[:_CHARTS] + [_family(name, own, curves, table, task) for name, own in families.items()]
    return "".join(shown)


def _families(curves: Curves) -> dict[str, list[str]]:
    """Curves that differ in a number, such as singular values over time: they share a chart."""
    families: dict[str, dict[int, str]] = {}
    for name in curves:
        if match := _NUMBERED.fullmatch(name):
            families.setdefault(match[1] + match[3], {})[int(match[2])] = name
    return {name: [own[k] for k in sorted(own)] for name, own in sorted(families.items())}


def _family(name: str, members: Sequence[str], curves: Curves, table: Table, task: str) -> str:
    """The curves of a family for the best method that has them."""
    method = chosen(curves[members[0]], table, task)[0]
    lines = {member: curves[member][method] for member in members[:_COLORS] if method in curves[member]}
    tones = {member: f"c{place}" for place, member in enumerate(lines)}
    drawn = _chart(name, lines, tones, f"{task}: {words(name)} of {method}, median over seeds")
    numbers = [(tones[member], escape(_NUMBERED.fullmatch(member)[2])) for member in lines]  # type: ignore[index]
    return captioned(f"{words(name)}, {method}", drawn, numbers)


def chosen(having: Mapping[str, Line], table: Table, task: str) -> list[str]:
    """The methods to draw, best first: the best that have the curve, and your own."""
    lower = next(t.lower_is_better for t in table.tasks if t.name == task)

    def rank(s: Standing) -> tuple[bool, float, str]:
        score = s.scores.get(task)
        return (score is None, (score or 0.0) * (1 if lower else -1), s.method)

    ordered = [s for s in sorted(table.standings, key=rank) if s.method in having]
    best = [s.method for s in ordered[:_LINES]]
    return best + [s.method for s in ordered[_LINES:] if s.own][:2]


def colors(methods: Iterable[str], table: Table) -> dict[str, str]:
    """A class a method: the same in all charts of a table, unless two in one chart would share it."""
    place = {s.method: i for i, s in enumerate(table.standings)}
    taken: dict[str, str] = {}
    for method in methods:
        wanted = [f"c{(place[method] + k) % _COLORS}" for k in range(_COLORS)]
        taken[method] = next((c for c in wanted if c not in taken.values()), wanted[0])
    return taken


def words(name: str) -> str:
    """A curve's name as people write it."""
    return name.replace("_", " ").replace("lyapunov", "Lyapunov")


def _chart(name: str, lines: Mapping[str, Line], tones: Mapping[str, str], label: str) -> Chart:
    axes = np.concatenate([line.axis for line in lines.values()])
    values = np.concatenate([line.values for line in lines.values()])
    log_x = bool(axes.min() > 0) and wants_logarithm(axes) and not np.allclose(np.diff(axes[:3]), 1)
    log_y = wants_logarithm(values)
    what, _, over = words(name).partition(" by ")
    chart = Chart(
        label,
        (over or _OVER.get(name, "t"), around(axes, log_x, 0.0), log_x),
        (what, around(values, log_y), log_y),
        *SMALL,
    )
    for named, line in lines.items():
        drawn = _thinned(line, log_x)
        chart.line(drawn.axis, drawn.values, tones[named], named)
    return chart


def captioned(caption: str, chart: Chart | str, legend: Sequence[tuple[str, str]]) -> str:
    """A figure with its legend: pairs of a class and of words as HTML."""
    items = "".join(f'<li class="{style}">{shown}</li>' for style, shown in legend)
    drawn = chart if isinstance(chart, str) else chart.render()
    return f'<figure><figcaption>{escape(caption)}</figcaption>{drawn}<ul class="legend">{items}</ul></figure>'


def linked(method: str) -> str:
    """A method's name that leads to its card."""
    return f'<a href="#{slug("method", method)}">{escape(method)}</a>'
