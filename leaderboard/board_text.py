"""Boards as text: a table a board, at most twelve columns wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynamark.leaderboards.boards import BoardTable, Place
from dynamark.leaderboards.formats import number, short
from dynamark.leaderboards.text_tables import titled_table

__all__ = ["board_json", "board_records", "board_text"]

_WIDEST = 12


def board_text(tables: Sequence[BoardTable], format: str) -> str:
    """The boards that have places, for the terminal, in Markdown or in LaTeX."""
    parts = []
    for table in tables:
        if table.places:
            body = [_line(table, place) for place in table.places]
            named = table.board.name, table.board.question
            parts.append(titled_table(*named, _head(table), body, format, notes=_notes(table)))
    return "\n\n".join(parts) + ("\n" if parts else "")


def _head(table: BoardTable) -> list[str]:
    head = ["method", "rank [95 % CI]", "skill [95 % CI]", "band", "unsolved", "s"]
    return [*head, *(short(task.name) for task in table.tasks[: _WIDEST - len(head)])]


def _line(table: BoardTable, place: Place) -> list[str]:
    skill = number(place.skill, ".3f")
    if place.low is not None and place.high is not None:
        skill += f" [{place.low:.2f}, {place.high:.2f}]"
    cells = [
        place.method + (" *" if place.own else "") + (" †" if place.submitted else ""),
        f"{place.rank} [{place.best}, {place.worst}]",
        skill or f"mean rank {place.mean_rank:.1f}",
        str(place.band),
        str(place.lost) if place.lost else "",
        number(place.seconds, ".2g"),
    ]
    shown = table.tasks[: _WIDEST - len(cells)]
    return [*cells, *(number(place.scores.get(task.name), ".2g") for task in shown)]


def _notes(table: BoardTable) -> list[str]:
    """What the table does not show: how many more tasks, and who is missing."""
    more = len(table.tasks) - (_WIDEST - 6)
    notes = [f"Columns of tasks: median {table.tasks[0].metric}." + (f" {more} more on the page." if more > 0 else "")]
    notes += [f"† {place.method}: {place.submitted}" for place in table.places if place.submitted]
    if table.holes:
        names = ", ".join(f"{hole.method} ({hole.runs}/{hole.possible})" for hole in table.holes)
        notes.append(f"Not ranked, since runs are missing: {names}; `dynamark run {table.board.name}` makes them.")
    return notes


def board_json(table: BoardTable) -> dict[str, Any]:
    """A board as dictionaries and lists, for JSON."""
    return {
        "board": table.board.name,
        "family": table.board.family,
        "question": table.board.question,
        "tier": table.board.tier,
        "tasks": [vars(task) for task in table.tasks],
        "places": [vars(place) for place in table.places],
        "holes": [vars(hole) for hole in table.holes],
        "wins": [list(row) for row in table.wins],
    }


def board_records(table: BoardTable) -> list[dict[str, Any]]:
    """A board as records of CSV: its places, then the methods that are not ranked, with the number of their runs."""
    board = table.board
    where = {"table": board.family, "board": board.name, "tier": board.tier, "possible": table.cells}
    records = []
    for place in table.places:
        values = {name: getattr(place, name) for name in ("method", "own", "skill", "low", "high", "band", "failed")}
        places = {"rank": place.mean_rank, "place_low": place.best, "place_high": place.worst}
        costs = {"fit_seconds": place.seconds, "parameters": place.parameters}
        records.append({**where, **values, **places, **costs, "runs": table.cells})
    records += [{**where, "method": hole.method, "runs": hole.runs, "possible": hole.possible} for hole in table.holes]
    return records
