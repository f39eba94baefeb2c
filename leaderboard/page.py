"""The page: the leaderboard as one HTML file that loads nothing from elsewhere. The same rows make the same bytes."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING

from dynamark.leaderboard.formats import clean
from dynamark.leaderboard.table import Standing, Table, TaskInfo, tables

if TYPE_CHECKING:
    import pandas

__all__ = ["page"]


def escape(text: str) -> str:
    """Text as HTML, in attributes too."""
    return html.escape(clean(text))


def page(frame: pandas.DataFrame, family: str | None = None) -> str:
    """The whole page for gathered rows."""
    made = tables(frame, family)
    assets = resources.files("dynamark.leaderboard") / "assets"
    links = "".join(f'<a href="#{escape(t.title)}">{escape(t.title)}</a>' for t in made)
    digest = hashlib.sha256("".join(sorted(frame["key"] + frame["finished"])).encode()).hexdigest()
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dynamark leaderboard</title>
<style>
{(assets / "page.css").read_text()}</style>
</head>
<body>
<header>
<h1>dynamark leaderboard</h1>
<p>Skill is the primary score of a task on the scale from its baseline (0) to its oracle (1), per seed, clipped to [0, 1]; a
failed run has skill 0. Shown is the interquartile mean over tasks and seeds with its 95 % interval by stratified bootstrap.</p>
<nav aria-label="tables">{links}</nav>
<p><label>Method <input id="filter" type="search" placeholder="filter by name"></label></p>
</header>
<main>
{"".join(_section(table) for table in made) or "<p>No rows yet.</p>"}
</main>
<footer>
<p>{len(frame)} runs; digest of the rows {digest[:16]}. * marks rows of one's own, which are not among the published ones.</p>
</footer>
<script>
{(assets / "page.js").read_text()}</script>
</body>
</html>
"""


def _section(table: Table) -> str:
    tasks = () if table.family == "overall" else table.tasks
    heads = ["method", "skill", "runs", "failed", "fit, s", "parameters"]
    columns = "".join(_head(name) for name in heads)
    columns += "".join(_head(f"{t.name.split('/', 1)[-1]}", f"{t.name}: {t.metric}, median over seeds") for t in tasks)
    body = "\n".join(_line(standing, [t.name for t in tasks]) for standing in table.standings)
    return f"""<section id="{escape(table.title)}">
<h2>{escape(table.title)}</h2>
<div class="wide" role="region" aria-label="{escape(table.title)}" tabindex="0">
<table>
<caption>{_caption(table, tasks)}</caption>
<thead><tr>{columns}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>
</section>
"""


def _caption(table: Table, tasks: Sequence[TaskInfo]) -> str:
    if not tasks:
        return f"All families, {len(table.tasks)} tasks"
    scores = sorted({f"{t.metric} ({'lower' if t.lower_is_better else 'higher'} is better)" for t in tasks})
    return escape(f"{len(tasks)} tasks; task columns show the median over seeds of {', '.join(scores)}")


def _head(name: str, hint: str = "") -> str:
    title = f' title="{escape(hint)}"' if hint else ""
    return f'<th scope="col"{title}><button type="button">{escape(name)}</button></th>'


def _line(s: Standing, tasks: Sequence[str]) -> str:
    cells = [
        _cell(s.method, escape(s.method) + (" *" if s.own else "")),
        _cell(s.skill, _bar(s)),
        _cell(s.runs, f"{s.runs}/{s.possible}"),
        _cell(s.failed, f'<span class="failed">{s.failed}</span>' if s.failed else "0"),
        _cell(s.fit_seconds, "" if s.fit_seconds is None else f"{s.fit_seconds:.2g}"),
        _cell(s.parameters, "" if s.parameters is None else f"{s.parameters:,}"),
    ]
    for name in tasks:
        value = s.scores.get(name)
        cells.append(_cell(value, "" if value is None else f"{value:.3g}"))
    mark = ' class="own"' if s.own else ""
    return f"<tr{mark}>{''.join(cells)}</tr>"


def _cell(value: object, shown: str) -> str:
    return f'<td data-value="{"" if value is None else escape(str(value))}">{shown}</td>'


def _bar(s: Standing) -> str:
    """The skill in figures, and as a bar with its interval."""
    if s.skill is None or s.low is None or s.high is None:
        return ""
    return (
        f"{s.skill:.3f} <small>({s.low:.2f} to {s.high:.2f})</small>"
        '<svg class="range" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="10"/>'
        f'<rect x="{100 * s.low:.1f}" y="1" width="{max(100 * (s.high - s.low), 0.5):.1f}" height="8" opacity=".35"/>'
        f'<rect x="{100 * s.skill - 0.75:.1f}" width="1.5" height="10"/></svg>'
    )
