"""The contents of recordings, in a folder of the cache, by their digest: tasks hold a digest and never a path."""

from __future__ import annotations

import functools
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.folders import cache_folder
from dynamark.tasks.cache import content_digest

__all__ = ["is_stored", "load", "store"]


def store(arrays: Mapping[str, ndarray]) -> str:
    """Store the content of a recording, and return its digest."""
    digest = content_digest(arrays)
    path = _path(digest)
    if _read(digest) is not None:
        return digest
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: np.asarray(array, "<f8") for name, array in arrays.items()})  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when it is whole, so that other processes never read a part.
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as beside:
            beside.write(buffer.getvalue())
        Path(beside.name).replace(path)
    except OSError as error:
        raise UserError(
            f"cannot keep the recording in {path.parent}: {error.strerror or error}; set DYNAMARK_CACHE to a folder with space"
        ) from None
    return digest


def is_stored(digest: str) -> bool:
    """Whether the content with this digest is in the cache."""
    return _read(digest) is not None


@functools.lru_cache(maxsize=8)
def load(digest: str, source: str) -> dict[str, ndarray]:
    """The content with a digest. source: name of the recording, for the message if the cache has no such content."""
    content = _read(digest)
    if content is None:
        raise UserError(
            f"the recording '{source}' ({digest[:12]}) is not in the cache; give its file again: --data FILE"
        )
    return content


def _read(digest: str) -> dict[str, ndarray] | None:
    """The content with a digest; None if it is not in the cache, or damaged."""
    try:
        with np.load(_path(digest), allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except Exception:  # a damaged archive fails in many ways
        return None
    return content if content_digest(content) == digest else None


def _path(digest: str) -> Path:
    return cache_folder() / "recordings" / f"{digest}.npz"
