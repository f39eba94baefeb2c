"""The claims of papers on the page: how many reproduce, and each with what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dynamark.leaderboards.page.markup import accent, brief, counted, equation, escape, slug
from dynamark.leaderboards.page.sources import bibtex
from dynamark.runners.claims.claim import Measured
from dynamark.runners.claims.report import MARKS, summary
from dynamark.runners.claims.verdicts import Finding, Judged

__all__ = ["claims_section"]

_DIGITS = 16


def claims_section(judged: Sequence[Judged], figures: Mapping[str, str] | None = None) -> str:
    """A strip of verdicts, and a table of all claims; those that nobody has run yet are only counted.

    figures: of rows, by key; a claim shows the first of its rows.
    """
    run = [j for j in judged if j.verdict != "not run"]
    if not run:
        return ""
    count = Counter(j.verdict for j in run)
    strip = "".join(
        f'<li class="{_style(v)}" style="flex-grow:{count[v]}"><b>{count[v]}</b> {v}</li>' for v in MARKS if count[v]
    )
    body = "\n".join(_line(j, figures or {}) for j in run)
    heads = "".join(
        f'<th scope="col">{h}</th>'
        for h in ("claim", "verdict", "statement", "measured, and what it must be", "the paper")
    )
    return (
        f'<section id="claims" class="f-other"><h2>Claims</h2><p>{escape(summary(judged))}</p><ul class="verdicts">{strip}</ul>'
        f'<div class="wide" role="region" aria-label="claims" tabindex="0"><table class="claims">'
        f"<thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table></div></section>"
    )


def _style(verdict: str) -> str:
    return "v-" + verdict.replace(" ", "-")


def _line(j: Judged, figures: Mapping[str, str]) -> str:
    found = "".join(f"<li>{_finding(f)}</li>" for f in j.findings)
    beside = "".join(f'<li class="beside">{_finding(f)}</li>' for f in j.controls)
    note = f"<p><small>{escape(j.claim.note)}</small></p>" if j.claim.note else ""
    keys = "".join(f"<li><code>dynamark reproduce {escape(key[:_DIGITS])}</code></li>" for key in j.keys[:20])
    more = (
        f"<li>and {len(j.keys) - 20} more: <code>dynamark claims show {escape(j.id)}</code></li>"
        if len(j.keys) > 20
        else ""
    )
    rows = f"<details><summary>{counted(len(j.keys), 'row')}</summary><ul>{keys}{more}</ul></details>" if j.keys else ""
    figure = next((figures[key] for key in j.keys if key in figures), "")
    entry = bibtex(j.claim.paper)
    hint = f' title="{escape(" ".join(entry.split()))}"' if entry else ""
    return (
        f'<tr id="{slug("claim", j.id)}" class="{accent(j.family)}">'
        f'<th scope="row">{escape(j.id)}<small>{escape(j.family)}</small></th>'
        f'<td class="{_style(j.verdict)}"><b>{MARKS[j.verdict]}</b> {j.verdict}</td>'
        f'<td>{equation(j.claim.statement)}{note}</td><td><ul class="findings">{found}{beside}</ul>{rows}{figure}</td>'
        f"<td><code{hint}>{escape(j.claim.paper)}</code><small>{escape(j.claim.published or '')}</small></td></tr>"
    )


def _finding(f: Finding) -> str:
    must = f'<small title="what it must be">{escape(str(f.check.holds))}</small>' if f.check.holds else ""
    return f"<span>{equation(f.check.what)} </span><span><b>{_shown(f.measured)}</b></span> {must}"


def _shown(measured: Measured | None) -> str:
    if measured is None:
        return "not run"
    if measured.low == measured.high:
        return brief(measured.value) or "NaN"
    return f"{brief(measured.value) or 'NaN'}</b> <small>[{brief(measured.low)}, {brief(measured.high)}]</small><b>"
