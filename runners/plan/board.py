"""Boards: suites in which every method that solves the kind of problem runs on every task and is tuned in the same way.

An incomplete board, which neither lists nor excludes a method that can solve its tasks, raises an error.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dynamark.errors import UserError, unknown
from dynamark.methods.catalog import METHODS
from dynamark.runners.plan.draw import with_search
from dynamark.runners.plan.suite import SHIPPED, Entry, Suite, load_suite
from dynamark.runners.registry import load, resolve_method, resolve_task
from dynamark.runners.spec import Spec, competing, parse
from dynamark.tasks.problems import KINDS

__all__ = ["Board", "board_names", "boards_in", "load_board", "load_named"]

_FOLDER = SHIPPED / "boards"

# The number of tasks of a board: fewer tasks are not representative, more do not fit on a screen.
_FEWEST, _MOST = 5, 9
_SEEDS, _CANDIDATES = 5, 4

_KEYS = {"name", "family", "question", "tier", "tasks", "methods", "excluded", "seeds", "candidates", "budget"}
_NEEDED = ("name", "family", "question", "tasks", "methods")


@dataclass(frozen=True)
class Board(Suite):
    """A board: all methods for one kind of problem on all of its tasks, at one tier.

    question: the question that the board answers.
    candidates: number of settings of each method that compete on validation data.
    excluded: methods that solve the kind of problem but are excluded, with reasons. A method is excluded from the whole board,
        never from a single task.
    """

    family: str = ""
    question: str = ""
    tier: str = "standard"
    seeds: int = _SEEDS
    candidates: int = _CANDIDATES
    excluded: Mapping[str, str] = ()  # type: ignore[assignment]

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
        """Its methods of which several candidates compete; the others have no search space."""
        return [name for name in self.methods if _competes(name, self.candidates)]


@cache
def _competes(name: str, candidates: int) -> bool:
    spec = parse(name)
    return name in METHODS and bool(competing(with_search(resolve_method(spec), spec, candidates).fields))


def board_names() -> list[str]:
    """The names of the boards that ship with dynamark, in the order of their files."""
    return list(_shipped())


def load_board(name: str) -> Board:
    """Load a board by its name and check that it is complete."""
    if name not in _shipped():
        raise unknown("board", name, board_names())
    path, table, common = _shipped()[name]
    return _board(path, table, common)


def load_named(name: str) -> Suite:
    """The suite for `dynamark run NAME`: a board or suite by its name, or the path of a suite file."""
    if name in _shipped():
        return load_board(name)
    if "/" in name and not name.endswith(".toml"):
        raise unknown("board", name, board_names())
    return load_suite(name)


def boards_in(path: Path) -> list[Board]:
    """Load the boards in a TOML file and check that they are complete."""
    tables, common = _tables(path)
    return [_board(path, table, common) for table in tables]


@cache
def _shipped() -> dict[str, tuple[Path, dict[str, Any], Mapping[str, str]]]:
    """Each shipped board as its file writes it, by name."""
    boards: dict[str, tuple[Path, dict[str, Any], Mapping[str, str]]] = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        tables, common = _tables(path)
        for table in tables:
            boards[str(table["name"])] = (path, table, common)
    return boards


def _tables(path: Path) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
    """The [[boards]] of a file, and what all of them exclude."""
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"board file {path} is not valid TOML: {error}") from None
    tables = config.get("boards")
    if set(config) - {"boards", "excluded"} or not isinstance(tables, list) or not tables:
        raise UserError(f"board file {path}: expected [[boards]] and, optionally, [[excluded]]")
    for table in tables:
        if missing := [key for key in _NEEDED if key not in table]:
            raise UserError(f"board file {path}: a board lacks {missing[0]}; required keys: {', '.join(_NEEDED)}")
    return tables, dict(_excluded(path, config.get("excluded", [])))


def _excluded(path: Path, entries: Any) -> Iterator[tuple[str, str]]:
    """Each method with the reason why it is left out."""
    for entry in entries if isinstance(entries, list) else [None]:
        if not isinstance(entry, dict) or set(entry) != {"methods", "reason"} or not str(entry["reason"]).strip():
            raise UserError(
                f"board file {path}: each entry of excluded needs the keys methods and reason, and no others"
            )
        yield from ((str(method), str(entry["reason"])) for method in entry["methods"])


def _board(path: Path, table: dict[str, Any], common: Mapping[str, str]) -> Board:
    """A board from its TOML table. Every error message names the board and its file."""
    where = f"board {table['name']} ({path.name})"
    if strange := set(table) - _KEYS:
        raise UserError(f"{where}: unknown key '{min(strange)}'; known keys: {', '.join(sorted(_KEYS))}")
    tasks, methods = (tuple(map(parse, table[key])) for key in ("tasks", "methods"))
    tier, seeds, candidates = (
        table.get(key, value) for key, value in (("tier", "standard"), ("seeds", _SEEDS), ("candidates", _CANDIDATES))
    )
    budget = table.get("budget")
    for key, value in (("seeds", seeds), ("candidates", candidates), ("budget", 1 if budget is None else budget)):
        if type(value) is not int or value < 1:
            raise UserError(f"{where}: invalid {key} = {value!r}: expected a positive integer")
    kind = _kind(where, table["family"], tasks, tier)
    own = dict(_excluded(path, table.get("excluded", [])))
    excluded = {name: reason for name, reason in {**common, **own}.items() if name not in table["methods"]}
    _refuse_holes(where, kind, methods, {**excluded, **own})
    entry = Entry(tasks, methods, tier, seeds, budget, candidates=candidates)
    return Board(
        name=table["name"],
        about=table["question"],
        entries=(entry,),
        left_out=tuple(excluded.items()),
        family=table["family"],
        question=table["question"],
        tier=tier,
        seeds=seeds,
        candidates=candidates,
        excluded={name: reason for name, reason in excluded.items() if _solves(name, kind)},
    )


def _kind(where: str, family: str, tasks: Sequence[Spec], tier: str) -> type:
    """The one kind of problem of all tasks."""
    if not _FEWEST <= len(tasks) <= _MOST:
        raise UserError(f"{where}: {len(tasks)} tasks: expected {_FEWEST} to {_MOST}")
    if twice := _twice(tasks):
        raise UserError(f"{where}: task {twice} is listed twice")
    resolved = [resolve_task(spec, tier) for spec in tasks]
    for task in resolved:
        if task.family != family:
            raise UserError(f"{where}: task {task.name} does not belong to the family {family}")
        if task.kind is not resolved[0].kind:
            raise UserError(
                f"{where}: the tasks are of different kinds, {resolved[0].kind.__name__} and {task.kind.__name__}"
            )
    return resolved[0].kind


def _refuse_holes(where: str, kind: type, methods: Sequence[Spec], excluded: Mapping[str, str]) -> None:
    """Every method of the catalog that solves the kind is listed once, or excluded with its reason; and no other is."""
    if twice := _twice(methods):
        raise UserError(f"{where}: method {twice} is listed twice")
    for spec in methods:
        if not spec.is_bare or spec.is_glob:
            raise UserError(
                f"{where}: '{spec}' must be a name without fields, alias or wildcards, because a board tunes its methods"
            )
        if spec.name not in METHODS or not _solves(spec.name, kind):
            raise UserError(f"{where}: '{spec}' is not a method in the catalog that solves {kind.__name__} problems")
        if spec.name in excluded:
            raise UserError(f"{where}: '{spec}' is both listed and excluded")
    if absent := sorted(set(excluded) - set(METHODS)):
        raise UserError(f"{where}: the excluded method '{absent[0]}' is not in the catalog")
    listed = {spec.name for spec in methods}
    holes = [name for name in METHODS if name not in listed and name not in excluded and _solves(name, kind)]
    if holes:
        raise UserError(
            f"{where}: missing methods that solve {kind.__name__} problems: {', '.join(holes)}; "
            "add them to methods, or exclude them with a reason"
        )


def _twice(specs: Sequence[Spec]) -> str | None:
    return next((label for label, count in Counter(spec.label for spec in specs).items() if count > 1), None)


@cache
def _solves(name: str, kind: type) -> bool:
    """Whether a method of the catalog implements the protocol of a kind."""
    cls = load(resolve_method(Spec(name)).target, "method")
    return any(hasattr(cls, protocol) for protocol in KINDS[kind])
