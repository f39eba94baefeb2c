"""A table of the page: standings with their intervals, and the score of each task, shaded by skill."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from dynamark.leaderboards.formats import number, place, short
from dynamark.leaderboards.page.links import Links
from dynamark.leaderboards.page.markup import (
    accent,
    brief,
    classes,
    cost,
    counted,
    dagger,
    escape,
    memory,
    seconds,
    slug,
)
from dynamark.leaderboards.table import Standing, Table, TaskInfo

__all__ = ["standings"]


# A column: its head, and its cell for a method.
Column = tuple[str, Callable[[Standing], str]]


def standings(table: Table, links: Links) -> str:
    """The table of one family; nothing where a single method ran, which compares nothing."""
    if len(table.standings) < 2:
        return ""
    held_out: list[Column] = [(_head("held out", _HELD), _held)] if any(s.held_out for s in table.standings) else []
    rank = (_head("rank", "mean rank over tasks and seeds"), lambda s: _cell(s.rank, number(s.rank, ".1f")))
    scores = [(_task_head(t), functools.partial(_score, task=t, table=table, links=links)) for t in table.tasks]
    return _table(table, [*_LEADING, *held_out, rank, *_costs(table), *scores])


_PLACE = (
    "95 % interval of the place by bootstrap, among the methods that ran on all tasks of the table; others have none"
)
_HELD = "skill on held-out data of tasks that the method met publicly, too, and its difference; no rank knows of it"
_SKILL = "interquartile mean over tasks and seeds, with its 95 % interval"


def _table(table: Table, columns: Sequence[Column]) -> str:
    caption = f"{table.title}: {counted(len(table.standings), 'method')} on {counted(len(table.tasks), 'task')}"
    heads = "".join(head for head, _ in columns)
    bands = [None, *(s.band for s in table.standings)]
    body = "\n".join(
        _line(
            s,
            "".join(cell(s) for _, cell in columns),
            first_of_band=band not in (None, s.band) or (s.band is None and band is not None),
        )
        for s, band in zip(table.standings, bands, strict=False)
    )
    return (
        f'<div class="wide {accent(table.family)}" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _head(name: str, hint: str = "") -> str:
    title = f' title="{escape(hint)}"' if hint else ""
    return f'<th scope="col"{title}><button type="button">{escape(name)}</button></th>'


def _task_head(task: TaskInfo) -> str:
    way = "lower" if task.lower_is_better else "higher"
    metric = f"<small>{escape(task.metric)} {'↓' if task.lower_is_better else '↑'}</small>" if task.metric else ""
    hint = f"{task.name}: median {task.metric} over seeds, {way} is better"
    return (
        f'<th scope="col" class="task" title="{escape(hint)}">'
        f'<button type="button">{escape(short(task.name))}{metric}</button></th>'
    )


def _costs(table: Table) -> list[Column]:
    """Coverage and costs; a column of which no method has anything is left out."""
    columns: list[Column] = [
        (
            _head("runs", "runs of this method, of all runs that any method has"),
            lambda s: _cell(s.runs / max(s.possible, 1), f"{s.runs}<small>/{s.possible}</small>"),
        )
    ]
    if any(s.failed for s in table.standings):
        columns += [(_head("failed"), lambda s: _cell(s.failed, f'<span class="failed">{s.failed or ""}</span>'))]
    for field, name, hint, shown in (
        ("fit_seconds", "fit", "median time to fit", seconds),
        ("peak_memory", "memory", "median of the largest memory of a run's process", memory),
        ("steps", "steps", "median number of training steps or passes", cost),
        ("parameters", "parameters", "median number of parameters", cost),
    ):
        if any(getattr(s, field) is not None for s in table.standings):
            columns += [(_head(name, hint), functools.partial(_cost, field=field, shown=shown))]
    return columns


def _cost(s: Standing, field: str, shown: Callable[[float | None], str]) -> str:
    return _cell(getattr(s, field), shown(getattr(s, field)))


def _line(s: Standing, cells: str, first_of_band: bool) -> str:
    marks = classes("own" * s.own, "band" * first_of_band)
    return f'<tr data-name="{escape(s.method.lower())}"{marks}>{cells}</tr>'


def _name(s: Standing) -> str:
    star = ' <span title="rows of one\'s own, not among the published ones">*</span>' if s.own else ""
    link = f'<a href="#{slug("method", s.method)}">{escape(s.method)}</a>{star}{dagger(s.submitted)}'
    return f'<th scope="row" data-value="{escape(s.method)}">{link}</th>'


def _cell(value: object, shown: str) -> str:
    return f"<td>{shown}</td>" if value is None else f'<td data-value="{escape(str(value))}">{shown}</td>'


def _shaded(value: float | None, shown: str, skill: float | None) -> str:
    """A cell, the darker the higher the skill."""
    if skill is None:
        return _cell(value, shown)
    return f'<td class="heat" style="--s:{skill:.2g}" data-value="{number(value, ".6g")}">{shown}</td>'


def _skill(s: Standing) -> str:
    """The skill in figures, and as a bar with its interval."""
    if s.skill is None:
        return _cell(None, "")
    low, high = (s.skill, s.skill) if s.low is None or s.high is None else (s.low, s.high)
    hint = "" if s.low is None else f' title="95 % interval {low:.3f} to {high:.3f}"'
    bar = (
        f'<svg class="range" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="10" rx="2"/><rect class="fill" width="{100 * s.skill:.1f}" height="10" rx="2"/>'
        f'<rect class="interval" x="{100 * low:.1f}" y="3.5" width="{max(100 * (high - low), 0.6):.1f}" height="3"/></svg>'
    )
    return f'<td class="skill" data-value="{s.skill}"{hint}><b>{s.skill:.3f}</b>{bar}</td>'


def _place(s: Standing) -> str:
    shown = f'<span class="place">{place(s).replace("-", "–")}</span>'
    return _cell(s.place[0] if s.place else None, shown)


def _held(s: Standing) -> str:
    """Skill on held-out data, and its difference to the public one."""
    if s.held_out is None or s.held_out.skill is None:
        return _cell(None, "")
    less = number(s.held_out.difference, "+.3f").replace("-", "−")
    return _cell(s.held_out.skill, f"{s.held_out.skill:.3f} <small>{less}</small>")


def _score(s: Standing, task: TaskInfo, table: Table, links: Links) -> str:
    """The median score of a task, which leads to its rows; below it that on held-out data."""
    rows = links.to(task.name, table.tier, table.salt, s.method)
    if rows is None:
        return _cell(None, "")
    value = s.scores.get(task.name)
    shown = '<span class="failed">failed</span>' if value is None else brief(value)
    away = None if s.held_out is None else s.held_out.scores.get(task.name)
    beside = "" if away is None else f'<small class="held" title="on held-out data">{brief(away)}</small>'
    return _shaded(value, f'<a href="#{rows}">{shown}{beside}</a>', s.skills.get(task.name))


_LEADING: list[Column] = [
    (_head("method"), _name),
    (_head("place", _PLACE), _place),
    (_head("skill", _SKILL), _skill),
]
