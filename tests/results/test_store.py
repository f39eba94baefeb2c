"""Journal, compaction and store: nothing is lost, nothing is doubled, bad files are named."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path

import datasets
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import PLACE, fill, row

from dynamark.errors import UserError
from dynamark.results.journal import Journal, read_journal
from dynamark.results.provenance import provenance
from dynamark.results.schema import SCHEMA, table
from dynamark.results.store import Store, load_results, read_rows

numbers = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=6))
def test_every_float_survives_journal_and_parquet_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    fill(store, *(row(str(i), value) for i, value in enumerate(values)))
    store.compact()
    back = {r["key"]: r for r in store.rows().to_pylist()}
    for i, value in enumerate(values):
        for restored in (back[str(i)]["scores"][0]["value"], back[str(i)]["curves"][0]["values"][0]):
            assert (
                math.isnan(restored)
                if math.isnan(value)
                else (restored == value and math.copysign(1, restored) == math.copysign(1, value))
            )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.booleans()), min_size=1, max_size=12))
def test_of_one_key_the_last_row_stays(
    tmp_path_factory: pytest.TempPathFactory, result: list[tuple[str, int, bool]]
) -> None:
    """Whatever the order of writing and compacting."""
    store = Store(tmp_path_factory.mktemp("store"))
    expected: dict[str, tuple[str, float]] = {}
    for place, (key, time, compact) in enumerate(result):
        finished = f"2026-01-0{time}"
        fill(store, row(key, float(place), finished))
        if compact:
            store.compact()
        if key not in expected or finished >= expected[key][0]:
            expected[key] = (finished, float(place))
    store.compact()
    actual = {r["key"]: (r["finished"], r["primary"]["value"]) for r in store.rows().to_pylist()}
    assert actual == expected


def test_compacting_twice_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, row("a"), row("b"))
    store.compact()
    before = (tmp_path / "s--m.parquet").read_bytes()
    store.compact()
    assert (tmp_path / "s--m.parquet").read_bytes() == before
    assert not list(store.journals.glob("*.jsonl"))


def test_datasets_and_pandas_read_a_store_as_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store, row("a"), row("b", method="other(rank=2)"))
    store.compact()
    read = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "store" / "*.parquet"), cache_dir=str(tmp_path / "hf")
    )
    assert sorted(read["train"]["key"]) == ["a", "b"]
    assert sorted(pandas.read_parquet(tmp_path / "store")["key"]) == ["a", "b"]
    frame = load_results(tmp_path / "store", published=False)
    assert frame["score.error"].tolist() == [1.0, 1.0]


def test_one_file_a_suite_and_method(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, row("a", suite="s/1"), row("b", suite="s 1"), row("c", method="x(y=1)"), row("d", method="x(y=2)"))
    store.compact()
    assert len(store.files()) == 4


def test_a_run_shared_by_two_suites_counts_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, row("a", 1.0, "2026-01-01", "one"), row("a", 2.0, "2026-01-02", "two"))
    store.compact()
    assert [r["primary"]["value"] for r in store.rows().to_pylist()] == [2.0]
    assert store.status() == {"a": "ok"}
    assert len(read_rows([tmp_path, tmp_path])) == 1


def test_a_torn_last_line_is_dropped_with_a_warning(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, row("a"), row("b"))
    path = next(store.journals.glob("*.jsonl"))
    path.write_text(path.read_text()[:-40])
    with pytest.warns(UserWarning, match="dropped an incomplete last line"):
        store.compact()
    assert store.status() == {"a": "ok"}


def test_a_journal_torn_before_its_first_row_is_empty(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_text('{"schema": 1, "prov')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read_journal(tmp_path / "j.jsonl") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}\nnonsense\n{}\n", "line 2 is not a valid journal entry; repair or delete that line"),
        ('{"schema": 99, "provenance": {}}\n', "written by a newer dynamark (schema 99); upgrade"),
        ('{"some": "thing"}\n', "not a journal of dynamark; move it out"),
    ],
)
def test_a_bad_journal_is_named_and_kept(tmp_path: Path, text: str, message: str) -> None:
    store = Store(tmp_path)
    fill(store, row("a"))
    bad = store.journals / "zz.jsonl"
    bad.write_text(text)
    with pytest.raises(UserError) as error:
        store.compact()
    assert message in str(error.value)
    assert bad.exists()
    bad.unlink()
    store.compact()
    assert store.status() == {"a": "ok"}


def test_a_journal_in_use_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with Journal(store.journals, PLACE) as journal:
        journal.write([row("a")])
        code = f"from dynamark.results.store import Store; Store({str(tmp_path)!r}).compact()"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert journal.path.exists()
    store.compact()
    assert store.status() == {"a": "ok"}


def damage(path: Path, how: str) -> None:
    if how == "foreign":
        pq.write_table(pa.table({"x": [1]}), path)
    elif how == "newer":
        pq.write_table(table([row("z")]).replace_schema_metadata({"dynamark_schema": "99"}), path)
    elif how == "columns":
        pq.write_table(pa.table({"key": ["a"]}).replace_schema_metadata({"dynamark_schema": "1"}), path)
    else:
        path.write_bytes(b"PAR1 not really PAR1")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("foreign", "has no dynamark schema version, so it contains no results"),
        ("newer", "newer dynamark (schema 99); upgrade"),
        ("columns", "is damaged"),
        ("garbage", "not a readable Parquet file"),
    ],
)
def test_a_bad_parquet_file_is_named_and_kept(tmp_path: Path, how: str, message: str) -> None:
    store = Store(tmp_path)
    damage(tmp_path / "bad.parquet", how)
    with pytest.raises(UserError, match=r"bad\.parquet") as error:
        store.rows()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / "bad.parquet").exists()


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file; give a folder"):
        Store(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_store_is_refused_before_any_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="choose another folder with --store"):
            fill(Store(tmp_path), row("a"))
    finally:
        tmp_path.chmod(0o700)


def test_a_store_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another folder with --store"):
        fill(Store(tmp_path / "file" / "store"), row("a"))


def test_an_empty_store_has_the_schema(tmp_path: Path) -> None:
    assert Store(tmp_path / "none").rows().schema.equals(SCHEMA)
    assert Store(tmp_path / "none").status() == {}


def test_provenance_fills_its_struct() -> None:
    provenance_row = provenance()
    assert set(provenance_row) == {field.name for field in SCHEMA.field("provenance").type}
    assert json.loads(json.dumps(provenance_row)) == provenance_row
    assert all(value is not None for name, value in provenance_row.items() if name not in ("commit", "dirty", "numba"))


def test_a_column_that_came_later_is_empty_in_older_files_and_journals(tmp_path: Path) -> None:
    """`carried_from` is younger than schema 2: its absence is no damage, whatever columns are asked for."""
    store = Store(tmp_path)
    pq.write_table(table([row("a")]).drop_columns(["carried_from"]), tmp_path / "s--m.parquet")
    fill(store, row("b"))
    for columns in (None, ["key", "carried_from"]):
        rows = store.rows(columns).sort_by("key")
        assert rows["key"].to_pylist() == ["a", "b"]
        assert rows["carried_from"].to_pylist() == [None, None]
    step = {"method_source": "x", "task_source": "y", "commit": "z", "tiny": 1, "rows": 2, "date": "2026-01-01"}
    fill(store, {**row("c"), "carried_from": [step]})
    store.compact()
    assert store.rows().sort_by("key")["carried_from"].to_pylist() == [None, None, [step]]
