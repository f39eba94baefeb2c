"""A store: a folder of Parquet files, one a suite and method, with the journals of commands in `.journal/`."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dynamark.errors import UserError
from dynamark.results.convert import columns_of, upgraded
from dynamark.results.journal import finished_journals, read_journal
from dynamark.results.schema import SCHEMA, SCHEMA_VERSION, Row, table

if TYPE_CHECKING:
    import pandas

__all__ = ["Store", "default_store", "load_results", "published_store", "read_file", "read_rows"]


def default_store() -> Path:
    """Where a person's own runs go: $DYNAMARK_STORE, else results/runs below the current folder."""
    return Path(os.environ.get("DYNAMARK_STORE") or Path("results") / "runs")


def published_store() -> Path:
    """The reference results that ship with dynamark."""
    return Path(__file__).parent / "published"


class Store:
    """A folder of rows."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"the store {self.folder} is a file; name a folder with --store")

    @property
    def journals(self) -> Path:
        """Where commands keep their journals."""
        return self.folder / ".journal"

    def files(self) -> list[Path]:
        """The Parquet files."""
        return sorted(self.folder.glob("*.parquet"))

    def status(self) -> dict[str, str]:
        """The status of every finished run, by key."""
        kept = _latest(self._read(["key", "status", "finished"]))
        return dict(zip(kept["key"].to_pylist(), kept["status"].to_pylist(), strict=True))

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows; of several with one key (two suites share a run) the one that finished last."""
        wanted = None if columns is None else list({*columns, "key", "finished"})
        kept = _latest(self._read(wanted))
        return kept if columns is None else kept.select(list(columns))

    def compact(self) -> None:
        """Move the rows of finished journals into the Parquet files. Safe at any moment: nothing is lost if it dies."""
        journals = finished_journals(self.journals)
        if not journals:
            return
        with self._locked():
            # Listed again under the lock: another command may have compacted them meanwhile.
            journals = finished_journals(self.journals)
            self.put(row for path in journals for row in read_journal(path))
            for path in journals:
                path.unlink()

    def put(self, rows: Iterable[Row]) -> None:
        """Put rows into the Parquet files, each beside those of its suite and method."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            groups.setdefault((row["suite"], row["method"]), []).append(row)
        for (suite, method), own in groups.items():
            self._merge(self.folder / f"{_safe(suite)}--{_safe(method)}.parquet", own)

    def _merge(self, path: Path, rows: list[Row]) -> None:
        parts = [table(rows)]
        if path.exists():
            parts.insert(0, read_file(path, None))
        merged = _latest(pa.concat_tables(parts)).sort_by(
            [("task", "ascending"), ("seed", "ascending"), ("key", "ascending")]
        )
        beside = path.with_suffix(".tmp")
        try:
            with beside.open("wb") as file:
                pq.write_table(merged, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise _unwritable(self.folder, error) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            lock = (self.journals / ".lock").open("w")
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self, columns: list[str] | None) -> pa.Table:
        parts = [read_file(path, columns) for path in self.files()]
        return pa.concat_tables(parts) if parts else _empty(columns)


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(f"cannot write to the store {folder}: {error.strerror or error}; name another folder with --store")


def _empty(columns: list[str] | None) -> pa.Table:
    whole = SCHEMA.empty_table()
    return whole if columns is None else whole.select(columns)


def read_file(path: Path, columns: list[str] | None) -> pa.Table:
    """One Parquet file of rows, checked."""
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{path} is not a readable Parquet file ({_first_line(error)}); move it out of the store"
        ) from None
    with file:
        metadata = file.schema_arrow.metadata or {}
        version = metadata.get(b"dynamark_schema")
        if version is None:
            raise UserError(f"{path} holds no results of dynamark (no schema version); move it out of the store")
        if int(version) > SCHEMA_VERSION:
            raise UserError(
                f"{path} was written by a newer dynamark (schema {int(version)}); upgrade dynamark to read it"
            )
        try:
            read = upgraded(file.read(columns=columns_of(columns, int(version))), int(version))
            # Columns in the order of the schema, whatever the order that was asked for or written.
            names = [name for name in SCHEMA.names if columns is None or name in columns]
            for name in set(names).difference(read.column_names):  # columns that came later
                read = read.append_column(name, pa.nulls(len(read), SCHEMA.field(name).type))
            return read.select(names).cast(pa.schema([SCHEMA.field(name) for name in names], metadata=SCHEMA.metadata))
        except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError, OSError) as error:
            raise UserError(f"{path} is damaged ({_first_line(error)}); restore or delete it") from None


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


def _latest(rows: pa.Table) -> pa.Table:
    """One row a key: the one that finished last, the later one in the table of two that finished together."""
    if len(rows) == len(pc.unique(rows["key"])):
        return rows
    numbered = pa.table({"key": rows["key"], "finished": rows["finished"], "place": range(len(rows))})
    order = pc.sort_indices(numbered, [("finished", "ascending"), ("place", "ascending")])
    last = numbered.take(order).group_by("key", use_threads=False).aggregate([("place", "last")])
    return rows.take(last["place_last"].combine_chunks().sort())


def _safe(name: str) -> str:
    """A file name for a suite's or method's name: readable, and different for different names."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:60]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def read_rows(stores: Sequence[Path | str], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of several stores together; of one key the row that finished last."""
    wanted = None if columns is None else list({*columns, "key", "finished"})
    parts = [Store(folder).rows(wanted) for folder in stores]
    # What one store holds has each key once: looking again takes a second for a million rows.
    kept = _latest(pa.concat_tables(parts)) if len(parts) > 1 else (*parts, _empty(wanted))[0]
    return kept if columns is None else kept.select(list(columns))


def load_results(*stores: Path | str, published: bool = True) -> pandas.DataFrame:
    """The rows of stores as a data frame: the published ones and one's own (by default those of `default_store()`).

    Scores stand as columns of their own, named `score.<name>`.
    """
    import pandas

    folders: list[Path | str] = [published_store()] if published else []
    folders.extend(stores or [default_store()])
    for folder in folders:
        Store(folder).compact()
    frame = read_rows(folders).to_pandas()
    scores = [
        {f"score.{s['name']}": s["value"] for s in row if s} if row is not None else {} for row in frame["scores"]
    ]
    return pandas.concat([frame, pandas.DataFrame(scores, index=frame.index)], axis=1)
