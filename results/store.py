"""A store: a folder of Parquet files, by default one a suite and method, with the journals of commands in `.journal/`."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dynamark.errors import UserError
from dynamark.results import disk
from dynamark.results.convert import columns_of, upgraded
from dynamark.results.journal import all_journals, finished_journals, read_journal
from dynamark.results.lease import lease
from dynamark.results.process import this_process
from dynamark.results.schema import SCHEMA, SCHEMA_VERSION, Row, table
from dynamark.results.sealed import Damaged, intact, sealed

if TYPE_CHECKING:
    import pandas

__all__ = ["Store", "default_store", "load_results", "published_store", "read_file", "read_rows"]

_log = logging.getLogger(__name__)

_PATIENCE = 30.0  # seconds that a compaction waits for another to end; what it leaves is read from the journals


def default_store() -> Path:
    """The default results folder: $DYNAMARK_STORE, else results/runs in the current folder."""
    return Path(os.environ.get("DYNAMARK_STORE") or Path("results") / "runs")


def published_store() -> Path:
    """The folder of the published results that ship with dynamark."""
    return Path(__file__).parent / "published"


class Store:
    """A results folder: Parquet files with one row per run, and the journals of running commands."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"the results folder {self.folder} is a file; give a folder with --store")

    @property
    def journals(self) -> Path:
        """Where commands keep their journals."""
        return self.folder / ".journal"

    def files(self) -> list[Path]:
        """The Parquet files."""
        return sorted(self.folder.glob("*.parquet"))

    def status(self) -> dict[str, str]:
        """The status of every finished run, by key."""
        latest = _latest(self._read(["key", "status", "finished"]))
        return dict(zip(latest["key"].to_pylist(), latest["status"].to_pylist(), strict=True))

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows; of several with one key (two suites share a run) the one that finished last."""
        wanted = None if columns is None else list({*columns, "key", "finished"})
        latest = _latest(self._read(wanted))
        return latest if columns is None else latest.select(list(columns))

    def compact(self) -> None:
        """Move the rows of finished journals into the Parquet files. Safe at any moment: nothing is lost if it dies.

        What cannot be moved (another process compacts, the store is read-only) stays in its journal and is read from there.
        """
        if not finished_journals(self.journals):
            return
        try:
            with lease(self.journals, _PATIENCE) as acquired:
                # Listed again under the lease: another command may have compacted them meanwhile.
                journals = finished_journals(self.journals) if acquired else []
                _log.debug("moving %d journals into the Parquet files of %s", len(journals), self.folder)
                self._put([row for path in journals for row in read_journal(path)])
                for path in journals:
                    disk.unlink(path)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT):
                raise _unwritable(self.folder, error) from None

    def put(self, rows: Iterable[Row], by_method: bool = True) -> None:
        """Write rows to the Parquet files; there is one file for each suite and method.

        by_method=False: one file for each suite, which is read in a fraction of the time, and written whole for every new row.
        """
        try:
            self.journals.mkdir(parents=True, exist_ok=True)
            with lease(self.journals, 60 * _PATIENCE) as acquired:
                if not acquired:
                    raise UserError(f"another process is writing to {self.folder}; try again when it has finished")
                self._put(rows, by_method)
        except OSError as error:
            raise _unwritable(self.folder, error) from None

    def _put(self, rows: Iterable[Row], by_method: bool = True) -> None:
        groups: dict[str, list[Row]] = {}
        for row in rows:
            names = [str(row.get("suite") or ""), *([str(row.get("method") or "")] if by_method else [])]
            groups.setdefault("--".join(map(_safe, names)), []).append(row)
        for name, own in groups.items():
            self._merge(self.folder / f"{name}.parquet", own)

    def _merge(self, path: Path, rows: list[Row]) -> None:
        parts = [table(rows)]
        if path.exists():
            parts.insert(0, read_file(path, None))
        merged = _latest(pa.concat_tables(parts)).sort_by(
            [("task", "ascending"), ("seed", "ascending"), ("key", "ascending")]
        )
        beside = path.with_name(f"{path.stem}.{this_process()}.tmp")
        try:
            with beside.open("wb") as file:
                file.write(sealed(merged))
                file.flush()
                disk.sync(file.fileno())
            disk.rename(beside, path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def _read(self, columns: list[str] | None) -> pa.Table:
        # Journals first: one that is compacted in between is in the Parquet files by the time that they are read.
        left = [row for path in all_journals(self.journals) for row in read_journal(path)]
        parts = [read_file(path, columns) for path in self.files()]
        if left:
            journaled = table(left)
            parts.append(journaled if columns is None else journaled.select([n for n in SCHEMA.names if n in columns]))
        return pa.concat_tables(parts) if parts else _empty(columns)


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(f"cannot write to {folder}: {error.strerror or error}; choose another folder with --store")


def _empty(columns: list[str] | None) -> pa.Table:
    whole = SCHEMA.empty_table()
    return whole if columns is None else whole.select(columns)


def read_file(path: Path, columns: list[str] | None) -> pa.Table:
    """Read one Parquet file of rows. Raises `UserError` if it is damaged or not a file of dynamark."""
    try:
        file = intact(path.read_bytes())
        metadata = file.schema_arrow.metadata or {}
    except Damaged as error:
        raise UserError(f"{path} is damaged ({error}); restore or delete the file") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{path} is not a readable Parquet file ({_first_line(error)}); move it out of the results folder"
        ) from None
    version = _version(metadata.get(b"dynamark_schema"), path)
    with file:
        try:
            read = file.read(columns=columns_of(columns, version))
            read.validate(full=True)  # text that is no UTF-8, in a stranger's file, would be an error at its first use
            read = upgraded(read, version)
            # Columns in the order of the schema, whatever the order that was asked for or written.
            names = [name for name in SCHEMA.names if columns is None or name in columns]
            for name in set(names).difference(read.column_names):  # columns that came later
                read = read.append_column(name, pa.nulls(len(read), SCHEMA.field(name).type))
            return _cast(read.select(names))
        except (pa.ArrowException, KeyError, OSError, ValueError) as error:
            raise UserError(f"{path} is damaged ({_first_line(error)}); restore or delete the file") from None


def _version(text: bytes | None, path: Path) -> int:
    """The version of the schema of a file."""
    if text is None or not text.isdigit():
        raise UserError(
            f"{path} has no dynamark schema version, so it contains no results; move it out of the results folder"
        )
    if int(text) > SCHEMA_VERSION:
        raise UserError(f"{path} was written by a newer dynamark (schema {int(text)}); upgrade dynamark to read it")
    return int(text)


def _cast(rows: pa.Table) -> pa.Table:
    """A table with today's types; members that a struct has got since are null."""
    wanted = pa.schema([SCHEMA.field(name) for name in rows.column_names], metadata=SCHEMA.metadata)
    arrays = [_widened(rows[field.name].combine_chunks(), field.type) for field in wanted]
    return pa.table(arrays, schema=wanted)


