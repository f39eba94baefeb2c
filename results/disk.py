"""The few operations on files of which the store is made, each a single step that another process may come before or after.

Every operation is atomic on local and on network file systems; none is a lock. Tests put other processes between any two.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["create", "listing", "publish", "read", "rename", "sync", "unlink", "write"]


def create(path: Path) -> int:
    """Make a file that must not exist yet, open to append."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o666)


def write(fd: int, data: bytes) -> None:
    """Append bytes, all of them."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync(fd: int) -> None:
    """Wait until what was written is on the disk; a file system that cannot tell is believed."""
    with contextlib.suppress(OSError):
        os.fsync(fd)


def rename(old: Path, new: Path) -> None:
    """Give a file its final name, in place of any file of that name; durable once it returns."""
    old.rename(new)
    _sync_folder(new.parent)


def publish(path: Path, data: bytes, beside: Path) -> bool:
    """Make a file with this content, unless there is one of that name; whether it was made.

    beside: a name of one's own for the time before.
    """
    beside.write_bytes(data)
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    return True


def read(path: Path) -> bytes | None:
    """The content of a file; None where it is gone."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def unlink(path: Path) -> None:
    """Remove a file that may be gone already."""
    path.unlink(missing_ok=True)


def listing(folder: Path, ending: str) -> list[Path]:
    """The files of a folder whose names end so, by name; none where there is no such folder."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(ending))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
