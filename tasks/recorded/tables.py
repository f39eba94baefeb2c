"""Tables: named columns as they were read, before they are checked; each row knows its place in the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.tasks.recorded.delimited import read_delimited

if TYPE_CHECKING:
    import pandas

__all__ = ["Source", "Table", "read"]

# What a recording can be read from: a path, a data frame, an array, or a list of arrays (one a trajectory).
Source = Any

_FORMATS = "CSV, Parquet, .npy, .npz, or a folder that datasets.load_dataset reads"
_HUB = "datasets:"


@dataclass(frozen=True)
class Table:
    """Named columns of equal length.

    name: name of the source, without folder and ending. file: name of the source in messages.
    columns: texts (dtype object, from CSV), numbers, or dates.
    labels: trajectory of each row, if the source is divided into trajectories (arrays with three axes).
    first_line: line of the first row in a text file; None if rows are counted from 0.
    lines: line of each row in a text file, if blank lines or line breaks inside quotes were passed over.
    index: name of a column of times that the source declares, as a data frame indexed by time does.
    """

    name: str
    file: str
    columns: Mapping[str, ndarray]
    labels: ndarray | None = None
    lines: Sequence[int] | None = None
    index: str | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def place(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"row {row} (counted from 0)" if self.lines is None else f"line {self.lines[row]}"

    def wrong(self, what: str) -> UserError:
        """The error that names the source."""
        return UserError(f"{self.file}: {what}")


def read(source: Source, name: str | None = None) -> Table:
    """Read a path, a data frame, an array ([time], [time, channel] or [trajectory, time, channel]) or a list of arrays."""
    if isinstance(source, str | Path):
        return _path(str(source), name)
    shown = name or "recording"
    if hasattr(source, "columns") and hasattr(source, "iloc"):
        return _frame(source, shown, shown)
    if isinstance(source, list | tuple) and source and all(np.ndim(part) > 0 for part in source):
        return _arrays(list(source), shown)
    if hasattr(source, "to_numpy") and hasattr(source, "name"):  # a pandas series
        return _frame(source.to_frame(source.name or "value"), shown, shown)
    return _array(np.asarray(source), shown, shown)


def _path(text: str, name: str | None) -> Table:
    if text.startswith(_HUB):
        return _dataset(text.removeprefix(_HUB), name or Path(text.removeprefix(_HUB)).name, text)
    path = Path(text).expanduser()
    shown, ending = name or path.stem, path.suffix.lower()
    if not path.exists():
        raise UserError(f"the recording {path} does not exist; give a file: {_FORMATS}")
    if path.is_dir():
        return _dataset(str(path), name or path.absolute().name, path.name or str(path))
    try:
        if ending in (".csv", ".tsv", ".txt", ".dat"):
            columns, lines = read_delimited(path)
            return Table(shown, path.name, columns, lines=lines)
        if ending in (".parquet", ".pq"):
            import pandas

            return _frame(pandas.read_parquet(path), shown, path.name)
        if ending == ".npy":
            return _array(np.load(path, allow_pickle=False), shown, path.name)
        if ending == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return _archive({key: arrays[key] for key in arrays.files}, shown, path.name)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path.name}: cannot be read: {error.strerror or error}; check the file") from None
    except Exception as error:  # damaged files fail inside the libraries in many ways
        raise UserError(f"{path.name}: is not a valid {ending} file: {error}; save it again") from None
    raise UserError(f"{path.name}: unknown format '{ending}'; save the recording as {_FORMATS}")


def _frame(frame: pandas.DataFrame, name: str, file: str) -> Table:
    import pandas

    index = None
    if isinstance(frame.index, pandas.DatetimeIndex):
        index = str(frame.index.name or "time")
        frame = frame.assign(**{index: frame.index})
    names = [str(column) for column in frame.columns]
    twice = next((column for column in names if names.count(column) > 1), None)
    if twice is not None:
        raise UserError(f"{file}: two columns are called '{twice}'; rename one")
    columns = {}
    for place, column in enumerate(names):
        values = frame.iloc[:, place]
        if pandas.api.types.is_datetime64_any_dtype(values):
            columns[column] = values.dt.tz_localize(None).to_numpy("datetime64[ns]")
        elif pandas.api.types.is_bool_dtype(values) or pandas.api.types.is_numeric_dtype(values):
            columns[column] = values.to_numpy(float, na_value=np.nan)
        else:
            columns[column] = np.array(["" if pandas.isna(v) else str(v) for v in values], dtype=object)
    return _table(name, file, columns, index=index)


def _table(name: str, file: str, columns: Mapping[str, ndarray], **more: Any) -> Table:
    if not columns or not len(next(iter(columns.values()))):
        raise UserError(f"{file}: there are no rows; give a recording with at least 20 samples")
    return Table(name, file, columns, **more)


def _array(values: ndarray, name: str, file: str) -> Table:
    if values.dtype.kind not in "fiub":
        raise UserError(f"{file}: an array of {values.dtype} holds no real numbers; give float64")
    if values.ndim == 3:
        return _arrays(list(values), name, file)
    if values.ndim not in (1, 2):
        raise UserError(
            f"{file}: an array of {values.ndim} axes; give [time], [time, channel] or [trajectory, time, channel]"
        )
    flat = values.reshape(len(values), -1).astype(float)
    return _table(name, file, {str(i + 1): column for i, column in enumerate(flat.T)})


def _arrays(parts: list[Any], name: str, file: str | None = None) -> Table:
    """One trajectory a part."""
    tables = [_array(np.asarray(part), name, f"{file or name}, trajectory {n}") for n, part in enumerate(parts)]
    for table in tables:
        if list(table.columns) != list(tables[0].columns):
            raise table.wrong(f"{len(table.columns)} channels, and trajectory 0 has {len(tables[0].columns)}")
    labels = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    columns = {key: np.concatenate([table.columns[key] for table in tables]) for key in tables[0].columns}
    return _table(name, file or name, columns, labels=labels)


def _archive(arrays: Mapping[str, ndarray], name: str, file: str) -> Table:
    """An archive of one array, or of columns by name."""
    if len(arrays) == 1:
        return _array(next(iter(arrays.values())), name, file)
    if not arrays or any(array.ndim != 1 for array in arrays.values()):
        shapes = ", ".join(f"{key} {array.shape}" for key, array in arrays.items()) or "none"
        raise UserError(f"{file}: expected one array, or columns of one axis each; its arrays: {shapes}")
    (first, length), *others = ((key, len(array)) for key, array in arrays.items())
    for key, other in others:
        if other != length:
            raise UserError(
                f"{file}: '{key}' has {other} values and '{first}' has {length}; give columns of equal length"
            )
    columns = {key: array if array.dtype.kind == "M" else array.astype(float) for key, array in arrays.items()}
    return _table(name, file, columns)


def _dataset(where: str, name: str, file: str) -> Table:
    """The one split of a data set, in the formats that `datasets` reads or has saved to disk."""
    import datasets

    datasets.disable_progress_bars()
    try:
        if (Path(where) / "dataset_info.json").is_file() or (Path(where) / "dataset_dict.json").is_file():
            loaded = datasets.load_from_disk(where)
        else:
            loaded = datasets.load_dataset(where)
    except Exception as error:
        raise UserError(f"{file}: datasets cannot load it: {str(error).partition(chr(10))[0]}; give a file") from None
    if hasattr(loaded, "keys"):
        if len(loaded) != 1:
            raise UserError(f"{file}: it has several splits, {', '.join(loaded)}; give the file of one of them")
        loaded = next(iter(loaded.values()))
    return _frame(loaded.to_pandas(), name, file)
