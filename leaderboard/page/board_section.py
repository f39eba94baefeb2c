"""The sections of boards: a family's boards, each with its table, who beats whom, what skill costs, and its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynamark.leaderboards.boards import BoardTable, Hole, Place, family_ranks
from dynamark.leaderboards.formats import short
from dynamark.leaderboards.page.board_cards import board_id
from dynamark.leaderboards.page.board_table import board_rows
from dynamark.leaderboards.page.cards import task_card
from dynamark.leaderboards.page.curves import curves_of
from dynamark.leaderboards.page.links import Links
from dynamark.leaderboards.page.markup import TITLES, accent, escape, slug, title
from dynamark.leaderboards.page.pareto import plots
from dynamark.leaderboards.page.sources import Sources
from dynamark.leaderboards.page.win_rates import win_rates
from dynamark.leaderboards.table import Standing, Table

if TYPE_CHECKING:
    import pandas

__all__ = ["as_table", "board_sections", "family_id"]

# A board as the page shows it: its table and its rows.
Shown = tuple[BoardTable, "pandas.DataFrame"]


def family_id(family: str) -> str:
    """The id of the section of a family's boards."""
    return slug("boards", family)


def board_sections(boards: Sequence[Shown], links: Links, sources: Sources) -> str:
    """A section a family, in the order of the boards."""
    families = dict.fromkeys(table.board.family for table, _ in boards)
    return "".join(_family(name, [b for b in boards if b[0].board.family == name], links, sources) for name in families)


def _family(family: str, boards: Sequence[Shown], links: Links, sources: Sources) -> str:
    about = TITLES.get(family, ("", ""))[1]
    parts = "".join(_board(table, rows, links, sources) for table, rows in boards)
    return (
        f'<section id="{family_id(family)}" class="{accent(family)}"><h2>{escape(title(family))}</h2><p>{escape(about)}</p>'
        f"{_overall([table for table, _ in boards])}{parts}</section>\n"
    )


def _overall(tables: Sequence[BoardTable]) -> str:
    """The mean rank over boards of the methods that are on all of them."""
    names, ranks = family_ranks(tables)
    if not ranks:
        return ""
    items = "".join(
        f'<li><a href="#{slug("method", name)}">{escape(name)}</a> <b>{rank:.1f}</b></li>'
        for name, rank in ranks.items()
    )
    among = ", ".join(escape(short(name)) for name in names)
    caption = f"Mean rank over {among}, among the methods on all of these boards:"
    return f'<p class="overall">{caption}</p><ol class="overall">{items}</ol>'


def _board(table: BoardTable, rows: pandas.DataFrame, links: Links, sources: Sources) -> str:
    drawn = as_table(table)
    curves = curves_of(rows)
    cards = "".join(
        task_card(task, drawn, curves.get(task.name, {}), links, sources, ranked=True) for task in table.tasks
    )
    return (
        f'<h3 id="{board_id(table)}">{escape(table.board.name)}</h3><p class="question">{escape(table.board.question)}</p>'
        f"{board_rows(table, links)}{_notes(table)}"
        f'<div class="beside">{win_rates(table)}<div>{plots(drawn)}</div></div>'
        f'<details class="tasks"><summary>{len(table.tasks)} tasks of {escape(table.board.name)}: equations, curves, pictures'
        f'</summary><div class="cards">{cards}</div></details>'
    )


def _notes(table: BoardTable) -> str:
    """Which methods are missing, what marks mean, and which methods are left out, with the reasons."""
    parts = []
    if table.holes:
        names = ", ".join(map(_hole, table.holes))
        parts.append(
            f"<p>Not ranked, since runs are missing: {names}. <code>dynamark run {escape(table.board.name)}</code> adds them.</p>"
        )
    if any(place.own for place in table.places):
        parts.append("<p>* includes your own, unpublished results</p>")
    parts += [
        f"<p>† {escape(place.method)}: {escape(place.submitted)}.</p>" for place in table.places if place.submitted
    ]
    if table.dead:
        parts.append(f"<p>Failed or answered NaN on every run: {escape(', '.join(table.dead))}.</p>")
    if table.board.excluded:
        reasons: dict[str, list[str]] = {}
        for method, reason in table.board.excluded.items():
            reasons.setdefault(reason, []).append(method)
        items = "".join(f"<li>{escape(', '.join(names))}: {escape(reason)}</li>" for reason, names in reasons.items())
        parts.append(
            f'<details><summary>methods that are not on this board</summary><ul class="folded">{items}</ul></details>'
        )
    return f'<div class="notes">{"".join(parts)}</div>' if parts else ""


def _hole(hole: Hole) -> str:
    return f"{escape(hole.method)} ({hole.runs} of {hole.possible} runs)"


def as_table(table: BoardTable) -> Table:
    """A board as a table of standings, for the plots and cards that all tables have."""
    standings = tuple(_standing(place, table) for place in table.places)
    board = table.board
    return Table(board.name, board.family, board.tier, "", "", standings, table.tasks)


def _standing(place: Place, table: BoardTable) -> Standing:
    return Standing(
        method=place.method,
        own=place.own,
        skill=place.skill,
        low=place.low,
        high=place.high,
        place=(place.best, place.worst),
        band=place.band,
        rank=place.mean_rank,
        runs=table.cells,
        possible=table.cells,
        failed=place.failed,
        fit_seconds=place.seconds,
        parameters=place.parameters,
        scores=place.scores,
        skills=place.skills,
        submitted=place.submitted,
    )
