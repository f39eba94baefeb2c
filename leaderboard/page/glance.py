"""The page at a glance: a card a board, or who leads each family where there are no boards; and how many claims reproduce."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynamark.leaderboards.boards import BoardTable
from dynamark.leaderboards.formats import place
from dynamark.leaderboards.page.board_cards import board_cards
from dynamark.leaderboards.page.markup import accent, counted, escape, slug, table_id, title
from dynamark.leaderboards.table import Standing, Table, in_order
from dynamark.runners.claims.report import MARKS, papers_counted

if TYPE_CHECKING:
    from dynamark.runners.claims.verdicts import Evaluation

__all__ = ["glance"]

_LEADERS = 4


def glance(sections: Sequence[Sequence[Table]], claims: Sequence[Evaluation], boards: Sequence[BoardTable] = ()) -> str:
    """A card a board; without boards a panel a family, of its public table of the most ranked methods and tasks. Then the claims.

    A method that lacks runs leads no family, whatever its mean, and a lone method leads nothing.
    """
    panels = board_cards(boards) if boards else _families(sections)
    if any(claim.verdict != "not run" for claim in claims):
        panels += _claims(claims)
    return f'<div class="glance">{panels}</div>' if panels else ""


def _families(sections: Sequence[Sequence[Table]]) -> str:
    public = [own[0] for own in sections if not own[0].salt and len(_ranked(own[0])) > 1]
    best = {t.family: t for t in sorted(public, key=lambda t: len(_ranked(t)) * len(t.tasks))}
    return "".join(_panel(best[family]) for family in sorted(best, key=in_order))


def _ranked(table: Table) -> list[Standing]:
    return [s for s in table.standings if s.complete]


def _panel(table: Table) -> str:
    ranked = _ranked(table)
    best = "".join(_leader(s) for s in ranked[:_LEADERS])
    about = f"{table.tier}, {counted(len(ranked), 'method')} on {counted(len(table.tasks), 'task')}"
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
