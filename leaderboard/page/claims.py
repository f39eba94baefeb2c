"""The claims of papers on the page: how many reproduce, and each with what was measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from dynamark.leaderboards.page.markup import accent, brief, counted, equation, escape, slug
from dynamark.leaderboards.page.references import cited
from dynamark.runners.claims.claim import Interval
from dynamark.runners.claims.report import MARKS, summary
from dynamark.runners.claims.verdicts import CheckResult, Evaluation, RunGroup

__all__ = ["claims_section"]

# Characters of a key that name a row, and groups of runs that a claim lists.
_DIGITS, _GROUPS = 16, 20


def claims_section(evaluations: Sequence[Evaluation], figures: Mapping[str, str] | None = None) -> str:
    """A strip of verdicts, and a table of all claims; those that nobody has run yet are only counted.

    figures: of rows, by key; a claim shows the first of its rows.
    """
    run = [e for e in evaluations if e.verdict != "not run"]
    if not run:
        return ""
    count = Counter(e.verdict for e in run)
    strip = "".join(
        f'<li class="{_style(v)}" style="flex-grow:{count[v]}"><b>{count[v]}</b> {MARKS[v]} {v}</li>'
        for v in MARKS
        if count[v]
    )
    body = "\n".join(_line(e, figures or {}) for e in run)
    heads = "".join(
        f'<th scope="col">{h}</th>'
        for h in ("claim", "verdict", "statement", "measured, and what it must be", "the paper")
    )
    return (
        f'<section id="claims" class="f-other"><h2>Claims</h2><p>{escape(summary(evaluations))}</p>'
        f'<ul class="verdicts">{strip}</ul>'
        f'<div class="wide" role="region" aria-label="claims" tabindex="0"><table class="claims">'
        f"<thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table></div></section>"
    )


def _style(verdict: str) -> str:
    return "v-" + verdict.replace(" ", "-")


def _line(e: Evaluation, figures: Mapping[str, str]) -> str:
    results = "".join(f"<li>{_result(r)}</li>" for r in e.results)
    for title, beside in (
        ("fair control", e.fair_controls),
        ("twice the budget", e.convergence),
        ("control", e.controls),
    ):
        results += "".join(f'<li class="beside"><small>{title}</small> {_result(r)}</li>' for r in beside)
    note = "".join(f"<p><small>{escape(text)}</small></p>" for text in (e.reason, e.claim.note) if text)
    published = f"<small>{escape(e.claim.published)}</small>" if e.claim.published else ""
    figure = next((figures[key] for key in e.keys if key in figures), "")
    return (
        f'<tr id="{slug("claim", e.id)}" class="{accent(e.family)}">'
        f'<th scope="row">{escape(e.id)}<small>{escape(e.family)}</small></th>'
        f'<td class="{_style(e.verdict)}"><b>{MARKS[e.verdict]}</b> {e.verdict}</td>'
        f'<td>{equation(e.claim.statement)}{note}</td><td><ul class="findings">{results}</ul>{_rows(e)}{figure}</td>'
        f"<td>{cited(e.claim.paper)}{published}</td></tr>"
    )


def _rows(e: Evaluation) -> str:
    """The runs behind a claim, by task and method."""
    if not e.keys:
        return ""
    groups = "".join(f"<li>{_group(group)}</li>" for group in e.runs[:_GROUPS])
    rest = len(e.runs) - _GROUPS
    more = f"<li>and {rest} more: <code>dynamark claims show {escape(e.id)}</code></li>" if rest > 0 else ""
    return f'<details><summary>{counted(len(e.keys), "row")}</summary><ul class="folded">{groups}{more}</ul></details>'


def _group(group: RunGroup) -> str:
    what = f"{group.method} on {group.task}, {group.tier}" if group.method else group.task
    command = f"dynamark reproduce {group.keys[0][:_DIGITS]}"
    return f"{escape(what)}, {counted(group.seeds, 'seed')}: <code>{escape(command)}</code>"


def _result(r: CheckResult) -> str:
    must = f" <small>{escape(str(r.check.holds))}</small>" if r.check.holds else ""
    return f"<span>{equation(r.check.what)} </span><span>{_shown(r.interval)}</span>{must}"


def _shown(interval: Interval | None) -> str:
    if interval is None:
        return "<b>not run</b>"
    value = f"<b>{brief(interval.value) or 'NaN'}</b>"
    if interval.low == interval.high:
        return value
    if math.isinf(interval.low) and math.isinf(interval.high):
        return f"{value} <small>(one seed)</small>"
    return f"{value} <small>[{brief(interval.low)}, {brief(interval.high)}]</small>"
