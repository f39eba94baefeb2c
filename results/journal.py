"""The journal: finished runs, one line each, appended while a command works.

One file a command, written by its parent process alone and flushed after each cohort, so that whatever kills the command
costs at most the runs in flight. No lock protects it; names say what may be done:

    STAMP-PROCESS.open      a process writes to it; PROCESS says which (host, number, start time)
    STAMP-PROCESS.jsonl     closed: renamed when the command ended, never written to again

Compaction takes closed files, and open ones whose process is provably gone on this machine. Readers read both. Each line
carries the CRC-32 of its content.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from dynamark.errors import UserError
from dynamark.results import disk
from dynamark.results.convert import upgraded_row
from dynamark.results.process import PROCESS, is_gone, this_process
from dynamark.results.schema import SCHEMA_VERSION, Row, fitting

__all__ = ["Journal", "all_journals", "finished_journals", "read_journal"]

_OPEN, _CLOSED = ".open", ".jsonl"


class Journal:
    """Appends rows to a fresh file below `folder`."""

    def __init__(self, folder: Path, provenance: dict[str, Any]) -> None:
        # Sorts by time; nanoseconds keep two commands of one process apart.
        seconds, rest = divmod(time.time_ns(), 10**9)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        self._closed = folder / f"{stamp}.{rest:09}-{this_process()}{_CLOSED}"
        self.path = self._closed.with_name(self._closed.name.removesuffix(_CLOSED) + _OPEN)
        self._head = {"schema": SCHEMA_VERSION, "provenance": provenance}
        self._file: int | None = None

    def write(self, rows: Sequence[Row], provenance: dict[str, Any] | None = None) -> None:
        """Append rows in one write: a cohort is in the journal as a whole or not at all (but for a torn last line).

        A row that the schema does not take becomes one of status `error` that says so.
        provenance: of the process that made these rows, where it is not the writer's own.
        """
        own = {} if provenance in (None, self._head["provenance"]) else {"provenance": provenance}
        lines = [_line({**fitting(row), **own}) for row in rows]
        try:
            if self._file is None:
                self._file = disk.create(self.path)
                lines.insert(0, _line(self._head))
            disk.write(self._file, b"".join(lines))
        except OSError as error:
            raise UserError(
                f"cannot write to {self.path.parent}: {error.strerror}; choose another folder with --store"
            ) from None

    def close(self) -> None:
        """Give the file the name of a closed one. What fails here (a folder that is gone) is found by the next command."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            disk.sync(file)
            os.close(file)
            disk.rename(self.path, self._closed)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _line(entry: Any) -> bytes:
    text = json.dumps(entry).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def all_journals(folder: Path) -> list[Path]:
    """Every journal, oldest first, those that are being written among them."""
    return sorted([*disk.listing(folder, _CLOSED), *disk.listing(folder, _OPEN)])


def finished_journals(folder: Path) -> list[Path]:
    """The journals that nobody writes to any more, for certain: closed ones, and those of processes that are gone."""
    gone = [path for path in disk.listing(folder, _OPEN) if is_gone(_writer(path))]
    return sorted([*disk.listing(folder, _CLOSED), *gone])


def _writer(path: Path) -> str:
    return path.name.removesuffix(_OPEN).partition("-")[2] if PROCESS.search(path.name) else ""


def read_journal(path: Path) -> list[Row]:
    """The rows of a journal; none where it is gone. A torn last line, left by a crash, is dropped with a warning."""
    data = disk.read(path) or b""
    *lines, rest = data.split(b"\n")
    entries = [_entry(line, path, number) for number, line in enumerate(lines, 1)]
    if rest:
        try:
            entries.append(_entry(rest, path, len(lines) + 1))
        except UserError:
            # While a command writes, its last line may be half there.
            if path.suffix != _OPEN or is_gone(_writer(path)):
                warnings.warn(f"{path}: dropped an incomplete last line; its runs will be run again", stacklevel=2)
    if not entries:
        return []
    (head, checked), *rows = entries
    schema = head.get("schema", 0)
    if not isinstance(schema, int) or not isinstance(head.get("provenance"), dict | None):
        raise _foreign(path)
    if schema > SCHEMA_VERSION:
        raise UserError(f"{path} was written by a newer dynamark (schema {schema}); upgrade dynamark to read it")
    if "provenance" not in head or any("key" not in row for row, _ in rows):
        raise _foreign(path)
    if any(own != checked for _, own in rows):
        raise UserError(f"{path} is damaged: some lines have no checksum; restore or delete the file")
    return [{"provenance": head["provenance"], **_upgraded(row, schema, path)} for row, _ in rows]


def _upgraded(row: Row, schema: int, path: Path) -> Row:
    try:
        return upgraded_row(row, schema)
    except (KeyError, TypeError, ValueError):
        raise _foreign(path) from None


def _foreign(path: Path) -> UserError:
    return UserError(f"{path} is not a journal of dynamark; move it out of the results folder")


def _entry(line: bytes, path: Path, number: int) -> tuple[Row, bool]:
    """The content of a line, and whether it carries a checksum; those of schema 1 do not."""
    checked = not line.startswith(b"{")
    text = line[9:] if checked else line
    try:
        if checked and (line[8:9] != b" " or line[:8] != b"%08x" % zlib.crc32(text)):
            raise ValueError
        entry = json.loads(text)
        if not isinstance(entry, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise UserError(f"{path}, line {number} is not a valid journal entry; repair or delete that line") from None
    return entry, checked