def _widened(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if not pa.types.is_struct(wanted) or array.type == wanted or not pa.types.is_struct(array.type):
        return array.cast(wanted)
    have = {array.type.field(k).name: k for k in range(array.type.num_fields)}
    members = [
        array.field(have[f.name]).cast(f.type) if f.name in have else pa.nulls(len(array), f.type) for f in wanted
    ]
    return pa.StructArray.from_arrays(members, fields=list(wanted), mask=array.is_null())


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


def _latest(rows: pa.Table) -> pa.Table:
    """One row a key: the one that finished last, the later one in the table of two that finished together.

    A row without a time, which no run leaves, counts as the oldest.
    """
    if len(rows) == len(pc.unique(rows["key"])):
        return rows
    finished = rows["finished"].fill_null("")
    numbered = pa.table({"key": rows["key"], "finished": finished, "place": range(len(rows))})
    order = pc.sort_indices(numbered, [("finished", "ascending"), ("place", "ascending")])
    last = numbered.take(order).group_by("key", use_threads=False).aggregate([("place", "last")])
    return rows.take(last["place_last"].combine_chunks().sort())


def _safe(name: str) -> str:
    """A file name for a suite's or method's name: readable, and different for different names."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:60]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def read_rows(stores: Sequence[Path | str], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of several results folders. If several rows have the same key, only the one that finished last is returned."""
    wanted = None if columns is None else list({*columns, "key", "finished"})
    parts = [Store(folder).rows(wanted) for folder in stores]
    # What one store holds has each key once: looking again takes a second for a million rows.
    latest = _latest(pa.concat_tables(parts)) if len(parts) > 1 else (*parts, _empty(wanted))[0]
    return latest if columns is None else latest.select(list(columns))


def load_results(*stores: Path | str, published: bool = True) -> pandas.DataFrame:
    """Load results as a pandas DataFrame, one row per run, with each score in a column `score.<name>`.

    stores: results folders. Default: $DYNAMARK_STORE, else results/runs in the current folder.
    published: also load the published results that ship with dynamark.
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
