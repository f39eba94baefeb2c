"""The table of a board: complete methods ranked, those with holes named apart, and who beats whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy import ndarray

from dynamark.leaderboards import statistics
from dynamark.leaderboards.grid import Grid, TaskInfo
from dynamark.leaderboards.rows import prepare
from dynamark.runners.plan.board import Board
from dynamark.runners.spec import COMPETE

if TYPE_CHECKING:
    import pandas

__all__ = ["COLUMNS", "BoardTable", "Hole", "Place", "board_frame", "board_table", "family_ranks", "table_of"]

# What a board needs of rows besides what every table does.
COLUMNS = ("budget",)

# Skill up to which a task counts as not solved at all: the answer is no better than the trivial one.
_NOTHING = 1e-9


@dataclass(frozen=True)
class Place:
    """A method that ran on the whole board.

    skill: mean over tasks of the trimmed mean over seeds; low, high its 95 % t interval over seeds on these tasks. None on a
    board whose tasks have no scale: there the mean rank orders.
    rank: 1 for the first; best, worst its 95 % interval over other seeds. mean_rank: over tasks and seeds.
    lost: tasks on which it fails or stays at the baseline in the median.
    scores, spreads: median, smallest and largest primary score over seeds, by task. times: median seconds to fit, by task.
    submitted: who submitted its rows and whether they were re-run; empty for the project's own.
    """

    method: str
    own: bool
    band: int
    rank: int
    best: int
    worst: int
    mean_rank: float
    skill: float | None
    low: float | None
    high: float | None
    failed: int
    lost: int
    seconds: float | None
    parameters: int | None
    scores: dict[str, float]
    skills: dict[str, float]
    spreads: dict[str, tuple[float, float]] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    submitted: str = ""


@dataclass(frozen=True)
class Hole:
    """A method that lacks runs of the board, and the command that fills them."""

    method: str
    runs: int
    possible: int
    command: str


@dataclass(frozen=True)
class BoardTable:
    """A board with its places, best first; wins[i][j] is the share of tasks x seeds on which place i beats place j.

    dead: complete methods that failed or answered NaN on every run. They stand last; with no others, nothing is ranked.
    """

    board: Board
    tasks: tuple[TaskInfo, ...]
    places: tuple[Place, ...]
    holes: tuple[Hole, ...]
    wins: tuple[tuple[float, ...], ...]
    dead: tuple[str, ...] = ()

    @property
    def cells(self) -> int:
        """The number of cells of a method: tasks times seeds."""
        return len(self.board.tasks) * self.board.seeds

    @property
    def cheapest(self) -> Place | None:
        """The method of least seconds among those within the interval of the first."""
        if not self.places or self.places[0].low is None:
            return None
        near = [
            p for p in self.places if p.skill is not None and p.skill >= self.places[0].low and p.seconds is not None
        ]
        return min(near, key=lambda p: (p.seconds, p.method), default=None)


def board_frame(board: Board, rows: pa.Table) -> pandas.DataFrame:
    """The rows of a board among stored rows, as `prepare` makes them."""
    return prepare(_of_board(board, rows))


def board_table(board: Board, rows: pa.Table) -> BoardTable:
    """The table of a board from stored rows, whatever else they hold."""
    return table_of(board, board_frame(board, rows))


def table_of(board: Board, frame: pandas.DataFrame) -> BoardTable:
    """The table of a board from its rows."""
    wanted = len(board.tasks) * board.seeds
    counts = frame.groupby("method", observed=True).size()
    complete = [str(name) for name, count in counts.items() if count == wanted]
    holes = [
        Hole(name, int(counts.get(name, 0)), wanted, f"dynamark run {board.name} --method {name}")
        for name in sorted({*board.methods, *map(str, counts.index)} - set(complete))
    ]
    chosen = frame[frame["method"].isin(complete).to_numpy()]
    if not len(chosen):
        return BoardTable(board, (), (), tuple(holes), ())
    grid = Grid(chosen)
    dead = tuple(name for name, alive in zip(grid.methods, grid.alive, strict=True) if not alive)
    if len(dead) == len(grid.methods):
        return BoardTable(board, grid.tasks, (), tuple(holes), (), dead)
    places, order, values = _places(grid, board.seeds)
    win = statistics.wins(values)[np.ix_(order, order)]
    return BoardTable(board, grid.tasks, places, tuple(holes), tuple(map(tuple, win.tolist())), dead)


def _of_board(board: Board, rows: pa.Table) -> pa.Table:
    """The public rows of a board's tasks at its tier, budget and seeds; of a method that competes, those that did."""
    entry = board.entries[0]
    wanted = pc.and_(pc.is_in(rows["task"], pa.array(board.tasks)), pc.equal(rows["tier"], board.tier))
    wanted = pc.and_(wanted, pc.and_(pc.equal(rows["salt"], ""), pc.less(rows["seed"], board.seeds)))
    if entry.budget is not None:
        wanted = pc.and_(wanted, pc.fill_null(pc.equal(rows["budget"], entry.budget), False))
    rows = rows.filter(pc.fill_null(wanted, False))
    competes = pc.match_substring(pc.fill_null(rows["method_fields"], ""), f'"{COMPETE}"')
    tuned = pa.array([*rows.filter(competes)["method"].unique().to_pylist(), *board.competing], pa.string())
    bare = pc.invert(pc.match_substring(rows["method"], "("))
    rows = rows.filter(pc.and_(bare, pc.or_(competes, pc.invert(pc.is_in(rows["method"], tuned)))))
    listed = pc.is_in(rows["method"], pa.array(board.methods))
    if "own" in rows.column_names:
        listed = pc.or_(listed, rows["own"])
    if "submission" in rows.column_names:
        listed = pc.or_(listed, pc.is_valid(rows["submission"]))
    return rows.filter(listed)


