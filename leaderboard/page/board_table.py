"""The table of a board: a line a method, a column a task; on a phone rank and skill, and the rest on demand."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

from dynamark.leaderboards.boards import BoardTable, Place
from dynamark.leaderboards.formats import number, short
from dynamark.leaderboards.page.links import Links
from dynamark.leaderboards.page.markup import accent, brief, classes, cost, counted, dagger, escape, seconds, slug
from dynamark.leaderboards.table import TaskInfo

__all__ = ["board_rows"]

_RANK = "position by skill; in brackets its 95 % interval over other seeds of these tasks"
_SKILL = "mean over tasks of the trimmed mean over seeds, with its 95 % interval"
_UNSOLVED = "tasks on which the method fails, or is no better than the baseline, in the median over seeds"

# A column: its head, and its cell for a method.
Column = tuple[str, Callable[[Place], str]]


def board_rows(table: BoardTable, links: Links) -> str:
    """The rows of the board as an HTML table, one per method."""
    best = {task.name: _best(table, task) for task in table.tasks}
    columns = [*_leading(table), *_costs(table)]
    columns += [
        (_task_head(t), functools.partial(_score, task=t, table=table, best=best, links=links)) for t in table.tasks
    ]
    heads = "".join(head for head, _ in columns)
    body = "\n".join(
        _line(place, columns, before) for place, before in zip(table.places, (None, *table.places), strict=False)
    )
    caption = f"{table.board.name}: {counted(len(table.places), 'method')} on {counted(len(table.tasks), 'task')}"
    return (
        f'<div class="wide board {accent(table.board.family)}" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f"\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _line(place: Place, columns: list[Column], before: Place | None) -> str:
    marks = classes("own" * place.own, "band" * (before is not None and before.band != place.band))
    cells = "".join(cell(place) for _, cell in columns)
    return f'<tr data-name="{escape(place.method.lower())}"{marks}>{cells}</tr>'


def _head(name: str, hint: str, style: str = "") -> str:
    style = f' class="{style}"' if style else ""
    return f'<th scope="col"{style} title="{escape(hint)}"><button type="button">{escape(name)}</button></th>'


def _task_head(task: TaskInfo) -> str:
    """The name of a task, which may break after any of its parts."""
    way = "lower" if task.lower_is_better else "higher"
    name = re.sub(r"([_(,=] ?)", r"\1<wbr>", escape(short(task.name)))
    metric = f"<small>{escape(task.metric)} {'↓' if task.lower_is_better else '↑'}</small>"
    hint = f"{task.name}: median {task.metric} over seeds, {way} is better"
    return (
        f'<th scope="col" class="task more" title="{escape(hint)}"><button type="button">{name}{metric}</button></th>'
    )


def _leading(table: BoardTable) -> list[Column]:
    columns: list[Column] = [(_head("method", "sorts by name"), _name), (_head("rank", _RANK, "rank"), _rank)]
    if table.places[0].skill is None:
        mean = _head("mean rank", "mean of the ranks over tasks and seeds; a task of this board has no scale for skill")
        return [*columns, (mean, lambda place: _cell(place.mean_rank, f"{place.mean_rank:.1f}"))]
    return [*columns, (_head("skill", _SKILL), _skill)]


def _costs(table: BoardTable) -> list[Column]:
    columns: list[Column] = []
    if any(place.lost for place in table.places):
        columns += [(_head("unsolved", _UNSOLVED, "more"), lambda p: _more(p.lost, str(p.lost or ""), "failed"))]
    if any(place.failed for place in table.places):
        hint = "runs that crashed, ran out of time or memory, or raised an error"
        columns += [(_head("failed", hint, "more"), lambda p: _more(p.failed, str(p.failed or ""), "failed"))]
    columns += [(_head("fit", "median time to fit", "more"), lambda p: _more(p.seconds, seconds(p.seconds)))]
    if any(place.parameters is not None for place in table.places):
        hint = "median number of parameters"
        columns += [(_head("size", hint, "more"), lambda p: _more(p.parameters, cost(p.parameters)))]
    return columns


def _name(place: Place) -> str:
    star = " *" if place.own else ""
    link = f'<a href="#{slug("method", place.method)}">{escape(place.method)}</a>{star}{dagger(place.submitted)}'
    fold = '<input type="checkbox" class="fold" aria-label="scores">'
    return f'<th scope="row" data-value="{escape(place.method)}">{fold}{link}</th>'


def _rank(place: Place) -> str:
    between = f" <small>[{place.best}–{place.worst}]</small>" if place.best < place.worst else ""
    return f'<td class="rank" data-value="{place.rank}"><b>{place.rank}</b>{between}</td>'


def _skill(place: Place) -> str:
    """The skill in figures, and as a bar with its interval."""
    value = place.skill or 0.0
    low, high = (value if end is None else end for end in (place.low, place.high))
    bar = f'<i class="range" style="--s:{value:.3f};--l:{low:.3f};--h:{high:.3f}"></i>'
    hint = "" if place.low is None else f' title="95 % interval {low:.3f} to {high:.3f}"'
    return f'<td class="skill" data-value="{value:.4f}"{hint}><b>{value:.3f}</b>{bar}</td>'


def _cell(value: object, shown: str) -> str:
    return f"<td>{shown}</td>" if value is None else f'<td data-value="{escape(str(value))}">{shown}</td>'


def _more(value: float | None, shown: str, style: str = "") -> str:
    """A cell that a narrow screen folds away."""
    # Where the text of a cell is its value, sorting reads it there.
    known = "" if value is None or shown == f"{value:.5g}" else f' data-value="{value:.5g}"'
    return f'<td class="{f"more {style}".strip()}"{known}>{shown}</td>'


def _score(place: Place, task: TaskInfo, table: BoardTable, best: Mapping[str, float | None], links: Links) -> str:
    """The median score of a task, which leads to its rows; the best of the column is marked, the spread shown on hover."""
    value = place.scores.get(task.name)
    rows = links.to(task.name, table.board.tier, "", place.method)
    shown = '<span class="failed">failed</span>' if value is None else brief(value)
    known = "" if value is not None and "·" not in brief(value) else f' data-value="{number(value, ".3g")}"'
    shown = shown if rows is None else f'<a href="#{rows}">{shown}</a>'
    marks = "more heat best" if value is not None and value == best[task.name] else "more heat"
    spread = place.spreads.get(task.name)
    hint = f' title="{brief(spread[0])} to {brief(spread[1])}"' if spread else ""
    shade = f' style="--s:{place.skills.get(task.name, 0):.2g}"'
    return f'<td class="{marks}"{shade}{known}{hint}>{shown}</td>'


def _best(table: BoardTable, task: TaskInfo) -> float | None:
    values = [place.scores[task.name] for place in table.places if task.name in place.scores]
    return (min if task.lower_is_better else max)(values, default=None)
