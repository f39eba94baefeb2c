"""A table of the page: standings with their intervals, and the score of each task, shaded by skill."""

from __future__ import annotations

from collections.abc import Sequence

from dynamark.leaderboard.formats import number, place, short
from dynamark.leaderboard.page.links import Links
from dynamark.leaderboard.page.markup import accent, brief, cost, counted, escape, memory, seconds, slug, table_id
from dynamark.leaderboard.table import Standing, Table, TaskInfo

__all__ = ["overall", "standings"]


def standings(table: Table, links: Links) -> str:
    """The table of one family."""
    held = any(s.held_out is not None for s in table.standings)
    heads = [_head("method"), _head("place", _PLACE), _head("skill", _SKILL)]
    heads += [_head("held out", _HELD), _head("difference", "held-out less public skill")] if held else []
    heads += [_head("rank", "mean rank over tasks and seeds"), *_COSTS, *(_task_head(t) for t in table.tasks)]
    cells = [
        [*_leading(s, held), _cell(s.rank, number(s.rank, ".1f")), *_costs(s)]
        + [_score(s, t, table, links) for t in table.tasks]
        for s in table.standings
    ]
    return _table(heads, table, cells)


def overall(table: Table, families: Sequence[Table]) -> str:
    """A table over several families: the mean skill on its tasks of each."""
    heads = [_head("method"), _head("place", _PLACE), _head("skill", _SKILL)]
    among = [f for f in families if any(t.name in {u.name for u in f.tasks} for t in table.tasks)]
    heads += [_head(f.family, f"mean skill on the tasks of {f.family}") for f in among]
    lines = []
    for s in table.standings:
        shares = []
        for family in among:
            skills = [s.skills[t.name] for t in family.tasks if t.name in s.skills]
            skill = sum(skills) / len(skills) if skills else None
            link = "" if skill is None else f'<a href="#{table_id(family)}">{skill:.3f}</a>'
            shares.append(_shaded(skill, link, skill, accent(family.family)))
        lines.append([*_leading(s, False), *shares, *_costs(s)])
    return _table([*heads, *_COSTS], table, lines)


def _leading(s: Standing, held: bool) -> list[str]:
    """Name, place and skill; with `held` the skill on held-out data and its difference."""
    shown = f'<span class="place">{place(s).replace("-", "–")}</span>'
    cells = [_name(s), _cell(s.place[0] if s.place else None, shown), _skill(s)]
    if held:
        away, less = (None, None) if s.held_out is None else (s.held_out.skill, s.held_out.difference)
        cells += [_cell(away, number(away, ".3f")), _cell(less, number(less, "+.3f").replace("-", "−"))]
    return cells


_PLACE = "95 % interval of the place by bootstrap"
_HELD = "skill on held-out data of the tasks that the method also met publicly; no rank knows of it"
_SKILL = "interquartile mean over tasks and seeds, with its 95 % interval"


def _table(heads: Sequence[str], table: Table, cells: Sequence[Sequence[str]]) -> str:
    caption = f"{table.title}: {counted(len(table.standings), 'method')} on {counted(len(table.tasks), 'task')}"
    before = [None, *(s.band for s in table.standings)]
    body = "\n".join(
        _line(s, own, first_of_band=band not in (None, s.band))
        for s, own, band in zip(table.standings, cells, before, strict=False)
    )
    return (
        f'<div class="wide {accent(table.family)}" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _head(name: str, hint: str = "") -> str:
    title = f' title="{escape(hint)}"' if hint else ""
    return f'<th scope="col"{title}><button type="button">{escape(name)}</button></th>'


def _task_head(task: TaskInfo) -> str:
    way = "lower" if task.lower_is_better else "higher"
    metric = f"<small>{escape(task.metric)} {'↓' if task.lower_is_better else '↑'}</small>" if task.metric else ""
    hint = f"{task.name}: median {task.metric} over seeds, {way} is better"
    return (
        f'<th scope="col" title="{escape(hint)}"><button type="button">{escape(short(task.name))}{metric}</button></th>'
    )


_COSTS = [
    _head("runs", "runs of this method, of all runs that any method has"),
    _head("failed"),
    _head("fit", "median time to fit"),
    _head("memory", "median of the largest memory of a run's process"),
    _head("steps", "median number of training steps or passes"),
    _head("parameters", "median number of parameters"),
]


def _costs(s: Standing) -> list[str]:
    return [
        _cell(s.runs / max(s.possible, 1), f"{s.runs}<small>/{s.possible}</small>"),
        _cell(s.failed, f'<span class="failed">{s.failed}</span>' if s.failed else "0"),
        _cell(s.fit_seconds, seconds(s.fit_seconds)),
        _cell(s.peak_memory, memory(s.peak_memory)),
        _cell(s.steps, cost(s.steps)),
        _cell(s.parameters, cost(s.parameters)),
    ]


def _line(s: Standing, cells: Sequence[str], first_of_band: bool = False) -> str:
    marks = " ".join(filter(None, ["own" if s.own else "", "band" if first_of_band else ""]))
    return f'<tr data-name="{escape(s.method.lower())}" class="{marks}">{"".join(cells)}</tr>'


def _name(s: Standing) -> str:
    star = ' <span title="rows of one\'s own, not among the published ones">*</span>' if s.own else ""
    link = f'<a href="#{slug("method", s.method)}">{escape(s.method)}</a>{star}'
    return f'<th scope="row" data-value="{escape(s.method)}">{link}</th>'


def _cell(value: object, shown: str) -> str:
    return f'<td data-value="{"" if value is None else escape(str(value))}">{shown}</td>'


def _shaded(value: float | None, shown: str, skill: float | None, style: str = "") -> str:
    """A cell, the darker the higher the skill."""
    if skill is None:
        return _cell(value, shown)
    told = "" if value is None else value
    return f'<td class="heat {style}" style="--s:{skill:.2f}" data-value="{told}">{shown}</td>'


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


def _score(s: Standing, task: TaskInfo, table: Table, links: Links) -> str:
    """The median score of a task, which leads to its rows; below it that on held-out data."""
    rows = links.to(task.name, table.tier, table.salt, s.method)
    if rows is None:
        return _cell(None, "")
    value = s.scores.get(task.name)
    shown = '<span class="failed">failed</span>' if value is None else brief(value)
    away = None if s.held_out is None else s.held_out.scores.get(task.name)
    beside = "" if away is None else f'<small class="held" title="on held-out data">{brief(away)}</small>'
    return _shaded(value, f'<a class="rows" href="#{rows}">{shown}{beside}</a>', s.skills.get(task.name))