def _places(grid: Grid, seeds: int) -> tuple[tuple[Place, ...], list[int], ndarray]:
    """Places, best first, their order among the grid's methods, and the values that are compared."""
    scaled = not np.isnan(grid.skill).any()
    values = grid.skill if scaled else -grid.ranks
    shape = (len(grid.tasks), seeds)
    means = [statistics.mean_of_tasks(row.reshape(shape)) for row in values]
    ranks = grid.ranks.mean(axis=1)
    about = [grid.about(i) for i in range(len(grid.methods))]

    def key(i: int) -> tuple[bool, float, float, str]:
        return not grid.alive[i], -means[i][0], float(ranks[i]), grid.methods[i]

    order = sorted(range(len(grid.methods)), key=key)
    bands = statistics.bands_by_leader(order, values)
    between = statistics.rank_intervals(values.reshape(len(values), *shape))
    places = []
    for rank, (i, band) in enumerate(zip(order, bands, strict=True), 1):
        point, interval = means[i]
        own = about[i]
        low, high = (None, None) if interval is None or not scaled else (max(interval[0], 0.0), min(interval[1], 1.0))
        medians = np.median(grid.skill[i].reshape(shape), axis=1) if scaled else np.full(len(grid.tasks), np.inf)
        dead = [name.name not in own["scores"] for name in grid.tasks]
        places.append(
            Place(
                method=grid.methods[i],
                own=own["own"],
                band=band,
                rank=rank,
                best=min(rank, between[i][0]),
                worst=max(rank, between[i][1]),
                mean_rank=float(ranks[i]),
                skill=point if scaled else None,
                low=low,
                high=high,
                failed=own["failed"],
                lost=int(((medians <= _NOTHING) | np.array(dead)).sum()),
                seconds=own["fit_seconds"],
                parameters=own["parameters"],
                scores=own["scores"],
                skills=own["skills"],
                spreads=grid.spreads(i),
                times=grid.times(i),
                submitted=own["submitted"],
            )
        )
    return tuple(places), order, values


def family_ranks(tables: Sequence[BoardTable]) -> tuple[list[str], dict[str, float]]:
    """The mean rank over boards of one family: the boards that count, and the mean by method, best first.

    A mean over boards is comparable only among methods that are on all of them, and each board ranks these alone. Where no two
    methods are on all boards, the largest set of boards with two common methods counts; of equally large sets that of the most.
    Empty with fewer than two such boards.
    """
    on = [(table.board.name, [place.method for place in table.places]) for table in tables if table.places]
    for size in range(len(on), 1, -1):
        sets = [
            (boards, set.intersection(*(set(methods) for _, methods in boards))) for boards in combinations(on, size)
        ]
        boards, common = max(sets, key=lambda pair: len(pair[1]))
        if len(common) > 1:
            orders = [[method for method in methods if method in common] for _, methods in boards]
            means = {method: sum(order.index(method) + 1 for order in orders) / size for method in sorted(common)}
            return [name for name, _ in boards], dict(sorted(means.items(), key=lambda item: item[1]))
    return [], {}


def frame_of(table: BoardTable) -> pandas.DataFrame:
    """One row a method, as a data frame."""
    import pandas

    return pandas.DataFrame([{**vars(place), "board": table.board.name} for place in table.places])
