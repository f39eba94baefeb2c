"""The cache of expensive data on disk, and data as an Arrow table.

An instance's data is a set of named float64 arrays. On disk each array is one row of an Arrow data set (name, shape,
values), written and read with `datasets`. The cache is keyed by the digest of the task and the seed, so a changed
parameter or version makes a new entry.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dynamark.folders import cache_folder

__all__ = ["arrow_table", "cached", "content_digest"]

Arrays = Mapping[str, np.ndarray]

# Beside the data of an entry: the digest of its content, compared whenever it is read.
_DIGEST = "sha256"


def content_digest(arrays: Arrays) -> str:
    """sha256 over the names, shapes and bytes of all arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], dtype="<f8")
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def cached(entry: str, generate: Callable[[], Arrays]) -> Arrays:
    """The data of an entry from the cache, generated and stored when it is not there yet."""
    folder = cache_folder() / "data" / entry
    if folder.is_dir():
        try:
            return _read(folder)
        except Exception:  # a torn or foreign entry is made again, never an error
            shutil.rmtree(folder, ignore_errors=True)
    arrays = generate()
    with contextlib.suppress(OSError):  # a full or read-only disk costs time, not results
        _write(folder, arrays)
    return arrays


def _read(folder: Path) -> dict[str, np.ndarray]:
    import datasets

    # As Arrow: the NumPy format of `datasets` would round to single precision.
    table = datasets.load_from_disk(str(folder)).with_format("arrow")[:]
    names, shapes, values = (table.column(name) for name in ("name", "shape", "values"))
    arrays = {
        str(name): flat.values.to_numpy().reshape(shape)
        for name, shape, flat in zip(names.to_pylist(), shapes.to_pylist(), values, strict=True)
    }
    if (folder / _DIGEST).read_text() != content_digest(arrays):
        raise ValueError("the content is not what was written")
    return arrays


def _write(folder: Path, arrays: Arrays) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed: another process that makes the same entry never sees half of it.
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        arrow_table(arrays).save_to_disk(str(Path(beside) / "entry"))
        (Path(beside) / "entry" / _DIGEST).write_text(content_digest(arrays))
        try:
            (Path(beside) / "entry").rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def arrow_table(arrays: Arrays) -> Any:
    """The arrays as a `datasets.Dataset`, a row an array."""
    import datasets

    datasets.disable_progress_bars()
    columns = {
        "name": list(arrays),
        "shape": [list(a.shape) for a in arrays.values()],
        "values": [np.asarray(a, dtype=np.float64).ravel() for a in arrays.values()],
    }
    features = datasets.Features(
        {
            "name": datasets.Value("string"),
            "shape": datasets.List(datasets.Value("int64")),
            "values": datasets.List(datasets.Value("float64")),
        }
    )
    return datasets.Dataset.from_dict(columns, features=features)
