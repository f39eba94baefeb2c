"""Standings from rows: a table a family, tier and salt, and one over all families."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.leaderboard import statistics
from dynamark.leaderboard.rows import gather
from dynamark.results.store import default_store, published_store, read_rows

if TYPE_CHECKING:
    import pandas

    from dynamark.leaderboard.claims.verdicts import Judged

__all__ = ["FAMILIES", "Standing", "Table", "TaskInfo", "leaderboard", "tables"]

# In the order of a page; other families and tiers follow by name.
FAMILIES = ("sensing", "lds", "koopman", "chaos")
_TIERS = ("large", "standard", "tiny")


@dataclass(frozen=True)
class Standing:
    """One method in one table."""

    method: str
    own: bool  # at least one row is not among the published ones
    skill: float | None  # interquartile mean over tasks and seeds
    low: float | None
    high: float | None
    place: tuple[int, int] | None  # 95 % interval of the place in the table
    band: int | None  # methods of one band cannot be told apart from its leader
    rank: float | None  # mean rank over tasks and seeds among the methods that ran there
    runs: int
    possible: int  # runs of all tasks of the table that any method has
    failed: int
    fit_seconds: float | None  # median
    parameters: int | None  # median
    scores: dict[str, float] = field(default_factory=dict)  # median primary score, by task
    skills: dict[str, float] = field(default_factory=dict)  # mean skill, by task
    held_out: float | None = None  # skill on other data of the same tasks (rows with a salt)


@dataclass(frozen=True)
class TaskInfo:
    """A task in a table: its primary score, and the two ends of its scale (medians over seeds)."""

    name: str
    metric: str
    lower_is_better: bool
    baseline: float | None
    oracle: float | None


@dataclass(frozen=True)
class Table:
    """The standings of one family, or of all ("overall"), at one tier; best first."""

    title: str
    family: str
    tier: str
    salt: str
    standings: tuple[Standing, ...]
    tasks: tuple[TaskInfo, ...]


def leaderboard(
    *stores: Path | str,
    format: str = "terminal",
    family: str | None = None,
    published: bool = True,
    keys: Iterable[str] | None = None,
) -> str:
    """The leaderboard of the published rows and of one's own (by default those of `default_store()`), as text.

    format: `terminal`, `md`, `html` (a whole page), `tex`, `csv` or `json`.
    family: only this one.
    keys: only these runs.
    """
    from dynamark.leaderboard.formats import FORMATS, render

    if format not in FORMATS:
        raise UserError(f"unknown format '{format}'; formats: {', '.join(FORMATS)}")
    own = stores or ([default_store()] if default_store().exists() else [])
    frame = gather(own, published, keys, _PAGE if format == "html" else ())
    have = [str(name) for name in frame["family"].cat.categories]
    if family is not None and family not in have:
        raise UserError(f"no rows of family '{family}'; families with rows: {', '.join(have) or 'none'}")
    if format == "html":
        from dynamark.leaderboard.page.whole import page

        return page(frame, family, _judged(own, published, keys, family))
    return render(tables(frame, family), format)


def _judged(
    stores: Sequence[Path | str], published: bool, keys: Iterable[str] | None, family: str | None
) -> list[Judged]:
    """The claims judged on the same rows; a choice of runs by key judges none."""
    from dynamark.leaderboard.claims.rows import COLUMNS
    from dynamark.leaderboard.claims.verdicts import FAMILIES, choose, judge_all

    if keys is not None or (family is not None and family not in FAMILIES):
        return []
    rows = read_rows([*([published_store()] if published else []), *stores], COLUMNS).to_pandas()
    return judge_all(choose(family=family), rows)


# What the page shows beside the tables.
_PAGE = ["curves", "reason", "method_fields", "method_source", "device", "predict_seconds", "peak_memory", "steps"]


def tables(frame: pandas.DataFrame, family: str | None = None) -> list[Table]:
    """One table for each family, tier and salt that have rows, and one over all families of the methods that ran in several."""
    made = []
    groups = frame.groupby(["tier", "salt"], observed=True, sort=True)
    named = [(str(tier), str(salt), rows) for (tier, salt), rows in groups]
    for tier, salt, rows in sorted(named, key=lambda item: (item[1], _order(_TIERS, item[0]))):
        families = sorted(rows["family"].unique(), key=lambda name: _order(FAMILIES, name))
        for name in families if family is None else [f for f in families if f == family]:
            chosen = rows[rows["family"] == name]
            held = None if salt else _held_out(frame[(frame["family"] == name) & (frame["tier"] == tier)])
            made.append(_table(str(name), tier, salt, chosen, held))
        # A skill over one family only is in that family's table, and to be set beside no other.
        several = rows[rows.groupby("method", observed=True)["family"].transform("nunique").to_numpy() > 1]
        if family is None and len(several):
            made.append(_table("overall", tier, salt, several, None))
    return made


def _order(known: Sequence[str], name: str) -> tuple[int, str]:
    return (known.index(name) if name in known else len(known), name)


def _held_out(rows: pandas.DataFrame) -> dict[str, float]:
    """Skill of each method on salted data."""
    salted = rows[(rows["salt"] != "").to_numpy() & rows["skill"].notna().to_numpy()]
    groups = salted.groupby("method", observed=True)["skill"]
    return {str(name): float(statistics.interquartile_mean(values.to_numpy())) for name, values in groups}


def _table(family: str, tier: str, salt: str, rows: pandas.DataFrame, held: Mapping[str, float] | None) -> Table:
    # Methods of different families meet on no task: over all of them there are neither places nor bands.
    overall = family == "overall"
    grid = _Grid(rows, by_task=not overall)
    known = ~np.isnan(grid.skill)
    # Where no task has an oracle, methods are compared by their ranks.
    values = grid.skill if known.any() else -grid.ranks
    counts = statistics.resample(grid.task_of_cell)
    resampled = bool((counts != 1).any())
    drawn = statistics.bootstrap_means(values, counts)
    placed = statistics.places(drawn)
    means = [_mean(values[i][~np.isnan(values[i])]) for i in range(len(values))]
    rank = [_mean(row[~np.isnan(row)], middle=False) for row in grid.ranks]
    order = sorted(range(len(grid.methods)), key=lambda i: (*_last(means[i]), *_last(rank[i], -1), grid.methods[i]))
    band: dict[int, int] = {}
    if not overall:
        band = dict(zip(order, statistics.bands(order, statistics.paired_tests(values)), strict=True))
    standings = []
    for i in order:
        skilled = bool(known[i].any())
        interval = statistics.percentiles(drawn[i]) if resampled and skilled else None
        place = statistics.percentiles(placed[i]) if resampled and not overall else None
        standings.append(
            Standing(
                method=grid.methods[i],
                skill=means[i] if skilled else None,
                low=None if interval is None else interval[0],
                high=None if interval is None else interval[1],
                place=None if place is None else (int(np.floor(place[0])), int(np.ceil(place[1]))),
                band=band.get(i),
                rank=rank[i],
                held_out=None if held is None else held.get(grid.methods[i]),
                **grid.about(i),
            )
        )
    title = f"{family}, {tier}" + (f" (salt {salt})" if salt else "")
    return Table(title, family, tier, salt, tuple(standings), grid.tasks)


def _mean(values: ndarray, middle: bool = True) -> float | None:
    if not len(values):
        return None
    return float(statistics.interquartile_mean(values) if middle else values.mean())


def _last(value: float | None, sign: int = 1) -> tuple[bool, float]:
    """Sorts the largest first (with sign -1 the smallest), and None last."""
    return (value is None, -sign * (value or 0.0))


class _Grid:
    """The rows of a table as matrices [method, cell]; a cell is a task and a seed. NaN where there is no run."""

    def __init__(self, rows: pandas.DataFrame, by_task: bool) -> None:
        codes = rows["method"].cat.codes.to_numpy()
        known, self._method = np.unique(codes, return_inverse=True)
        self.methods = [str(rows["method"].cat.categories[code]) for code in known]
        tasks, task = np.unique(rows["task"].cat.codes.to_numpy(), return_inverse=True)
        self._names = [str(rows["task"].cat.categories[code]) for code in tasks]
        seeds, seed = np.unique(rows["seed"].to_numpy(), return_inverse=True)
        cells, self._cell = np.unique(task * len(seeds) + seed, return_inverse=True)
        self.task_of_cell = cells // max(len(seeds), 1)
        self.skill, self._score, self._failed, self._own, self._seconds, self._parameters = (
            self._matrix(rows[name].to_numpy(float))
            for name in ("skill", "score", "failed", "own", "fit_seconds", "parameters")
        )
        self._present = ~np.isnan(self._failed)
        self.tasks = self._tasks(rows, task)
        lower = np.array([info.lower_is_better for info in self.tasks])
        self.ranks = statistics.ranks(self._score, self._present, lower[self.task_of_cell])
        self._by_task = {
            info.name: (
                _over_seeds(_median, self._score[:, self.task_of_cell == code]),
                _over_seeds(np.nanmean, self.skill[:, self.task_of_cell == code]),
            )
            for code, info in enumerate(self.tasks if by_task else ())
        }
        self._costs = [_over_seeds(_median, matrix) for matrix in (self._seconds, self._parameters)]

    def _matrix(self, values: ndarray) -> ndarray:
        matrix = np.full((len(self.methods), len(self.task_of_cell)), np.nan)
        matrix[self._method, self._cell] = values
        return matrix

    def _tasks(self, rows: pandas.DataFrame, task: ndarray) -> tuple[TaskInfo, ...]:
        """What the answered rows say of each task; a task on which all failed has no score."""
        answered = ~rows["failed"].to_numpy()
        columns = {
            name: rows[name].to_numpy()[answered] for name in ("metric", "lower_is_better", "baseline", "oracle")
        }
        task = task[answered]
        order = np.argsort(task, kind="stable")
        starts = np.searchsorted(task[order], np.arange(len(self._names) + 1))
        made = []
        for name, start, end in zip(self._names, starts, starts[1:], strict=False):
            if start == end:
                made.append(TaskInfo(name, "", True, None, None))
                continue
            places = order[start:end]
            ends = (_plain(_over_seeds(_median, columns[side][places][None])[0]) for side in ("baseline", "oracle"))
            metric, lower = (columns[column][places[0]] for column in ("metric", "lower_is_better"))
            made.append(TaskInfo(name, str(metric), bool(lower), *ends))
        return tuple(made)

    def about(self, i: int) -> dict[str, Any]:
        """What a standing says of a method beside its skill and place."""
        seconds, parameters = (_plain(cost[i]) for cost in self._costs)
        found = {name: (_plain(score[i]), _plain(mean[i])) for name, (score, mean) in self._by_task.items()}
        return {
            "own": bool((self._own[i] == 1).any()),
            "runs": int(self._present[i].sum()),
            "possible": len(self.task_of_cell),
            "failed": int((self._failed[i] == 1).sum()),
            "fit_seconds": seconds,
            "parameters": None if parameters is None else int(parameters),
            "scores": {name: score for name, (score, _) in found.items() if score is not None},
            "skills": {name: mean for name, (_, mean) in found.items() if mean is not None},
        }


def _over_seeds(statistic: Callable[..., ndarray], values: Float[ndarray, "method cell"]) -> Float[ndarray, " method"]:
    """A statistic of the cells that are known; NaN where none is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy warns of a row of NaN
        return statistic(values, axis=1)


def _median(values: Float[ndarray, "method cell"], axis: int = 1) -> Float[ndarray, " method"]:
    """The median of what is not NaN; NumPy's own takes ten times as long on short rows."""
    ordered = np.sort(values, axis=axis)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=axis)
    ends = np.stack([np.maximum(count - 1, 0) // 2, count // 2], axis=axis)
    ends = np.minimum(ends, values.shape[axis] - 1)
    return np.take_along_axis(ordered, ends, axis=axis).mean(axis=axis)


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
