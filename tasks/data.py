"""Data sets on disk: the cache of expensive instances, their digests, and their export.

An instance's data is a set of named float64 arrays. On disk each array is one row of an Arrow data set (name, shape,
values), written and read with `datasets`. The cache is keyed by the digest of the task and the seed, so a changed
parameter or version makes a new entry.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dynamark.errors import UserError
from dynamark.folders import cache_folder
from dynamark.tasks.base import Task

__all__ = ["cached", "content_digest", "digest_record", "export", "verify_record"]

_SAMPLES = 64


def cached(task: Task, seed: int) -> Mapping[str, np.ndarray]:
    """The data of an instance from the cache, generated and stored when it is not there yet."""
    folder = cache_folder() / "data" / f"{task.digest[:32]}-{seed}"
    if folder.is_dir():
        try:
            return _read(folder)
        except Exception:  # a torn or foreign entry is made again, never an error
            shutil.rmtree(folder, ignore_errors=True)
    arrays = task.generate(seed)
    with contextlib.suppress(OSError):  # a full or read-only disk costs time, not results
        _write(folder, arrays)
    return arrays


def _read(folder: Path) -> dict[str, np.ndarray]:
    import datasets

    # As Arrow: the NumPy format of `datasets` would round to single precision.
    table = datasets.load_from_disk(str(folder)).with_format("arrow")[:]
    names, shapes, values = (table.column(name) for name in ("name", "shape", "values"))
    return {
        str(name): flat.values.to_numpy().reshape(shape)
        for name, shape, flat in zip(names.to_pylist(), shapes.to_pylist(), values, strict=True)
    }


def _write(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed: another process that makes the same entry never sees half of it.
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        _table(arrays).save_to_disk(str(Path(beside) / "entry"))
        try:
            (Path(beside) / "entry").rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def _table(arrays: Mapping[str, np.ndarray]) -> Any:
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


def content_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """sha256 over the names, shapes and bytes of all arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], dtype="<f8")
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def digest_record(task: Task, seed: int) -> dict[str, Any]:
    """What the repository keeps of an instance: the digest of its content and 64 values at evenly spaced places."""
    arrays = task.generate(seed)
    flat = np.concatenate([np.ravel(arrays[name]) for name in sorted(arrays)])
    places = np.linspace(0, len(flat) - 1, _SAMPLES).astype(int)
    return {"sha256": content_digest(arrays), "samples": flat[places].tolist()}


def verify_record(task: Task, seed: int, record: Mapping[str, Any]) -> str | None:
    """Regenerate an instance and compare; None if it agrees in every bit, else how far the samples differ.

    Generators use `numerics.exact`, so that bits agree on every machine.
    """
    fresh = digest_record(task, seed)
    if fresh["sha256"] == record["sha256"]:
        return None
    old, new = np.asarray(record["samples"]), np.asarray(fresh["samples"])
    if old.shape != new.shape:
        return "the number of samples differs"
    worst = float(np.max(np.abs(old - new) / (1 + np.abs(old))))
    return f"the bits differ; its {_SAMPLES} samples by at most {worst:.1e}"


def export(task: Task, seed: int, folder: Path) -> None:
    """Write an instance as Parquet with a data-set card, so that `datasets.load_dataset(folder)` reads it anywhere."""
    arrays = task.data(seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _table(arrays).to_parquet(str(folder / "data.parquet"))
        (folder / "README.md").write_text(_card(task, seed, arrays))
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}; choose another folder") from None


def _card(task: Task, seed: int, arrays: Mapping[str, np.ndarray]) -> str:
    about = (type(task).__doc__ or "").strip()
    rows = "\n".join(f"| `{name}` | {' x '.join(map(str, a.shape))} |" for name, a in arrays.items())
    return f"""---
configs:
- config_name: default
  data_files: data.parquet
---
# {task.name}, tier {task.tier}, seed {seed}

{about}

Generated by dynamark; version {task.version}, parameters `{json.dumps(task.fields())}`, content
`{content_digest(arrays)}`.

One row an array: its name, its shape and its values (float64, row-major).

| array | shape |
|---|---|
{rows}
"""
