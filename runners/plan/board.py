"""Boards as their TOML files write them: read without importing a task or a method, so that the leaderboard can ask for them.

Whether a board is complete is checked in `runners/plan/complete.py`, before it runs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dynamark.errors import UserError, unknown
from dynamark.runners.plan.suite import SHIPPED, Entry, Suite
from dynamark.runners.spec import Spec, parse

__all__ = ["Board", "board_names", "read_board", "read_boards"]

_FOLDER = SHIPPED / "boards"

_SEEDS, _CANDIDATES = 5, 4

_KEYS = {"name", "family", "question", "tier", "tasks", "methods", "excluded", "seeds", "candidates", "budget"}
_NEEDED = ("name", "family", "question", "tasks", "methods")


@dataclass(frozen=True)
class Board(Suite):
    """A board: all methods for one kind of problem on all of its tasks, at one tier.

    question: the question that the board answers.
    candidates: number of settings of each method that compete on validation data.
    excluded: methods that do not stand on the board, with reasons. A method is excluded from the whole board, never from a
        single task.
    untuned: methods without a search space.
    file: the name of its file, for error messages.
    """

    family: str = ""
    question: str = ""
    tier: str = "standard"
    seeds: int = _SEEDS
    candidates: int = _CANDIDATES
    excluded: Mapping[str, str] = ()  # type: ignore[assignment]
    untuned: frozenset[str] = frozenset()
    file: str = ""

    @property
    def tasks(self) -> list[str]:
        """The labels of the tasks of the board."""
        return [spec.label for spec in self.entries[0].tasks]

    @property
    def methods(self) -> list[str]:
        """The labels of the methods of the board."""
        return [spec.label for spec in self.entries[0].methods]

    @property
    def competing(self) -> list[str]:
        """Its methods of which several candidates compete."""
        return [name for name in self.methods if name not in self.untuned]


def board_names() -> list[str]:
    """The names of the boards that ship with dynamark, in the order of their files."""
    return list(_shipped())


def read_board(name: str) -> Board:
    """A shipped board by its name."""
    if name not in _shipped():
        raise unknown("board", name, board_names())
    return _shipped()[name]


@cache
def _shipped() -> dict[str, Board]:
    return {board.name: board for path in sorted(_FOLDER.glob("*.toml")) for board in read_boards(path)}


def read_boards(path: Path) -> list[Board]:
    """The boards of a file. Every error message names the file, and the board where there is one."""
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"board file {path} is not valid TOML: {error}") from None
    tables, untuned = config.get("boards"), config.get("untuned", [])
    if set(config) - {"boards", "excluded", "untuned"} or not isinstance(tables, list) or not tables:
        raise UserError(f"board file {path}: expected [[boards]] and, optionally, untuned and [[excluded]]")
    if not isinstance(untuned, list):
        raise UserError(f"board file {path}: untuned must be a list of methods without a search space")
    common = dict(_excluded(path, config.get("excluded", [])))
    for table in tables:
        if missing := [key for key in _NEEDED if key not in table]:
            raise UserError(f"board file {path}: a board lacks {missing[0]}; required keys: {', '.join(_NEEDED)}")
    return [_board(path, table, common, frozenset(map(str, untuned))) for table in tables]


def _excluded(path: Path, entries: Any) -> Iterator[tuple[str, str]]:
    """Each method with the reason why it is left out."""
    for entry in entries if isinstance(entries, list) else [None]:
        if not isinstance(entry, dict) or set(entry) != {"methods", "reason"} or not str(entry["reason"]).strip():
            raise UserError(
                f"board file {path}: each entry of excluded needs the keys methods and reason, and no others"
            )
        yield from ((str(method), str(entry["reason"])) for method in entry["methods"])


def _board(path: Path, table: dict[str, Any], common: Mapping[str, str], untuned: frozenset[str]) -> Board:
    where = f"board {table['name']} ({path.name})"
    if strange := set(table) - _KEYS:
        raise UserError(f"{where}: unknown key '{min(strange)}'; known keys: {', '.join(sorted(_KEYS))}")
    tasks, methods = (_specs(table[key]) for key in ("tasks", "methods"))
    tier, seeds, candidates = (
        table.get(key, value) for key, value in (("tier", "standard"), ("seeds", _SEEDS), ("candidates", _CANDIDATES))
    )
    budget = table.get("budget")
    for key, value in (("seeds", seeds), ("candidates", candidates), ("budget", 1 if budget is None else budget)):
        if type(value) is not int or value < 1:
            raise UserError(f"{where}: invalid {key} = {value!r}: expected a positive integer")
    own = dict(_excluded(path, table.get("excluded", [])))
    if twice := sorted(set(own) & set(table["methods"])):
        raise UserError(f"{where}: '{twice[0]}' is both listed and excluded")
    excluded = {name: reason for name, reason in {**common, **own}.items() if name not in table["methods"]}
    return Board(
        name=table["name"],
        about=table["question"],
        entries=(Entry(tasks, methods, tier, seeds, budget, candidates=candidates),),
        left_out=tuple(excluded.items()),
        family=table["family"],
        question=table["question"],
        tier=tier,
        seeds=seeds,
        candidates=candidates,
        excluded=excluded,
        untuned=untuned,
        file=path.name,
    )


def _specs(texts: list[str]) -> tuple[Spec, ...]:
    return tuple(map(parse, texts))
