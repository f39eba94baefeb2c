"""Results of other versions of the libraries are named and re-run; every reader sees the newest result of a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stored import fill
from support import LINE, write_suite
from synthetic import PLACE, arrow, row, store

from dynamark.cli import main
from dynamark.leaderboards.assemble import leaderboard
from dynamark.leaderboards.gate.sources import rows_of
from dynamark.results.environment import made_elsewhere
from dynamark.results.store import Store, load_results, read_rows
from dynamark.results.verify import find
from dynamark.runners.run import run

HERE = {"torch": "2.13.0", "numpy": "2.4.6", "scipy": "1.17.1", "numba": None}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ()),
        ({"numpy": "2.0.2"}, ("numpy: 2.0.2 -> 2.4.6",)),
        ({"numba": "0.68.1"}, ("numba: 0.68.1 -> none",)),
        ({"torch": None, "scipy": "1.15.0"}, ("torch: none -> 2.13.0", "scipy: 1.15.0 -> 1.17.1")),
        ({"processor": "another"}, ()),
    ],
)
def test_the_libraries_that_differ_are_named(change: dict[str, Any], expected: tuple[str, ...]) -> None:
    ours, other = row(seed=0, provenance={**PLACE, **HERE}), row(seed=1, provenance={**PLACE, **HERE, **change})
    outcome = made_elsewhere(arrow([ours, other]), [ours["key"], other["key"]], HERE)
    assert outcome.changes == expected
    assert outcome.keys == ({other["key"]} if expected else set())
    assert made_elsewhere(arrow([ours, other]), [ours["key"]], HERE).keys == set()


def aged(folder: Path, seeds: set[int]) -> None:
    """Let the runs with these seeds be made by an old NumPy, long ago, with a score that no run has."""
    rows = Store(folder).rows().to_pylist()
    for old in (r for r in rows if r["seed"] in seeds):
        old["provenance"]["numpy"], old["finished"], old["primary"]["value"] = "1.0", "2020-01-01", 1e9
    for file in Store(folder).files():
        file.unlink()
    Store(folder).put(rows)


def test_refresh_re_runs_what_another_environment_made(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = write_suite(here / "s.toml", [LINE], seeds=3)
    first = run(suite, store="store", engine="inline")
    assert (first.warning, first.skipped) == ("", 0)
    aged(first.store, {0, 2})
    words = ["run", suite, "--store", "store", "--engine", "inline", "--quiet"]
    assert main(words) == 0
    warning, summary = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: 2 cached runs come from another environment (numpy: 1.0 -> ")
    assert warning.endswith("re-run them with --refresh environment")
    assert summary == "nothing to do; 3 cached; results in store"
    assert main([*words, "--refresh", "environment"]) == 0
    assert capsys.readouterr().err.strip() == "2 succeeded; 1 cached; results in store"
    assert max(r["value"] for r in read_rows(["store"])["primary"].to_pylist()) < 1e9
    assert run(suite, store="store", engine="inline", refresh="environment").summary.startswith(
        "nothing to do; 3 cached"
    )


@pytest.mark.parametrize("newest", ["first file", "last file", "journal", "second store"])
def test_every_reader_sees_the_newest_result_of_a_key(newest: str, here: Path) -> None:
    places = ["first file", "last file", "journal", "second store"]
    rows = {
        place: row(value=2.0 if place == newest else 1.0, finished="2026-02-01" if place == newest else "2026-01-01")
        for place in places
    }
    assert len({r["key"] for r in rows.values()}) == 1
    first = store(here / "first", [rows["first file"]], "a--m")
    store(first, [rows["last file"]], "b--m")
    second = store(here / "second", [rows["second store"]])
    fill(Store(first), rows["journal"])
    key = rows["journal"]["key"]
    stores = [second, first]
    assert find(read_rows(stores), key)["primary"]["value"] == 2.0
    assert [p["value"] for p in load_results(*stores, published=False)["primary"]] == [2.0]
    if newest == "second store":  # a second of statistics: once is enough
        board = json.loads(leaderboard(*stores, published=False).to_text("json"))
        assert board[0]["standings"][0]["scores"] == {"chaos/a": 2.0}
    else:
        assert list(rows_of(first)["score"]) == [2.0]
        assert list(Store(first).rows()["primary"].to_pylist()[0].values())[1] == 2.0


def test_a_result_without_a_time_counts_as_the_oldest(tmp_path: Path) -> None:
    folder = store(tmp_path / "s", [row(value=2.0), {**row(value=1.0), "finished": None}])
    assert [p["value"] for p in Store(folder).rows()["primary"].to_pylist()] == [2.0]
