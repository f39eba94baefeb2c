"""The page at a glance: who leads each family, and how many claims reproduce."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynamark.leaderboards.formats import place
from dynamark.leaderboards.page.markup import accent, counted, escape, slug, table_id, title
from dynamark.leaderboards.table import Standing, Table, in_order
from dynamark.runners.claims.report import MARKS, papers_counted

if TYPE_CHECKING:
    from dynamark.runners.claims.verdicts import Evaluation

__all__ = ["glance"]

_LEADERS = 4


def glance(sections: Sequence[Sequence[Table]], claims: Sequence[Evaluation]) -> str:
    """A panel a family, of its public table of the most methods and tasks, and one of the claims.

    A method that ran on a few tasks only leads no family, whatever its mean there.
    """
    public = [own[0] for own in sections if own[0].family != "overall" and not own[0].salt]
    best = {t.family: t for t in sorted(public, key=lambda t: len(t.standings) * len(t.tasks))}
    panels = [_panel(best[family]) for family in sorted(best, key=in_order)]
    if any(claim.verdict != "not run" for claim in claims):
        panels.append(_claims(claims))
    return f'<div class="glance">{"".join(panels)}</div>' if panels else ""


def _panel(table: Table) -> str:
    broad = [s for s in table.standings if s.broad]
    best = "".join(_leader(s) for s in (broad or table.standings)[:_LEADERS])
    about = f"{table.tier}, {counted(len(table.standings), 'method')} on {counted(len(table.tasks), 'task')}"
    if 0 < len(broad) < len(table.standings):
        about += f"; the best of the {len(broad)} with more than half of the runs"
    return (
        f'<article class="{accent(table.family)}"><h2><a href="#{table_id(table)}">{escape(title(table.family))}</a></h2>'
        f"<p>{escape(about)}</p><ol>{best}</ol></article>"
    )


def _leader(s: Standing) -> str:
    name = f'<a href="#{slug("method", s.method)}">{escape(s.method)}</a>'
    shown = "" if s.place is None else f'<small title="95 % interval of the place">{place(s).replace("-", "–")}</small>'
    skill = "" if s.skill is None else f"<b>{s.skill:.2f}</b>"
    bar = "" if s.skill is None else f'<span class="bar" style="--s:{s.skill:.3f}"></span>'
    return f"<li>{shown}{name}{skill}{bar}</li>"


def _claims(claims: Sequence[Evaluation]) -> str:
    count = Counter(claim.verdict for claim in claims)
    lines = "".join(
        f'<li class="v-{verdict.replace(" ", "-")}"><b>{count[verdict]}</b> {verdict}</li>'
        for verdict in MARKS
        if count[verdict]
    )
    return (
        '<article class="f-other"><h2><a href="#claims">Claims of papers</a></h2>'
        f"<p>{counted(len(claims), 'claim')} of {counted(papers_counted(claims), 'paper')}</p><ul>{lines}</ul></article>"
    )
