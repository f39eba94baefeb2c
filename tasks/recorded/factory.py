"""`recorded(...)`: a recording as a task, in one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynamark.errors import UserError, unknown
from dynamark.tasks.catalog import TASKS
from dynamark.tasks.recorded import contents
from dynamark.tasks.recorded.attractor import RecordedAttractor
from dynamark.tasks.recorded.base import FEWEST, RecordedTask, parted
from dynamark.tasks.recorded.columns import Choice, Recording, select
from dynamark.tasks.recorded.completion import RecordedCompletion
from dynamark.tasks.recorded.forecast import RecordedForecast
from dynamark.tasks.recorded.onestep import RecordedOneStep
from dynamark.tasks.recorded.season import period_of
from dynamark.tasks.recorded.tables import Source, Table, read

__all__ = ["GOALS", "recorded"]

GOALS: dict[str, type[RecordedTask]] = {
    "forecast": RecordedForecast,
    "onestep": RecordedOneStep,
    "attractor": RecordedAttractor,
    "completion": RecordedCompletion,
}

# Defaults: the context is half of the test part, the horizon a quarter, and neither is longer than this.
_CONTEXT, _HORIZON = 200, 100

Names = str | Sequence[str]


def recorded(
    data: Source = None,
    *,
    path: str | Path | None = None,
    name: str | None = None,
    goal: str = "forecast",
    channels: Names = (),
    inputs: Names = (),
    time: str | None = None,
    trajectory: str | None = None,
    dt: float | None = None,
    context: int | None = None,
    horizon: int | None = None,
    period: int | None = None,
    rank: int | None = None,
) -> RecordedTask:
    """A recording as a task: `dynamark.run("koopman/delays", task=dynamark.recorded("weather.csv"))`.

    data, path: a CSV, Parquet, .npy or .npz file, a folder that `datasets.load_dataset` reads, a data frame, an array ([time],
        [time, channel] or [trajectory, time, channel]), or a list of arrays of unequal length.
    name: name of the recording in tables. Default: the name of the file.
    goal: "forecast" (continue from a context), "onestep" (predict the next value), "attractor" (statistics of a free run) or
        "completion" (missing entries of a matrix).
    channels, inputs: columns to predict, and known inputs. Default: all columns that have no other role, and none.
    time: column of times, whose steps must be equal. Default: the first column, if it rises in equal steps.
    trajectory: column that names the trajectory of each row, if there are several.
    dt: time between samples. Default: the step of the time column, or 1.
    context, horizon: samples before and in a forecast. Default: half and a quarter of the test part, at most 200 and 100.
    period: samples of a season, for seasonal persistence. Default: the first high peak of the autocorrelation; 1 means none.
    rank: bound on the rank, for completion. Default: none.

    Each trajectory is split by time: 60 % training, 20 % validation, 20 % test. Nothing is shuffled or resampled.

    Raises UserError, one line with the place and the remedy, if the data cannot be used.
    """
    if (data is None) == (path is None):
        raise UserError("recorded: give the recording once, as a file or as data: recorded(path='weather.csv')")
    if goal not in GOALS:
        raise unknown("goal", str(goal), list(GOALS))
    options = {"context": context, "horizon": horizon, "period": period, "rank": rank}
    _check_options(goal, options, dt)
    table = read(path if data is None else data, name)
    choice = Choice(_names(channels), _names(inputs), time or "", trajectory or "")
    recording = select(table, choice, dt, missing=goal == "completion", uneven=goal == "onestep")
    fields: dict[str, Any] = _COMPLETED[goal](table, recording, options)
    columns = recording.choice
    if (task := _task_name(table.name, goal)) in TASKS:
        raise table.wrong(
            f"'{task}' is a task that ships with dynamark; give the recording another name: name='my_{table.name}'"
        )
    return GOALS[goal](
        name=task,
        source=table.name,
        content=contents.store(recording.arrays),
        channels=columns.channels,
        inputs=columns.inputs,
        time=columns.time,
        trajectory=columns.trajectory,
        dt=recording.dt,
        **fields,
    )


def _names(names: Names) -> tuple[str, ...]:
    """Column names; numbers are names of columns without a header."""
    return (names,) if isinstance(names, str) and names else tuple(map(str, names))


def _task_name(source: str, goal: str) -> str:
    """`recorded/weather`, with the goal behind it unless it is forecasting."""
    plain = re.sub(r"[^\w.+-]+", "_", source).strip("_") or "recording"
    return f"recorded/{plain}" if goal == "forecast" else f"recorded/{plain}/{goal}"


def _check_options(goal: str, options: dict[str, int | None], dt: float | None) -> None:
    for option, value in options.items():
        if value is None:
            continue
        if not hasattr(GOALS[goal], option):
            having = " or ".join(f"goal='{other}'" for other, cls in GOALS.items() if hasattr(cls, option))
            raise UserError(f"recorded: goal='{goal}' has no {option}; leave it out, or use {having}")
        if type(value) is not int or value < 1:
            raise UserError(f"recorded: invalid {option} = {value!r}: expected a positive integer")
    if dt is not None and not (isinstance(dt, int | float) and dt > 0 and np.isfinite(dt)):
        raise UserError(f"recorded: invalid dt = {dt!r}: expected a number above 0")


# --- fields that follow from the data


def _split(table: Table, recording: Recording) -> int:
    """The number of samples of the shortest test part. UserError if a trajectory is too short or constant while it trains."""
    for n, length in enumerate(recording.lengths):
        if length < FEWEST:
            which = "" if len(recording.lengths) == 1 else f" in trajectory {n}"
            way = "record more" if len(recording.lengths) == 1 else "leave it out"
            raise table.wrong(f"{length} samples{which} are too few: expected at least {FEWEST}; {way}")
    for names, values in (
        (recording.choice.channels, recording.observations),
        (recording.choice.inputs, recording.inputs),
    ):
        train = np.concatenate(_training(recording, values))
        flat = np.ptp(train, axis=0) <= 1e-12 * np.abs(train).max(axis=0)
        if flat.any():
            column = names[int(np.argmax(flat))]
            raise table.wrong(
                f"column '{column}' is constant in the training part, the first 60 %; leave the column out"
            )
    return min(parted(length).end - parted(length).validation for length in recording.lengths)


def _training(recording: Recording, values: np.ndarray) -> list[np.ndarray]:
    pieces = np.split(values, np.cumsum(recording.lengths)[:-1])
    return [piece[: parted(len(piece)).train] for piece in pieces]


def _forecast(table: Table, recording: Recording, options: dict[str, int | None]) -> dict[str, int]:
    test = _split(table, recording)
    horizon = options["horizon"] or max(1, min(_HORIZON, (test - (options["context"] or 0)) // 4, test // 4))
    context = options["context"] or max(1, min(_CONTEXT, test // 2, test - horizon))
    if context + horizon > test:
        raise table.wrong(
            f"a context of {context} and a horizon of {horizon} need {context + horizon} samples, and the shortest test part has "
            f"{test}; lower one, or record more"
        )
    return {"context": context, "horizon": horizon, "period": _period(table, recording, options["period"], context)}


def _one_step(table: Table, recording: Recording, options: dict[str, int | None]) -> dict[str, int]:
    _split(table, recording)
    longest = min(parted(length).train for length in recording.lengths)
    return {"period": _period(table, recording, options["period"], longest)}


def _attractor(table: Table, recording: Recording, options: dict[str, int | None]) -> dict[str, int]:
    if len(recording.lengths) > 1 or recording.inputs.shape[1]:
        what = "one trajectory" if len(recording.lengths) > 1 else "no inputs"
        raise table.wrong(f"goal='attractor' takes {what}; use goal='forecast'")
    test = _split(table, recording)
    context = options["context"] or min(_CONTEXT, test // 2)
    if context >= test:
        raise table.wrong(f"a context of {context} does not fit into the test part of {test} samples; lower it")
    return {"context": context, "period": _period(table, recording, options["period"], context)}


def _completion(table: Table, recording: Recording, options: dict[str, int | None]) -> dict[str, int]:
    rows, columns = recording.observations.shape
    if len(recording.lengths) > 1 or recording.inputs.shape[1] or columns < 2:
        raise table.wrong("goal='completion' takes one matrix of at least two columns, without trajectories and inputs")
    known = (~np.isnan(recording.observations)).sum(axis=0)
    if rows < FEWEST or known.min() < FEWEST // 2:
        column = recording.choice.channels[int(known.argmin())]
        raise table.wrong(
            f"{rows} rows, and {known.min()} known entries in column '{column}': expected at least {FEWEST} and {FEWEST // 2}; "
            "record more, or leave the column out"
        )
    rank, period = options["rank"] or 0, options["period"] or 1
    if rank > min(rows, columns) or period >= rows:
        raise table.wrong(f"rank = {rank} and period = {period} do not fit a {rows} x {columns} matrix; lower them")
    return {"rank": rank, "period": period}


_COMPLETED = {"forecast": _forecast, "onestep": _one_step, "attractor": _attractor, "completion": _completion}


def _period(table: Table, recording: Recording, given: int | None, longest: int) -> int:
    """The given period, or that of the training part, at most `longest`; 1 if sampling is uneven."""
    if given is not None and given > longest:
        raise table.wrong(
            f"a period of {given} samples is longer than the {longest} samples before a forecast; lower it, or raise the context"
        )
    if given is not None or recording.gaps is not None:
        return given or 1
    train = _training(recording, recording.observations)
    return period_of(train, min(longest, max(map(len, train)) // 3))
