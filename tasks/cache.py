"""The disk cache of expensive data, and the conversion of data to an Arrow table.

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

# File in the folder of an entry with the digest of its content, verified on every read.
_DIGEST = "sha256"


def content_digest(arrays: Arrays) -> str:
    """SHA-256 of the names, shapes and bytes of all arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], dtype="<f8")
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def cached(entry: str, generate: Callable[[], Arrays]) -> Arrays:
    """The data of a cache entry; if missing or corrupt, it is generated and stored."""
    folder = cache_folder() / "data" / entry
    if folder.is_dir():
        try:
            return _read(folder)
        except Exception:  # a corrupt entry is regenerated, never an error
            shutil.rmtree(folder, ignore_errors=True)
    arrays = generate()
    with contextlib.suppress(OSError):  # with a full or read-only disk, the data is not cached
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
        raise ValueError("the digest of the content does not match")
    return arrays


def _write(folder: Path, arrays: Arrays) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written to a temporary folder and renamed, so that other processes never read a partial entry.
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        arrow_table(arrays).save_to_disk(str(Path(temporary) / "entry"))
        (Path(temporary) / "entry" / _DIGEST).write_text(content_digest(arrays))
        try:
            (Path(temporary) / "entry").rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def arrow_table(arrays: Arrays) -> Any:
    """The arrays as a `datasets.Dataset` with one row per array: name, shape and values (float64, row-major)."""
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
