"""The journal: finished runs, one line each, appended while a command works.

One file a command, written by its parent process alone and flushed after each cohort, so that whatever kills the command
costs at most the runs in flight. The writer holds a lock on its file: a compaction by another command leaves it alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from dynamark.errors import UserError
from dynamark.results.convert import upgraded_row
from dynamark.results.schema import SCHEMA_VERSION, Row

__all__ = ["Journal", "finished_journals", "read_journal"]


class Journal:
    """Appends rows to a fresh file below `folder`."""

    def __init__(self, folder: Path, provenance: dict[str, Any]) -> None:
        # Sorts by time; nanoseconds keep two commands of one process apart.
        seconds, rest = divmod(time.time_ns(), 10**9)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        self.path = folder / f"{stamp}.{rest:09}-{os.getpid()}.jsonl"
        self._head = {"schema": SCHEMA_VERSION, "provenance": provenance}
        self._file: IO[str] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows in one write: a cohort is in the journal as a whole or not at all (but for a torn last line)."""
        if self._file is None:
            self._file = self._open()
        self._file.write("".join(json.dumps(row) + "\n" for row in rows))
        self._file.flush()

    def _open(self) -> IO[str]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"cannot write to {self.path.parent}: {error.strerror}; name another folder with --store"
            ) from None
        file.write(json.dumps(self._head) + "\n")
        return file

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def finished_journals(folder: Path) -> list[Path]:
    """The journals that no running command writes to, oldest first."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                continue
            found.append(path)
    return found


def read_journal(path: Path) -> list[Row]:
    """The rows of a journal. A torn last line, left by a crash, is dropped with a warning."""
    lines = path.read_text().splitlines(keepends=True)
    parsed = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError
        except ValueError:
            if number == len(lines) and not line.endswith("\n"):
                warnings.warn(f"{path}: dropped a torn last line; its run will be done again", stacklevel=2)
                continue
            raise UserError(f"{path}, line {number} is not a journal entry; repair or delete that line") from None
        parsed.append(entry)
    if not parsed:
        return []
    head, *rows = parsed
    if head.get("schema", 0) > SCHEMA_VERSION:
        raise UserError(
            f"{path} was written by a newer dynamark (schema {head['schema']}); upgrade dynamark to read it"
        )
    if "provenance" not in head or any("key" not in row for row in rows):
        raise UserError(f"{path} is not a journal of dynamark; move it out of the store")
    schema = int(head.get("schema", 0))
    return [{**upgraded_row(row, schema), "provenance": head["provenance"]} for row in rows]
