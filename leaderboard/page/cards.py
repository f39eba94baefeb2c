"""Cards: what a task measures and who is best at it; what a method is and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dynamark.leaderboards.formats import short
from dynamark.leaderboards.page.curves import Curves, charts
from dynamark.leaderboards.page.links import Links
from dynamark.leaderboards.page.markup import (
    accent,
    brief,
    cost,
    counted,
    equation,
    escape,
    memory,
    prose,
    seconds,
    slug,
)
from dynamark.leaderboards.page.pictures import pictures
from dynamark.leaderboards.page.references import cited
from dynamark.leaderboards.page.sources import About, Sources
from dynamark.leaderboards.table import Standing, Table, TaskInfo

if TYPE_CHECKING:
    import pandas

__all__ = ["method_card", "task_card"]

_BEST = 5


def task_card(
    task: TaskInfo, table: Table, curves: Curves, links: Links, sources: Sources, ranked: bool = False
) -> str:
    """Equation, metric, the scale from baseline to oracle with the methods on it, the best of them, a curve and pictures.

    ranked: whether the methods stand beside it in a board's table, so that they are not named again.
    """
    about = sources.about("task", task.name)
    lower = task.lower_is_better
    ordered = sorted(
        (s for s in table.standings if task.name in s.scores),
        key=lambda s: (s.scores[task.name] if lower else -s.scores[task.name], s.method),
    )
    unit, meaning = sources.metrics(task.name).get(task.metric, ("", ""))
    way = f"{'lower' if lower else 'higher'} is better"
    measured = (
        f"<b>{escape(task.metric)}</b>" + (f" ({escape(unit)})" if unit else "") + f", {way}"
        if task.metric
        else "no run answered"
    )
    best = "" if ranked else f"<ol>{''.join(_best(s, task, table, links) for s in ordered[:_BEST])}</ol>"
    name = slug("task", f"{task.name}-{table.tier}{table.salt}".replace("/", "-"))
    return (
        f'<article class="card {accent(table.family)}" id="{name}">'
        f"<h4>{escape(short(task.name))}</h4>{_equation(about)}"
        f"<p>{measured}{': ' + escape(meaning) if meaning else ''}</p>"
        f"{_scale(task, () if ranked else ordered, ranked)}{best}"
        f"{pictures(curves, table, task.name)}{charts(curves, table, task.name)}"
        f"{_more(about)}</article>"
    )


def _best(s: Standing, task: TaskInfo, table: Table, links: Links) -> str:
    rows = links.to(task.name, table.tier, table.salt, s.method)
    score = f'<a href="#{rows}">{brief(s.scores[task.name])}</a>'
    return f'<li><a href="#{slug("method", s.method)}">{escape(s.method)}</a> <span>{score}</span></li>'


def _scale(task: TaskInfo, ordered: Sequence[Standing], ends_only: bool) -> str:
    """A strip from baseline to oracle, with a tick for each method at its mean skill."""
    ends = [("baseline", task.baseline), ("oracle", task.oracle)]
    words = "".join(f"<span>{name} {brief(value)}</span>" for name, value in ends if value is not None)
    if ends_only and words and task.oracle is not None:
        return f'<p class="ends">{words}</p>'
    ticks = "".join(f"M{100 * s.skills[task.name]:.3g} 0v10" for s in ordered if task.name in s.skills)
    if not ticks:
        reason = "ranks only" if task.oracle is not None else "oracle unknown: ranks only"
        return f'<p class="ends">{words}<span>{reason}</span></p>' if words else ""
    return (
        f'<svg class="strip" viewBox="-1 0 102 10" preserveAspectRatio="none" role="img" '
        f'aria-label="skill of {len(ordered)} methods">'
        f'<rect class="track" width="100" height="10"/><path d="{ticks}"/></svg><p class="ends">{words}</p>'
    )


def method_card(
    method: str,
    places: Sequence[tuple[Table, Standing]],
    rows: pandas.DataFrame,
    sources: Sources,
    targets: Mapping[str, str],
) -> str:
    """Equation, paper, skill in each table with its interval, failures with their reasons, cost, hyper-parameters.

    targets: the id of each table on the page, by its title.
    """
    about = sources.about("method", method)
    family = next((t.family for t, _ in places), "other")
    skills = "".join(_place(table, s, targets) for table, s in places)
    fields = "" if about is None or not about.fields else f"<p class=fields>{escape(about.fields)}</p>"
    return (
        f'<article class="card {accent(family)}" id="{slug("method", method)}" data-name="{escape(method.lower())}">'
        f"<h4>{escape(method)}</h4>{_equation(about)}{fields}<dl>{skills}{_cost(rows)}</dl>{_failures(rows)}{_papers(about)}{_more(about)}"
        f"</article>"
    )


def _place(table: Table, s: Standing, targets: Mapping[str, str]) -> str:
    value = "ranks only" if s.skill is None else f"skill <b>{s.skill:.3f}</b>"
    interval = "" if s.low is None or s.high is None else f" <small>[{s.low:.2f}, {s.high:.2f}]</small>"
    away = None if s.held_out is None else s.held_out.skill
    away_text = "" if away is None else f", held out <b>{away:.3f}</b>"
    link = f'<a href="#{targets[table.title]}">{escape(table.title)}</a>'
    runs = "" if s.runs == s.possible else f" <small>{s.runs}/{s.possible} runs</small>"
    return f"<dt>{link}</dt><dd>{value}{interval}{away_text}{runs}</dd>"


def _cost(rows: pandas.DataFrame) -> str:
    def middle(column: str) -> float | None:
        values = rows[column].to_numpy(float) if column in rows else np.array([])
        known = values[np.isfinite(values)]
        return float(np.median(known)) if len(known) else None

    costs = {
        "fit, median": seconds(middle("fit_seconds")),
        "answer, median": seconds(middle("predict_seconds")),
        "parameters": cost(middle("parameters")),
        "steps": cost(middle("steps")),
        "peak memory": memory(middle("peak_memory")),
    }
    return "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in costs.items() if value)


def _failures(rows: pandas.DataFrame) -> str:
    failed = rows[rows["failed"].to_numpy()]
    if not len(failed):
        return ""
    reasons = failed["reason"] if "reason" in failed else failed["status"]
    pairs = zip(failed["task"], failed["seed"], failed["status"], reasons, strict=True)
    items = "".join(
        f"<li>{escape(f'{task}, seed {seed}: {status}')}{'' if reason is None else escape(': ' + str(reason)[:200])}</li>"
        for task, seed, status, reason in list(pairs)[:10]
    )
    more = f"<li>and {len(failed) - 10} more</li>" if len(failed) > 10 else ""
    head = f'<span class="failed">{counted(len(failed), "failed run")}</span>'
    return f'<details><summary>{head}</summary><ul class="folded">{items}{more}</ul></details>'


def _equation(about: About | None) -> str:
    return "" if about is None or not about.equation else f'<p class="equation">{equation(about.equation)}</p>'


def _papers(about: About | None) -> str:
    return "" if about is None or not about.keys else f"<p>paper: {', '.join(map(cited, about.keys))}</p>"


def _more(about: About | None) -> str:
    if about is None or not about.rest:
        return ""
    paragraphs = "".join(f"<p>{prose(p)}</p>" for p in about.rest)
    return f'<details class="more"><summary>details</summary>{paragraphs}</details>'
