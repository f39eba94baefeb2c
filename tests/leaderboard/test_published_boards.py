"""A published board is whole, tuned as its rows say, and tells methods apart."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

import dynamark
from dynamark.results.schema import SCORED
from dynamark.results.store import published_store, read_rows
from dynamark.runners.plan.board import board_names
from dynamark.runners.plan.complete import load_board
from dynamark.runners.plan.expand import expand

_COLUMNS = ["suite", "task", "method", "seed", "status", "candidates", "method_fields", "submission"]


@cache
def published() -> dict[str, list[dict[str, Any]]]:
    """The published rows of every board that has any; not those that others submitted, of methods that it does not list."""
    rows = read_rows([published_store()], _COLUMNS).to_pylist()
    rows = [row for row in rows if row["submission"] is None]
    boards = {name: [row for row in rows if row["suite"] == name] for name in board_names()}
    return {name: rows for name, rows in boards.items() if rows}


@pytest.mark.parametrize("name", sorted(published()))
def test_every_method_has_run_on_every_task(name: str) -> None:
    planned = {(run.task.name, run.method.label, run.seed) for run in expand(load_board(name)).runs}
    present = {(row["task"], row["method"], row["seed"]) for row in published()[name]}
    assert present == planned


@pytest.mark.parametrize("name", sorted(published()))
def test_one_candidate_is_chosen_and_the_best_of_its_budget(name: str) -> None:
    for row in published()[name]:
        candidates = row["candidates"] or []
        if candidates and row["status"] in SCORED:
            (chosen,) = [one for one in candidates if one["chosen"]]
            scores = [one["score"] for one in candidates if one["score"] == one["score"]]
            assert chosen["score"] == min(scores), (name, row["method"], row["task"])


def test_every_published_board_is_ranked_in_more_than_one_band() -> None:
    for table in dynamark.leaderboard().boards:
        if table.board.name in published():
            assert not table.holes
            assert len({place.band for place in table.places}) > 1, table.board.name
