"""Sweeps: a score as a function of one field of a task, with intervals over seeds, and the value that reaches a target."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.leaderboards.rows import prepare
from dynamark.runners.plan.suite import Sweep
from dynamark.runners.spec import COMPETE, parse

__all__ = ["COLUMNS", "Bounds", "Line", "Point", "SweepTable", "reached_at", "slope_of", "sweep_table"]

# What a sweep needs of rows besides what every table does.
COLUMNS = ("budget", "scores", "task_fields")

# Resamples of the seeds of each value, and the share of them inside an interval.
_DRAWS, _LEVEL = 1000, 0.95

# The fewest values on a logarithmic scale through which a slope is fitted.
_LEAST = 4


@dataclass(frozen=True)
class Bounds:
    """An estimate with its 95 % percentile interval over seeds; all three are infinite or NaN where they do not exist."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """The median over seeds at one value of the field, with its interval; None where half of the runs failed.

    A failed run counts as worse than every score. runs, failed: how many there are.
    """

    value: float
    median: float | None
    low: float | None
    high: float | None
    runs: int
    failed: int


@dataclass(frozen=True)
class Line:
    """The points of one method.

    slope: p of score = c value^p by least squares of logarithms, over all points; None with fewer than four.
    reached: the smallest value of the field at which the median score is at least as good as the target; infinite where
        none is. None without a target.
    """

    method: str
    own: bool
    points: tuple[Point, ...]
    slope: Bounds | None
    reached: Bounds | None


@dataclass(frozen=True)
class SweepTable:
    """A sweep with a line per method: best first, by the score at the largest value that all methods have."""

    sweep: Sweep
    metric: str
    lines: tuple[Line, ...]


def sweep_table(sweep: Sweep, rows: pa.Table) -> SweepTable:
    """The table of a sweep from stored rows, whatever else they hold."""
    frame = prepare(_of_sweep(sweep, _labeled(sweep, rows)))
    scores = frame["score"].to_numpy(float) if not sweep.score else _named(frame, sweep.score)
    scores = np.where(frame["failed"].to_numpy(bool), np.nan, scores)
    tasks, methods = frame["task"].astype(str).to_numpy(), frame["method"].astype(str).to_numpy()
    own = set(methods[frame["own"].to_numpy(bool)]) if len(frame) else set()
    lines = []
    for method in dict.fromkeys(methods):
        samples = [scores[(methods == method) & (tasks == task)] for task in sweep.tasks]
        lines.append(_line(sweep, method, method in own, samples))
    metric = sweep.score or (str(frame["metric"].iloc[0]) if len(frame) else "")
    return SweepTable(sweep, metric, tuple(sorted(lines, key=lambda line: _order(sweep, line))))


def _labeled(sweep: Sweep, rows: pa.Table) -> pa.Table:
    """The rows of the sweep's task under the labels of the sweep, which also write defaults, and whole numbers as given."""
    name = sweep.base.partition("(")[0]
    rows = rows.filter(pc.starts_with(rows["task"].cast(pa.string()), name))  # few of many: the rest is in Python
    labels = dict(zip(sweep.values, sweep.tasks, strict=True))
    pairs = list(zip(rows["task"].to_pylist(), rows["task_fields"].to_pylist(), strict=True))
    places = {pair: _value_of(sweep, *pair) for pair in set(pairs)}
    tasks = [pair[0] if (value := places[pair]) is None else labels[value] for pair in pairs]
    return rows.set_column(rows.column_names.index("task"), "task", pa.array(tasks, pa.string()))


def _value_of(sweep: Sweep, task: str, fields: str | None) -> float | None:
    """The value of the sweep that a task has, if it is a task of the sweep."""
    if task.partition("(")[0] != sweep.base.partition("(")[0]:
        return None
    try:
        spec, value = parse(task), json.loads(fields or "{}").get(sweep.field)
    except (UserError, ValueError):
        return None
    base = replace(spec, fields={name: given for name, given in spec.fields.items() if name != sweep.field})
    return value if base.label == sweep.base and value in sweep.values else None


def _of_sweep(sweep: Sweep, rows: pa.Table) -> pa.Table:
    """The public rows of a sweep's tasks at its tier, budget and seeds; none in which candidates competed."""
    entry = sweep.entry
    wanted = pc.and_(pc.is_in(rows["task"], pa.array(sweep.tasks)), pc.equal(rows["tier"], entry.tier))
    wanted = pc.and_(wanted, pc.and_(pc.equal(rows["salt"], ""), pc.less(rows["seed"], entry.seeds)))
    competed = pc.match_substring(pc.fill_null(rows["method_fields"], ""), f'"{COMPETE}"')
    wanted = pc.and_(wanted, pc.invert(competed))
    if entry.budget is not None:
        wanted = pc.and_(wanted, pc.fill_null(pc.equal(rows["budget"], entry.budget), False))
    listed = pc.is_in(rows["method"], pa.array([spec.label for spec in entry.methods]))
    if "own" in rows.column_names:
        listed = pc.or_(listed, rows["own"])
    return rows.filter(pc.fill_null(pc.and_(wanted, listed), False))


