"""Who may compact a store, settled without locks of the system: `flock` does not bind on every network file system.

Leases are files with ascending numbers. To take a lease is to make the file of the next number, which only one process can
(a hard link to a new name is atomic everywhere). The file says who holds it; the holder replaces it by an empty one when it is
done. The next lease may be taken when the last one is empty, or its holder is provably gone. Numbers never come again, so a
process that was asleep for a year cannot remove or take what another holds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dynamark.results import disk
from dynamark.results.process import is_gone, this_process

__all__ = ["lease"]

_ENDING = ".lease"
_KEPT = 16  # old leases that stay, for network file systems whose listings lag behind
_WAIT = 0.05


@contextmanager
def lease(folder: Path, patience: float) -> Iterator[bool]:
    """Hold the lease of a folder; False when another process still holds it after so many seconds."""
    deadline = time.monotonic() + patience
    while (number := _take(folder)) is None:
        if time.monotonic() > deadline:
            yield False
            return
        time.sleep(_WAIT)
    try:
        yield True
    finally:
        free = _own(folder)
        free.write_bytes(b"")
        disk.rename(free, _file(folder, number))


def _take(folder: Path) -> int | None:
    """The number of a lease that is now held, or None."""
    leases = disk.listing(folder, _ENDING)
    last = _number(leases[-1]) if leases else 0
    if leases and (holder := disk.read(leases[-1])) and not is_gone(holder.decode(errors="replace")):
        return None
    if not disk.publish(_file(folder, last + 1), this_process().encode(), _own(folder)):
        return None
    if max(map(_number, disk.listing(folder, _ENDING))) > last + 1:  # it was long ago that the last one was looked at
        disk.unlink(_file(folder, last + 1))
        return None
    for old in leases[:-_KEPT]:
        disk.unlink(old)
    return last + 1


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:012}{_ENDING}"


def _number(path: Path) -> int:
    digits = path.name.removesuffix(_ENDING)
    return int(digits) if digits.isdigit() else 0


def _own(folder: Path) -> Path:
    return folder / f"{this_process()}-{time.monotonic_ns()}-{os.urandom(4).hex()}.mine"
