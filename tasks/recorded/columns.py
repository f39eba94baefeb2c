"""From a table to a recording: columns chosen, numbers checked, trajectories parted, and steps of time compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import unknown
from dynamark.tasks.recorded.clock import Clock, clock, is_clock
from dynamark.tasks.recorded.delimited import MISSING, is_number
from dynamark.tasks.recorded.tables import Table

__all__ = ["Choice", "Recording", "select"]


@dataclass(frozen=True)
class Choice:
    """Which columns of a table are what. Empty: none, or, for channels, all that are left."""

    channels: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    time: str = ""
    trajectory: str = ""


@dataclass(frozen=True)
class Recording:
    """Checked data of a recording; the trajectories follow each other.

    observations: NaN where a value is missing (only where missing values are allowed). lengths: samples of each trajectory.
    gaps: time since the previous sample, if sampling is uneven. dt: time between samples, their mean if sampling is uneven.
    choice: the columns that were used, none of them left open.
    """

    observations: Float[ndarray, "samples channels"]
    inputs: Float[ndarray, "samples inputs"]
    lengths: tuple[int, ...]
    gaps: Float[ndarray, " samples"] | None
    dt: float
    choice: Choice

    @property
    def arrays(self) -> dict[str, ndarray]:
        """The content that identifies the recording: numbers only, no names and no path."""
        arrays = {"observations": self.observations, "lengths": np.array(self.lengths, float)}
        if self.inputs.shape[1]:
            arrays["inputs"] = self.inputs
        if self.gaps is not None:
            arrays["gaps"] = self.gaps
        return arrays


def select(table: Table, choice: Choice, dt: float | None, *, missing: bool = False, uneven: bool = False) -> Recording:
    """The recording in chosen columns of a table.

    dt: time between samples; by default the step of the time column, or 1. missing: whether values may be missing.
    uneven: whether unequal steps of time are allowed (they become gaps); they are refused otherwise.

    Raises UserError: an unknown column, a missing value, a text among numbers, a constant column, or unequal steps of time.
    """
    named, choice = choice.time, _completed(table, choice)
    parts = _parts(table, choice.trajectory)
    order = np.concatenate(parts)
    outputs = _matrix(table, choice.channels, missing)
    inputs = _matrix(table, choice.inputs, False)
    for names, values in ((choice.channels, outputs), (choice.inputs, inputs)):
        _refuse_constants(table, names, values)
    grid = Clock(1.0, None) if not choice.time else clock(table, choice.time, parts, uneven)
    if dt is not None and named and abs(dt - grid.dt) > 1e-3 * grid.dt:
        raise table.wrong(
            f"dt = {dt:g}, and the steps of column '{choice.time}' are {grid.dt:g}; leave one of them out"
        )
    return Recording(
        np.where(np.isnan(outputs), np.nan, outputs)[order] + 0.0,  # one NaN, one zero: the content has a digest
        inputs[order] + 0.0,
        tuple(len(part) for part in parts),
        grid.gaps,
        grid.dt if dt is None else float(dt),
        choice,
    )


def _completed(table: Table, choice: Choice) -> Choice:
    """The choice with all columns that are left as channels, and the first column as time if it rises in equal steps."""
    names = list(table.columns)
    for name in (*choice.channels, *choice.inputs, choice.time, choice.trajectory):
        if name and name not in names:
            raise table.wrong(str(unknown("column", name, names)))
    if twice := sorted(set(choice.channels) & {*choice.inputs, choice.time, choice.trajectory}):
        raise table.wrong(f"column '{twice[0]}' cannot be a channel and something else; name it once")
    time = choice.time or table.index or ""
    free = [name for name in names if name not in (*choice.inputs, choice.trajectory)]
    if not time and len(free) > 1 and free[0] not in choice.channels:
        time = free[0] if is_clock(table, free[0], _parts(table, choice.trajectory)) else ""
    used = {*choice.inputs, time, choice.trajectory}
    channels = choice.channels or tuple(name for name in names if name not in used)
    if not channels:
        raise table.wrong(f"no column is left for the channels; its columns: {', '.join(names)}")
    return Choice(channels, choice.inputs, time, choice.trajectory)


def _parts(table: Table, column: str) -> list[ndarray]:
    """The rows of each trajectory, in the order in which trajectories begin; rows of one may be scattered."""
    labels = table.labels
    if column:
        if labels is not None:
            raise table.wrong(f"its trajectories are arrays already; leave trajectory='{column}' out")
        labels = np.asarray(table.columns[column])
    if labels is None:
        return [np.arange(len(table))]
    by_label: dict[object, list[int]] = {}
    for row, label in enumerate(labels.tolist()):
        if label != label or (isinstance(label, str) and label.strip().lower() in MISSING - {"-", "."}):
            raise table.wrong(f"{table.place(row)}, column '{column}': no trajectory is named; fill it in")
        by_label.setdefault(label, []).append(row)
    return [np.array(rows) for rows in by_label.values()]


# --- numbers


def _matrix(table: Table, names: Sequence[str], missing: bool) -> Float[ndarray, "samples columns"]:
    columns = [_numbers(table, name, missing) for name in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(table), 0))


def _numbers(table: Table, name: str, missing: bool) -> Float[ndarray, " samples"]:
    """A column of finite numbers; NaN where a value is missing, if that is allowed."""
    cells = table.columns[name]
    if cells.dtype.kind == "M":
        raise table.wrong(f"column '{name}' holds dates; name it time='{name}', or name the others with channels=(...)")
    values = cells.astype(float) if cells.dtype.kind in "fiub" else _parsed(table, name, cells)
    bad = np.flatnonzero(~np.isfinite(values) & ~(missing & np.isnan(values)))
    if len(bad):
        row = int(bad[0])
        what = f"the value is {values[row]}" if np.isinf(values[row]) else "the value is missing"
        more = f" ({len(bad)} in this column)" if len(bad) > 1 else ""
        raise table.wrong(
            f"{table.place(row)}, column '{name}': {what}{more}; fill it in, cut the recording there, leave the column out, or "
            "complete the matrix with goal='completion'"
        )
    return values


def _parsed(table: Table, name: str, cells: ndarray) -> Float[ndarray, " samples"]:
    """Texts as numbers; NaN where a value is missing."""
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError:
        pass
    values = np.full(len(cells), np.nan)
    numeric = sum(map(is_number, cells))
    for row, cell in enumerate(cells):
        text = str(cell).strip()
        if text.lower() in MISSING:
            continue
        try:
            values[row] = float(text)
        except ValueError:
            where = f"{table.place(row)}, column '{name}': '{text[:40]}' is not a number"
            if is_number(text.replace(",", ".")):
                raise table.wrong(f"{where}; write decimal points, not commas") from None
            way = "leave the column out with channels=(...), or name it time or trajectory"
            raise table.wrong(f"{where}; {'correct it' if numeric else way}") from None
    return values


def _refuse_constants(table: Table, names: Sequence[str], values: Float[ndarray, "samples columns"]) -> None:
    for name, column in zip(names, values.T, strict=True):
        known = column[~np.isnan(column)]
        if not len(known) or known.max() - known.min() <= 1e-12 * np.abs(known).max():
            value = f"constant, {known[0]:g}" if len(known) else "empty"
            raise table.wrong(
                f"column '{name}' is {value}; leave it out: name the others with channels=(...) or inputs=(...)"
            )