def _named(frame: Any, name: str) -> Float[ndarray, " run"]:
    """A score other than the primary one; NaN where a row lacks it."""
    values = []
    for scores in frame["scores"]:
        by_name = {score["name"]: score["value"] for score in (scores if scores is not None else ())}
        values.append(by_name.get(name, math.nan))
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def _line(sweep: Sweep, method: str, own: bool, samples: Sequence[ndarray]) -> Line:
    """The points of a method from its scores by value of the field [value][seed], NaN for a failed run."""
    worst = math.inf if sweep.lower_is_better else -math.inf
    ranked = [np.where(np.isnan(values), worst, values) for values in samples]
    medians = np.array([_median(values) if len(values) else math.nan for values in ranked])
    drawn = np.stack([_resampled(values, place) for place, values in enumerate(ranked)], axis=1)  # [draw, value]
    points = []
    for place, value in enumerate(sweep.values):
        low, high = _interval(drawn[:, place])
        known = math.isfinite(medians[place])
        points.append(
            Point(
                value,
                float(medians[place]) if known else None,
                low if known and math.isfinite(low) else None,
                high if known and math.isfinite(high) else None,
                len(samples[place]),
                int(np.isnan(samples[place]).sum()),
            )
        )
    axis = np.array(sweep.values, dtype=float)
    slope = slope_of(axis, medians)
    bounds = None if slope is None else _bounds(slope, [_or_nan(slope_of(axis, draw)) for draw in drawn])
    reached = None
    if sweep.target is not None:
        at = [reached_at(axis, row, sweep.target, sweep.lower_is_better) for row in (medians, *drawn)]
        reached = _bounds(at[0], at[1:])
    return Line(method, own, tuple(points), bounds, reached)


def _median(values: ndarray) -> float:
    """The median; of an even number the worse of the middle two where one of them is infinite."""
    ordered = np.sort(values)
    low, high = ordered[(len(values) - 1) // 2], ordered[len(values) // 2]
    return float((low + high) / 2)


def _resampled(values: ndarray, place: int) -> Float[ndarray, " draw"]:
    """Medians of seeds drawn with replacement, anew at every value: each has data of its own. The same draws for every method."""
    if not len(values):
        return np.full(_DRAWS, math.nan)
    picks = np.random.default_rng([place, len(values)]).integers(0, len(values), (_DRAWS, len(values)))
    ordered = np.sort(values[picks], axis=1)
    return np.asarray((ordered[:, (len(values) - 1) // 2] + ordered[:, len(values) // 2]) / 2)


def _interval(draws: ndarray) -> tuple[float, float]:
    """The percentile interval, order statistics without interpolation: draws may be infinite."""
    known = np.sort(draws[~np.isnan(draws)])
    if not len(known):
        return math.nan, math.nan
    tail = (1 - _LEVEL) / 2
    low, high = math.floor(tail * (len(known) - 1)), math.ceil((1 - tail) * (len(known) - 1))
    return float(known[low]), float(known[high])


def _bounds(value: float, draws: Sequence[float]) -> Bounds:
    return Bounds(value, *_interval(np.array(draws)))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def slope_of(axis: Float[ndarray, " value"], medians: Float[ndarray, " value"]) -> float | None:
    """p of score = c value^p by least squares of logarithms over positive, finite points; None with fewer than four."""
    used = np.isfinite(medians) & (medians > 0) & (axis > 0)
    if used.sum() < _LEAST:
        return None
    x = np.log(axis[used])
    x = x - x.mean()
    return float(x @ np.log(medians[used]) / (x @ x))


def reached_at(
    axis: Float[ndarray, " value"], medians: Float[ndarray, " value"], target: float, lower_is_better: bool = True
) -> float:
    """The smallest value at which the score reaches the target, interpolated to the value before; infinite if it never does.

    Between two values the score is taken as a power law (linear where a number is not positive). At the first value there is
    nothing to interpolate: the result is that value, an upper bound.
    """
    good = medians <= target if lower_is_better else medians >= target
    if not good.any():
        return math.inf
    k = int(np.argmax(good))
    before = k - 1
    if k == 0 or not math.isfinite(medians[before]):
        return float(axis[k])
    x, y, goal = axis[[before, k]], medians[[before, k]], target
    logarithmic = [bool((x > 0).all()), bool((y > 0).all()) and goal > 0]
    if logarithmic[0]:
        x = np.log(x)
    if logarithmic[1]:
        y, goal = np.log(y), math.log(goal)
    at = x[0] + (x[1] - x[0]) * (goal - y[0]) / (y[1] - y[0])
    return float(np.exp(at) if logarithmic[0] else at)


def _order(sweep: Sweep, line: Line) -> tuple[float, ...]:
    """Best first at the last value, then at the one before it, and so on; a failure is last."""
    signed = (
        (1 if sweep.lower_is_better else -1) * p.median if p.median is not None else math.inf for p in line.points
    )
    return tuple(reversed(list(signed)))
