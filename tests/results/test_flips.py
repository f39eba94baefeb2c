"""One flipped bit in a Parquet file or a journal is told or harmless, never silent and never a traceback."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from stored import PLACE, fill, row

from dynamark.errors import UserError
from dynamark.results.journal import Journal, read_journal
from dynamark.results.schema import Row
from dynamark.results.store import Store, read_file

FLIPS = int(os.environ.get("DYNAMARK_FLIPS", "300"))


def rows() -> list[Row]:
    return [row(f"{k:064x}", 0.1 * k + 1 / 3, method=f"m{k % 2}") for k in range(30)]


def silent(path: Path, read: Callable[[Path], object]) -> list[int]:
    """The places at which a flipped bit changes what is read without a word."""
    whole, expected, changed = path.read_bytes(), repr(read(path)), []
    places = random.Random(0)
    for _ in range(FLIPS):
        bit = places.randrange(8 * len(whole))
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                if repr(read(path)) != expected:
                    changed.append(bit)
        except (UserError, UserWarning):
            pass
    path.write_bytes(whole)
    return changed


@pytest.mark.parametrize("columns", [None, ["key", "status", "finished"]])
def test_no_flip_in_a_parquet_file_is_silent(tmp_path: Path, columns: list[str] | None) -> None:
    store = Store(tmp_path)
    fill(store, *rows())
    store.compact()
    assert silent(store.files()[0], lambda path: read_file(path, columns).to_pylist()) == []


def test_no_flip_in_a_journal_is_silent(tmp_path: Path) -> None:
    with Journal(tmp_path, PLACE) as log:
        log.write(rows())
    assert silent(next(tmp_path.glob("*.jsonl")), read_journal) == []


def test_what_does_not_fit_the_schema_is_a_row_that_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bad: list[Row] = [
        {**row("a"), "steps": 2**63},
        {**row("b"), "parameters": 2**70},
        {**row("c"), "scores": [{"name": "lone \udcff", "value": 1.0}]},
        {**row("d"), "curves": [{"name": "c", "axis": ["x"], "values": [1.0]}]},
        {**row("e"), "reason": "\ud800"},
        {**row("f"), "no_column": 1},
        {**row("g"), "fit_seconds": "soon"},
    ]
    fill(store, row("whole"), *bad)
    store.compact()
    ended = {r["key"]: (r["status"], r["reason"]) for r in store.rows().to_pylist()}
    assert ended.pop("whole")[0] == "ok"
    assert set(ended) == set("abcdefg")
    for key, (status, reason) in ended.items():
        assert status == "error", key
        assert "a value cannot be stored" in reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_left_journal_of_a_read_only_store_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, row("a"))
    store.journals.chmod(0o500)
    tmp_path.chmod(0o500)
    try:
        store.compact()
        assert store.status() == {"a": "ok"}
    finally:
        tmp_path.chmod(0o700)
        store.journals.chmod(0o700)


def test_a_left_journal_is_read_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from dynamark.results import disk

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    store = Store(tmp_path)
    fill(store, row("a"))
    for name in ("publish", "create", "rename", "unlink"):
        monkeypatch.setattr(disk, name, refuse)
    store.compact()
    assert store.status() == {"a": "ok"}
