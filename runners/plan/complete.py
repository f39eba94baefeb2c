"""Whether a board is complete: every method that solves its kind of problem is listed once, or excluded with a reason.

And whether a sweep can run: its field and score exist, and every method solves its kind of problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from dynamark.errors import UserError, unknown
from dynamark.methods.catalog import METHODS
from dynamark.runners.plan.board import Board, board_names, read_board, read_boards
from dynamark.runners.plan.draw import with_search
from dynamark.runners.plan.expand import applies
from dynamark.runners.plan.suite import Suite, Sweep, load_suite
from dynamark.runners.registry import load, resolve_method, resolve_task
from dynamark.runners.spec import Spec, competing, parse
from dynamark.tasks.problems import KINDS

__all__ = ["boards_in", "load_board", "load_named"]

# The number of tasks of a board: fewer tasks are not representative, more do not fit on a screen.
_FEWEST, _MOST = 5, 9


def load_board(name: str) -> Board:
    """Load a board by its name and check that it is complete."""
    return _checked(read_board(name))


def load_named(name: str) -> Suite:
    """The suite for `dynamark run NAME`: a board or suite by its name, or the path of a suite file."""
    if name in board_names():
        return load_board(name)
    if "/" in name and not name.endswith(".toml"):
        raise unknown("board", name, board_names())
    suite = load_suite(name)
    for sweep in suite.sweeps:
        _check_sweep(suite, sweep)
    return suite


def boards_in(path: Path) -> list[Board]:
    """Load the boards in a TOML file and check that they are complete."""
    return [_checked(board) for board in read_boards(path)]


def _check_sweep(suite: Suite, sweep: Sweep) -> None:
    """The field takes every value, the score exists and has the stated direction, and each method has a curve of its own."""
    where = f"suite {suite.name}, sweep {sweep.name}"
    try:
        tasks = [resolve_task(spec, sweep.entry.tier) for spec in sweep.entry.tasks]
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    metrics = {metric.name: metric for metric in tasks[0].metrics}
    metric = metrics.get(sweep.score) if sweep.score else tasks[0].metrics[0]
    if metric is None:
        raise UserError(f"{where}: {unknown('score', sweep.score, list(metrics))}")
    if metric.lower_is_better is not sweep.lower_is_better:
        better = {True: "lower", False: "higher"}.get(metric.lower_is_better)  # type: ignore[arg-type]
        raise UserError(
            f"{where}: '{metric.name}' only describes; choose a score that is better when higher or lower"
            if better is None
            else f"{where}: '{metric.name}' is better when {better}; write better = \"{better}\""
        )
    if twice := _twice(sweep.entry.methods):
        raise UserError(f"{where}: method {twice} is listed twice")
    for spec in sweep.entry.methods:
        if not applies(resolve_method(spec), tasks[0]):
            raise UserError(f"{where}: '{spec}' does not solve {tasks[0].kind.__name__} problems; remove it")


def _checked(board: Board) -> Board:
    """The board, its exclusions narrowed to the methods that solve its kind of problem."""
    where = f"board {board.name} ({board.file})"
    entry = board.entries[0]
    kind = _kind(where, board.family, entry.tasks, board.tier)
    _refuse_holes(where, kind, entry.methods, board)
    for name in board.methods:
        if _competes(name, board.candidates) == (name in board.untuned):
            has = "no search space; add it" if name not in board.untuned else "a search space; remove it"
            way = "to" if name not in board.untuned else "from"
            raise UserError(f"{where}: '{name}' has {has} {way} untuned")
    return replace(board, excluded={name: why for name, why in board.excluded.items() if _solves(name, kind)})


@cache
def _competes(name: str, candidates: int) -> bool:
    spec = parse(name)
    return bool(competing(with_search(resolve_method(spec), spec, candidates).fields))


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


def _refuse_holes(where: str, kind: type, methods: Sequence[Spec], board: Board) -> None:
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
    if absent := sorted(set(board.excluded) - set(METHODS)):
        raise UserError(f"{where}: the excluded method '{absent[0]}' is not in the catalog")
    listed = {spec.name for spec in methods}
    holes = [name for name in METHODS if name not in listed and name not in board.excluded and _solves(name, kind)]
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
