"""Who beats whom: the win rates of a board as a heat map."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from dynamark.leaderboards.boards import BoardTable
from dynamark.leaderboards.page.board_cards import board_id
from dynamark.leaderboards.page.markup import escape
from dynamark.leaderboards.statistics import wilson

__all__ = ["win_data", "win_rates"]

# Shades of the map; sizes in pixels.
_LEVELS = 10
_CELL, _NAMES, _HEAD = 20, 172, 20


def win_rates(table: BoardTable) -> str:
    """A square a pair of methods: the row beats the column on so large a share of tasks x seeds.

    One path a shade, with one stroke for each run of equal squares in a row, and one path for the dots of pairs whose interval
    holds 50 %: an element a pair would take a third of the page. The script reads out the pair under the pointer.
    """
    size = len(table.places)
    shades: dict[int, list[str]] = {}
    dots = []
    for i, wins in enumerate(table.wins):
        levels = [None if i == j else round(share * _LEVELS) for j, share in enumerate(wins)]
        start = 0
        for level, run in itertools.groupby(levels):
            count = len(list(run))
            if level is not None:
                shades.setdefault(level, []).append(f"M{start} {i}h{count}")
            start += count
        for j, share in enumerate(wins):
            low, high = wilson(share, table.cells)
            if i != j and low <= 0.5 <= high:
                dots.append(f"M{j} {i}h0")
    paths = "".join(
        f'<path style="--w:{level / _LEVELS:g}" d="{"".join(squares)}"/>' for level, squares in sorted(shades.items())
    )
    width, height = _NAMES + _CELL * size + 2, _HEAD + _CELL * size + 2
    label = f"win rates of {size} methods on {table.board.name}"
    return (
        f'<figure class="wins"><figcaption>Share of tasks × seeds on which the row beats the column</figcaption>'
        f'<div class="scroll"><svg class="map" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'data-board="{board_id(table)}" data-grid="{_NAMES} {_HEAD} {_CELL}" aria-label="{escape(label)}">'
        f'{_labels(table)}<g transform="translate({_NAMES} {_HEAD}) scale({_CELL}) translate(0 .5)">{paths}'
        f'<path class="undecided" transform="translate(.5)" d="{"".join(dots)}"/></g></svg></div>'
        f'<p class="key"><span class="scale">0 %<i></i>100 %</span> <span>• 95 % interval includes 50 %</span></p>'
        f"<output>{escape(_best(table))}</output></figure>"
    )


def _labels(table: BoardTable) -> str:
    """Rows by rank and name, columns by rank."""
    rows = "".join(
        f'<text class="y" x="{_NAMES - 6}" y="{_HEAD + _CELL * (k + 0.7):g}">{escape(_cut(place.method))} {place.rank}</text>'
        for k, place in enumerate(table.places)
    )
    columns = "".join(
        f'<text x="{_NAMES + _CELL * (k + 0.5):g}" y="{_HEAD - 6}">{place.rank}</text>'
        for k, place in enumerate(table.places)
    )
    return rows + columns


def _cut(name: str, most: int = 22) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _best(table: BoardTable) -> str:
    """The pair of the first two, as the script reads out any pair."""
    share = table.wins[0][1]
    low, high = wilson(share, table.cells)
    first, second = (place.method for place in table.places[:2])
    return (
        f"{first} beats {second} on {100 * share:.0f} % of {table.cells} runs "
        f"(95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    )


def win_data(tables: Sequence[BoardTable]) -> dict[str, Any]:
    """What the script needs to read out a pair: names, the number of cells, and wins in halves of a cell."""
    return {
        board_id(table): {
            "names": [place.method for place in table.places],
            "cells": table.cells,
            "wins": [[round(2 * share * table.cells) for share in row] for row in table.wins],
        }
        for table in tables
    }
