"""Keeping a salt from the code that it is held out from: out of the command line, and out of reach of other processes.

A salt reaches two processes: the command, and the scorer process, over its own socket. Both close their memory, environment and
open files to other processes of the same user.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["closed_process", "hide_argument"]

_GET_DUMPABLE, _SET_DUMPABLE = 3, 4
# Fields of /proc/self/stat, counted after the name: where the command line lies in memory.
_ARG_START, _ARG_END = 45, 46


def hide_argument(text: str) -> None:
    """Overwrite a word in the command line of this process, which every process of the machine can read. Linux only."""
    if not text or not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, IndexError, ValueError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
        line, word = ctypes.string_at(start, end - start), text.encode(errors="surrogateescape")
        place = line.find(word)
        while place >= 0:
            ctypes.memset(start + place, ord("x"), len(word))
            place = line.find(word, place + len(word))


@contextlib.contextmanager
def closed_process(closed: bool = True) -> Iterator[None]:
    """Let no other process of the same user read the memory, environment and open files of this one. Linux only."""
    if not (closed and sys.platform.startswith("linux")):
        yield
        return
    prctl = ctypes.CDLL(None).prctl
    before = prctl(_GET_DUMPABLE, 0, 0, 0, 0)
    prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_DUMPABLE, int(before == 1), 0, 0, 0)
