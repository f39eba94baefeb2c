"""Where the two sides of a comparison come from: a store, a Parquet file, or a git revision of the published rows."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dynamark.errors import UserError
from dynamark.leaderboards.rows import COLUMNS, prepare
from dynamark.results.store import Store, read_file

if TYPE_CHECKING:
    import pandas

__all__ = ["ENVIRONMENT", "rows_of"]

_COLUMNS = [*COLUMNS, "cohort_size", "provenance"]
_PUBLISHED = "results/published"
# What of the machine can change scores, and the device.
ENVIRONMENT = ("processor", "torch", "numpy", "scipy", "blas")


def rows_of(where: Path | str) -> pandas.DataFrame:
    """The rows of one side, prepared, with the machine, libraries and device that each ran on as columns."""
    path = Path(where)
    if path.is_dir():
        store = Store(path)
        store.compact()
        rows = store.rows(_COLUMNS)
    elif path.is_file():
        rows = read_file(path, _COLUMNS)
    else:
        rows = _at_revision(str(where))
    if not len(rows):
        raise UserError(f"{where} holds no rows; fill it with `dynamark run SUITE --store {where}`")
    provenance = rows["provenance"].combine_chunks()
    for name in (*ENVIRONMENT, "device"):
        rows = rows.append_column(name, pc.struct_field(provenance, name).fill_null("unknown"))
    return prepare(rows.drop_columns(["provenance"]))


def _at_revision(text: str) -> pa.Table:
    """The rows of this checkout at a git revision: `REVISION`, of the published ones, or `REVISION:FOLDER`."""
    wanted = "give a results folder, a Parquet file, or a git revision, as REVISION (of results/published) or REVISION:FOLDER"
    revision, _, folder = text.partition(":")
    folder = folder.strip("/") or _PUBLISHED
    try:
        top = _git(Path.cwd(), "rev-parse", "--show-toplevel").decode().strip()
        # --end-of-options: a name that begins with a dash is a revision too, and never an option of git.
        commit = _git(Path(top), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except (OSError, subprocess.CalledProcessError):
        raise UserError(f"{text} is neither a file, nor a folder, nor a git revision here; {wanted}") from None
    listed = _git(Path(top), "ls-tree", "--name-only", "-z", commit.decode().strip(), "--", f"{folder}/")
    names = [name for name in listed.decode().split("\0") if name.endswith(".parquet")]
    if not names:
        raise UserError(f"revision {revision} has no rows in {folder}; {wanted}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            content = _git(Path(top), "show", f"{commit.decode().strip()}:{name}")
            (Path(scratch) / Path(name).name).write_bytes(content)
        return Store(scratch).rows(_COLUMNS)


def _git(folder: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=60, check=True).stdout
