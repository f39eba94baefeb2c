"""Which rows a leaderboard is made of."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas
import pytest
from synthetic import arrow, row, rows_of, store

from dynamark.leaderboards import rows as rows_module
from dynamark.leaderboards.rows import gathered, prepare


def test_rows_stand_in_one_order_whatever_theirs_was() -> None:
    rows = rows_of({m: {"chaos/a": [1.0, 2.0], "lds/b": [3.0, None]} for m in "zab"})
    frame = prepare(arrow(rows))
    random.Random(0).shuffle(rows)
    pandas.testing.assert_frame_equal(frame, prepare(arrow(rows)))
    assert frame["method"].tolist() == ["a", "a", "b", "b", "z", "z"] * 2


@pytest.mark.parametrize("changed", [{"method_source": "new"}, {"method_fields": '{"rate":2}'}])
def test_rows_of_a_changed_method_are_not_mixed_with_older_ones(changed: dict[str, str]) -> None:
    """Its tasks and seeds that only the older one ran are holes."""
    rows = [
        row(value=1.0, finished="2026-01-01"),
        row(value=5.0, seed=1, finished="2026-01-01"),
        row(task="chaos/b", value=7.0, finished="2026-01-01"),
        row(value=2.0, finished="2026-02-01", **changed),
        row(task="lds/a", value=9.0, finished="2026-01-01"),
        row("other", value=3.0, finished="2026-01-01"),
    ]
    for order in (rows, rows[::-1]):
        frame = prepare(arrow(order))
        assert frame[["task", "method", "score"]].to_numpy().tolist() == [
            ["chaos/a", "m", 2.0],
            ["chaos/a", "other", 3.0],
            ["lds/a", "m", 9.0],
        ]
        assert frame.attrs["replaced"] == 3


def test_a_run_that_a_claim_asked_for_replaces_none_of_a_suite() -> None:
    """It may have had another budget."""
    rows = [
        row(value=1.0, budget=10, suite="claims-chaos", finished="2027", key="a" * 64),
        row(value=2.0, budget=5, suite="quick", finished="2026"),
        row(value=3.0, seed=1, suite="claims-chaos"),
    ]
    for order in (rows, rows[::-1]):
        assert prepare(arrow(order))["score"].tolist() == [2.0, 3.0]


def test_runs_of_an_older_version_of_a_task_are_left_out() -> None:
    """Even those of methods that have not run on the new one: their scores mean something else."""
    rows = [
        row("a", value=1.0, task_version=2),
        row("b", value=2.0, task_version=1, finished="2027"),
        row("b", "chaos/b"),
    ]
    frame = prepare(arrow(rows))
    assert list(zip(frame["method"], frame["task"], strict=True)) == [("a", "chaos/a"), ("b", "chaos/b")]
    assert frame.attrs["replaced"] == 1


def test_other_parameters_under_one_name_are_not_mixed() -> None:
    rows = [row("a", task_fields='{"n":1}', finished="2026-01"), row("b", task_fields='{"n":2}', finished="2026-02")]
    frame = prepare(arrow([*rows, row("c", "chaos/b"), row("d", "chaos/b")]))
    assert frame["method"].tolist() == ["b", "c", "d"]


def test_tiers_and_salts_are_different_instances() -> None:
    rows = [row(), row(tier="standard"), row(salt="x"), row(task_version=2, salt="x", tier="standard")]
    assert len(prepare(arrow(rows))) == 4


def test_experiments_skipped_runs_and_variants_of_claims_are_not_compared() -> None:
    rows = [
        row("a"),
        row("", "chaos/x", tier="", kind="experiment"),
        row("b", status="skipped"),
        row("gd(rank=2)", suite="claims-chaos"),
        row("c", suite="claims-chaos"),
        row("gd(rank=3)", suite="mine"),
    ]
    assert prepare(arrow(rows))["method"].tolist() == ["a", "c", "gd(rank=3)"]


def test_a_failed_run_has_skill_0_only_where_its_task_has_a_scale() -> None:
    rows = [
        *rows_of({"a": {"chaos/a": [1.0]}, "b": {"chaos/a": [None]}}),
        *rows_of({"a": {"chaos/ranks": [1.0]}, "b": {"chaos/ranks": [None]}}, oracle=None),
        *rows_of({"a": {"chaos/all-failed": [None]}}),
    ]
    frame = prepare(arrow(rows)).set_index(["task", "method"])["skill"]
    assert frame["chaos/a", "b"] == 0
    assert np.isnan(frame["chaos/ranks", "a"])
    assert np.isnan(frame["chaos/ranks", "b"])
    assert frame["chaos/all-failed", "a"] == 0


def test_no_rows_are_no_rows() -> None:
    assert len(prepare(arrow([]))) == 0


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = store(tmp_path / "published", rows_of({"a": {"chaos/a": [1.0, 2.0]}, "b": {"chaos/a": [3.0, 4.0]}}))
    monkeypatch.setattr(rows_module, "published_store", lambda: folder)
    return folder


def test_own_rows_are_those_that_are_not_published(tmp_path: Path, shipped: Path) -> None:
    mine = store(tmp_path / "mine", [*rows_of({"c": {"chaos/a": [5.0]}}), row("a", value=1.0)])
    frame = prepare(gathered([mine])).set_index(["method", "seed"])["own"]
    assert frame["c", 0]
    assert not frame[["a", "b"]].any()  # a copy of a published row is that row


def test_a_published_run_done_again_is_ones_own(tmp_path: Path, shipped: Path) -> None:
    mine = store(tmp_path / "mine", [row("a", value=9.0, finished="2027-01-01")])
    frame = prepare(gathered([mine])).set_index(["method", "seed"])
    assert frame.loc[("a", 0), "own"]
    assert frame.loc[("a", 0), "score"] == 9.0
    assert not frame.loc[("a", 1), "own"]


def test_published_rows_can_be_left_out_and_stores_joined(tmp_path: Path, shipped: Path) -> None:
    one = store(tmp_path / "one", [row("c")])
    two = store(tmp_path / "two", [row("d")])
    assert prepare(gathered([one, two], published=False))["method"].tolist() == ["c", "d"]
    assert prepare(gathered([one, two]))["method"].tolist() == ["a", "a", "b", "b", "c", "d"]
    assert not prepare(gathered([one, two], published=False))["own"].any()


def test_keys_narrow_and_columns_are_added(tmp_path: Path, shipped: Path) -> None:
    base_row = row("c", reason="why")
    mine = store(tmp_path / "mine", [base_row, row("d")])
    frame = prepare(gathered([mine], keys=[base_row["key"]], columns=["reason"]))
    assert frame["reason"].tolist() == ["why"]
