"""Columns of times: numbers or dates, whose steps are compared. Nothing is resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.tasks.recorded.delimited import is_number
from dynamark.tasks.recorded.tables import Table

__all__ = ["Clock", "clock", "is_clock"]

# Part of a step by which a sample may lie off the even grid, since times are rounded in files.
_OFF = 0.02
_DAY = 86_400.0


@dataclass(frozen=True)
class Clock:
    """Time between samples, and, if steps are unequal, the time since the previous sample (dt before the first)."""

    dt: float
    gaps: Float[ndarray, " samples"] | None


def clock(table: Table, column: str, parts: Sequence[ndarray], uneven: bool) -> Clock:
    """The steps of a column of times, within each trajectory. Raises UserError if times fall, or steps are unequal.

    Numbers are taken as they are. Dates count in days, or in seconds where a step is shorter than a day, or in months where
    all dates are of the same day of their months.
    """
    times = _times(table, column)
    for rows in parts:
        _refuse_falling(table, column, times, rows)
    steps = np.concatenate([np.diff(times[rows]) for rows in parts])
    if not len(steps):
        return Clock(1.0, None)
    dt = float(np.median(steps))
    even = [_even(times[rows]) for rows in parts]
    means = [np.diff(times[rows]).mean() for rows in parts if len(rows) > 1]
    if all(even) and max(means) - min(means) <= _OFF * min(means):
        return Clock(float(np.mean(means)), None)
    if uneven:
        mean = float(np.mean(steps))
        return Clock(mean, np.concatenate([np.append(mean, np.diff(times[rows])) for rows in parts]))
    row, step = _odd_step(times, parts, dt)
    raise table.wrong(
        f"{table.place(row)}, column '{column}': a step of {step:.6g}, and most are {dt:.6g}; fill in or cut the recording, or "
        "resample it yourself (it is never resampled here); goal='onestep' takes unequal steps"
    )


def is_clock(table: Table, column: str, parts: Sequence[ndarray]) -> bool:
    """Whether a column rises in equal steps in every trajectory: the times, or a count of the samples."""
    try:
        times = _times(table, column)
    except UserError:
        return False
    if any(len(rows) < 3 or not (np.diff(times[rows]) > 0).all() for rows in parts):
        return False
    means = [np.diff(times[rows]).mean() for rows in parts]
    return all(_even(times[rows]) for rows in parts) and bool(max(means) - min(means) <= _OFF * min(means))


def _even(times: Float[ndarray, " time"]) -> bool:
    """Whether the times lie on an even grid, except for rounding errors."""
    if len(times) < 3:
        return True
    grid = np.linspace(times[0], times[-1], len(times))
    return bool(np.abs(times - grid).max() <= _OFF * (times[-1] - times[0]) / (len(times) - 1))


def _odd_step(times: ndarray, parts: Sequence[ndarray], dt: float) -> tuple[int, float]:
    """The row before which the step differs most from the median, and that step."""
    odd = [(abs(step - dt), int(rows[i + 1]), step) for rows in parts for i, step in enumerate(np.diff(times[rows]))]
    _, row, step = max(odd)
    return row, float(step)


def _refuse_falling(table: Table, column: str, times: ndarray, rows: ndarray) -> None:
    falls = np.flatnonzero(~(np.diff(times[rows]) > 0))
    if len(falls):
        row = int(rows[falls[0] + 1])
        raise table.wrong(
            f"{table.place(row)}, column '{column}': the time does not rise; sort the rows, or, if several trajectories follow "
            "each other, name the column that tells them apart: trajectory='...'"
        )


def _times(table: Table, column: str) -> Float[ndarray, " samples"]:
    cells = table.columns[column]
    if cells.dtype.kind in "fiub":
        return _finite(table, column, cells.astype(float))
    if cells.dtype.kind == "M":
        return _of_dates(table, column, cells)
    if all(map(is_number, cells)):
        return np.array([float(cell) for cell in cells])
    import pandas

    dates = pandas.to_datetime(pandas.Series(cells), errors="coerce", format="ISO8601", utc=True)
    bad = np.flatnonzero(dates.isna())
    if len(bad):
        row = int(bad[0])
        raise table.wrong(
            f"{table.place(row)}, column '{column}': '{cells[row]}' is neither a number nor a date; write dates as 2024-01-31"
        )
    return _of_dates(table, column, dates.dt.tz_localize(None).to_numpy("datetime64[ns]"))


def _finite(table: Table, column: str, times: ndarray) -> ndarray:
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        raise table.wrong(f"{table.place(int(bad[0]))}, column '{column}': the time is missing; fill it in")
    return times


def _of_dates(table: Table, column: str, dates: ndarray) -> Float[ndarray, " samples"]:
    """Dates as numbers: months, days or seconds since the first."""
    bad = np.flatnonzero(np.isnat(dates))
    if len(bad):
        raise table.wrong(f"{table.place(int(bad[0]))}, column '{column}': the date is missing; fill it in")
    months = dates.astype("datetime64[M]")
    within, count = (dates - months).astype("timedelta64[ns]"), months.astype(int)
    if len(np.unique(within)) == 1:
        return (count - count[0]).astype(float)
    seconds = (dates - dates[0]) / np.timedelta64(1, "s")
    shortest = np.min(np.abs(np.diff(seconds)), initial=_DAY)
    return np.asarray(seconds / _DAY if shortest >= _DAY else seconds)
