"""Standings from rows: a table a family and tier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from dynamark.leaderboards import statistics
from dynamark.leaderboards.coverage import tracks
from dynamark.leaderboards.grid import Grid, TaskInfo

if TYPE_CHECKING:
    import pandas


__all__ = ["FAMILIES", "HeldOut", "Standing", "Table", "TaskInfo", "in_order", "tables"]

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
    place: (
        tuple[int, int] | None
    )  # 95 % interval of the place among methods with all runs; None for those that lack some
    band: int | None  # methods of one band cannot be told apart from its leader; None without a place
    rank: float | None  # mean rank over tasks and seeds among the methods that ran there
    runs: int
    possible: int  # runs of all tasks of the table that any method has
    failed: int
    fit_seconds: float | None  # median
    parameters: int | None  # median
    peak_memory: int | None = None  # median, bytes
    steps: int | None = None  # median
    scores: dict[str, float] = field(default_factory=dict)  # median primary score, by task
    skills: dict[str, float] = field(default_factory=dict)  # mean skill, by task
    held_out: HeldOut | None = None  # on other data of the same tasks (rows with a salt)
    submitted: str = ""  # who submitted its rows and whether they were re-run; empty for the project's own

    @property
    def complete(self) -> bool:
        """Whether it has all runs of its table: a mean over fewer is one of other, perhaps easier tasks, and has no rank."""
        return self.runs == self.possible


@dataclass(frozen=True)
class HeldOut:
    """What a method does on held-out data of tasks whose public data it met; ranks know nothing of it."""

    skill: float | None  # interquartile mean over the tasks that it ran on publicly, too
    difference: float | None  # less its public skill on these tasks
    scores: dict[str, float]  # median primary score, by task


@dataclass(frozen=True)
class Table:
    """The standings of one family at one tier: methods with all runs, best first, then those that lack some."""

    title: str
    family: str
    tier: str
    salt: str
    track: str  # which tasks, in every table of a family but the first
    standings: tuple[Standing, ...]
    tasks: tuple[TaskInfo, ...]


def tables(frame: pandas.DataFrame, family: str | None = None) -> list[Table]:
    """Tables a family and tier: one for each track (tasks that methods have in common).

    Rows with a salt stand beside the public ones of their family and tier; where there are none, they have tables of their own.
    Families of which a single method ran compare nothing and come last.
    """
    listed = []
    salted = frame[(frame["salt"] != "").to_numpy()]
    groups = frame.groupby(["tier", "salt"], observed=True, sort=True)
    named = [(str(tier), str(salt), rows) for (tier, salt), rows in groups]
    public: dict[str, set[str]] = {}  # families with public rows, by tier: the first groups met
    for tier, salt, rows in sorted(named, key=lambda item: (item[1], _order(_TIERS, item[0]))):
        if salt:
            rows = rows[~rows["family"].isin(public.get(tier, ())).to_numpy()]
        else:
            public[tier] = set(rows["family"].unique())
        families = sorted(rows["family"].unique(), key=in_order)
        for name in families if family is None else [f for f in families if f == family]:
            chosen = rows[(rows["family"] == name).to_numpy()]
            away = salted[((salted["family"] == name) & (salted["tier"] == tier)).to_numpy()]
            held_out = {} if salt else _held_out(chosen, away)
            for place, (tasks, mask) in enumerate(tracks(chosen)):
                track = _listed([task.split("/", 1)[-1] for task in tasks]) if place else ""
                listed.append(_table(str(name), tier, salt, track, chosen[mask], held_out))
    compared = {(t.family, t.tier, t.salt) for t in listed if len(t.standings) > 1}
    return sorted(listed, key=lambda t: (t.family, t.tier, t.salt) not in compared)


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def in_order(family: str) -> tuple[int, str]:
    """Sorts families as a page shows them."""
    return _order(FAMILIES, family)


def _order(known: Sequence[str], name: str) -> tuple[int, str]:
    return (known.index(name) if name in known else len(known), name)


def _held_out(public: pandas.DataFrame, salted: pandas.DataFrame) -> dict[str, HeldOut]:
    """What each method does on salted data of the tasks that it met publicly."""
    met = public.groupby("method", observed=True)
    results = {}
    for name, rows in salted.groupby("method", observed=True):
        if name not in met.groups:
            continue
        shown = met.get_group(name)
        rows, shown = (a[a["task"].isin(b["task"]).to_numpy()] for a, b in ((rows, shown), (shown, rows)))
        if not len(rows):
            continue
        skill, before = (_mean(side["skill"].dropna().to_numpy()) for side in (rows, shown))
        scores = rows.groupby("task", observed=True)["score"].median().dropna()
        difference = None if skill is None or before is None else skill - before
        results[str(name)] = HeldOut(skill, difference, {str(task): float(v) for task, v in scores.items()})
    return results


def _table(
    family: str, tier: str, salt: str, track: str, rows: pandas.DataFrame, held_out: Mapping[str, HeldOut]
) -> Table:
    grid = Grid(rows)
    known = ~np.isnan(grid.skill)
    # Where no task has an oracle, methods are compared by their ranks.
    values = grid.skill if known.any() else -grid.ranks
    counts = statistics.resample(grid.task_of_cell)
    resampled = bool((counts != 1).any())
    drawn = statistics.bootstrap_means(values, counts)
    means = [_mean(values[i][~np.isnan(values[i])]) for i in range(len(values))]
    rank = [_mean(row[~np.isnan(row)], middle=False) for row in grid.ranks]
    about = [grid.about(i) for i in range(len(grid.methods))]
    partial = [own["runs"] < own["possible"] for own in about]
    order = sorted(
        range(len(grid.methods)),
        key=lambda i: (partial[i], not grid.alive[i], *_last(means[i]), *_last(rank[i], -1), grid.methods[i]),
    )
    # Ranked are those with all runs, if they are two or more; and one without a single answer has no place.
    ranked = [i for i in order if not partial[i]]
    ranked = ranked if len(ranked) > 1 else []
    placed = dict(zip(ranked, statistics.places(drawn[ranked]), strict=True)) if ranked else {}
    bands = statistics.bands(range(len(ranked)), statistics.paired_tests(values[ranked])) if ranked else []
    band = dict(zip(ranked, bands, strict=True))
    standings = []
    for i in order:
        skilled = bool(known[i].any())
        interval = statistics.percentiles(drawn[i]) if resampled and skilled else None
        place = statistics.percentiles(placed[i]) if resampled and i in placed and grid.alive[i] else None
        standings.append(
            Standing(
                method=grid.methods[i],
                skill=means[i] if skilled else None,
                low=None if interval is None else interval[0],
                high=None if interval is None else interval[1],
                place=None if place is None else (int(np.floor(place[0])), int(np.ceil(place[1]))),
                band=band.get(i),
                rank=rank[i],
                held_out=held_out.get(grid.methods[i]),
                **about[i],
            )
        )
    title = f"{family}, {tier}" + (f": {track}" if track else "") + (f" (salt {salt})" if salt else "")
    return Table(title, family, tier, salt, track, tuple(standings), grid.tasks)


def _mean(values: ndarray, middle: bool = True) -> float | None:
    if not len(values):
        return None
    return float(statistics.interquartile_mean(values) if middle else values.mean())


def _last(value: float | None, sign: int = 1) -> tuple[bool, float]:
    """Sorts the largest first (with sign -1 the smallest), and None last."""
    return (value is None, -sign * (value or 0.0))
