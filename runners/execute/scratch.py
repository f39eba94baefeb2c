"""The scratch folder of the local executor: where problems and answers pass between processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from dynamark.errors import UserError
from dynamark.results.process import PROCESS, is_gone, this_process

__all__ = ["has_room", "make_scratch"]

_PREFIX = "dynamark-"
_ROOMY = 4 << 30  # bytes free in shared memory, from which arrays go there and not to disk
_LEAST = 64 << 20  # bytes free below which no cohort starts


def make_scratch() -> Path:
    """A fresh folder in shared memory where that is roomy, else where temporary files go; those of dead processes go."""
    for parent, wanted in (
        (Path("/dev/shm"), _ROOMY),
        (Path(tempfile.gettempdir()), _LEAST),
        (Path("/dev/shm"), _LEAST),
    ):
        if _free(parent) < wanted:
            continue
        with contextlib.suppress(OSError):
            _sweep(parent)
            return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{this_process()}-", dir=parent))
    raise UserError(
        f"no room for scratch files: {tempfile.gettempdir()} and /dev/shm have less than {_LEAST >> 20} MiB free; "
        "free some, or set TMPDIR to a folder with room"
    )


def has_room(folder: Path) -> bool:
    """Whether a cohort may start: the file system of the folder is not about to be full."""
    return _free(folder) >= _LEAST


def _free(folder: Path) -> int:
    """Bytes free in a folder that can be written to; 0 where it cannot."""
    try:
        return shutil.disk_usage(folder).free if os.access(folder, os.W_OK) else 0
    except OSError:
        return 0


def _sweep(parent: Path) -> None:
    """Remove the scratch folders of commands and base processes that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        process = folder.name.removeprefix(_PREFIX).rpartition("-")[0]
        if PROCESS.fullmatch(process) and is_gone(process):
            shutil.rmtree(folder, ignore_errors=True)
