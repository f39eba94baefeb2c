"""Which rows are carried, on what sample, and what refuses them: with code that is a table of results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.results.keys import canonical, run_key
from dynamark.results.store import Store
from dynamark.runners.carry import carry as carrying
from dynamark.runners.carry.carry import Carried, carry_with
from dynamark.runners.carry.equal import difference
from dynamark.runners.carry.question import CHANGED, CURRENT, OTHER_CODE, UNKNOWN, Pair
from dynamark.runners.carry.sample import drawn
from dynamark.runners.carry.tree import commit_of

PLACE = {"dynamark": "0", "processor": "some processor"}
SCORED = {"status": "ok", "reason": None, "parameters": 3, "steps": None}


def result(value: float = 1.0, **more: Any) -> dict[str, Any]:
    return {**SCORED, "scores": [{"name": "error", "value": value}], "curves": [], "candidates": None, **more}


Result = Callable[[Mapping[str, Any]], dict[str, Any] | None]


class Fake:
    """Code whose plan says which digests it has, and whose runs look their results up; None is a lost run."""

    def __init__(self, source: str, solve: Result = lambda row: result(), **planned: Any) -> None:
        self.source, self.solve, self.planned = source, solve, planned
        self.ran: list[tuple[str, str, int]] = []

    def row(self, config: Mapping[str, Any], seed: int) -> dict[str, Any]:
        sources = {"method_source": self.source, "task_source": "task"}
        fields = canonical({**json.loads(config["task_fields"]), "tier": config["tier"]})  # as tasks have it
        row = {"suite": "s", "family": "f", **config, "task_fields": fields, **sources, **self.planned, "seed": seed}
        return {"key": run_key(row), **row}

    def plan(self, rows: Sequence[Any], seeds: Sequence[Sequence[int]]) -> list[Any]:
        unknown = "there is no such method"
        return [
            unknown if row["method"] == "gone" else [self.row(row, seed) for seed in own]
            for row, own in zip(rows, seeds, strict=True)
        ]

    def run(self, rows: Sequence[Any], store: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        known = Store(store).status()
        planned = [self.row({k: row[k] for k in config()}, row["seed"]) for row in rows]
        todo = [row for row in planned if row["key"] not in known]
        self.ran += [(row["method"], row["tier"], row["seed"]) for row in todo]
        solved = [(row, self.solve(row)) for row in todo]
        Store(store).put([finished(row, own) for row, own in solved if own is not None])
        return {row["key"]: row for row in Store(store).rows().to_pylist()}


def config(**more: Any) -> dict[str, Any]:
    return {
        "kind": "run",
        "task": "f/t",
        "tier": "standard",
        "task_version": 1,
        "task_fields": "{}",
        "salt": "",
        "method": "m",
        "method_fields": "{}",
        "budget": None,
        "device": "cpu",
        **more,
    }


def finished(row: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, **own, "cohort_size": 1, "fit_seconds": 2.0, "finished": "2026-01-01", "provenance": PLACE}


def filled(folder: Path, configs: Sequence[tuple[dict[str, Any], int]], solve: Result = lambda row: result()) -> Store:
    """A results folder that code with the digest `old` filled."""
    rows = [Fake("old").row(one, seed) for one, seed in configs]
    (store := Store(folder)).put([finished(row, solve(row) or {}) for row in rows])
    return store


def attempted(store: Store, old: Fake, today: Fake, **more: Any) -> Carried:
    return carry_with(old, today, store, "c" * 40, options={}, **more)


def sources(store: Store) -> list[tuple[str, int, bool]]:
    rows = store.rows().to_pylist()
    return sorted((row["method_source"], row["seed"], row["carried_from"] is not None) for row in rows)


def failed_at(tier: str, status: str = "error", reason: str = "ValueError: no (a.py:3)") -> Result:
    failure = {"status": status, "reason": reason}
    return lambda row: failure if row["tier"] == tier else result()


# --- which rows


def test_only_rows_that_differ_in_a_digest_are_carried(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(), 0), (config(method="gone"), 0)])
    store.put([finished(Fake(source).row(config(), 2), result()) for source in ("other", "new")])
    report = attempted(store, Fake("old"), Fake("new"))
    assert (report.rows, report.written, report.refused) == (1, 1, None)
    assert report.left_alone == {UNKNOWN: 1, OTHER_CODE: 1, CURRENT: 1}
    assert sources(store) == [
        ("new", 0, True),
        ("new", 2, False),
        ("old", 0, False),
        ("old", 0, False),
        ("other", 2, False),
    ]


@pytest.mark.parametrize(
    "change", [{"task_version": 2}, {"task_fields": '{"n":2}'}, {"method_fields": '{"rank":2}'}, {"budget": 9}]
)
def test_a_row_with_another_difference_is_left_alone(tmp_path: Path, change: dict[str, Any]) -> None:
    store = filled(tmp_path, [(config(), 0)])
    old, today = Fake("old"), Fake("new", **change)
    report = attempted(store, old, today)
    assert (report.rows, report.written, report.left_alone) == (0, 0, {CHANGED: 1})
    assert not old.ran
    assert not today.ran


def test_a_row_whose_task_alone_changed_keeps_its_key(tmp_path: Path) -> None:
    """The digest of a task that ships is no part of the key."""
    store = filled(tmp_path, [(config(), 0)])
    (before,) = store.rows().to_pylist()
    assert attempted(store, Fake("old"), Fake("old", task_source="changed")).written == 1
    (after,) = store.rows().to_pylist()
    assert (after["key"], after["task_source"]) == (before["key"], "changed")
    assert after["carried_from"][0]["task_source"] == "task"


def test_tasks_and_methods_are_narrowed_by_globs(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(method=name), 0) for name in ("a", "a(n=2)", "b")])
    assert attempted(store, Fake("old"), Fake("new"), method=["a"]).rows == 2
    assert attempted(store, Fake("old"), Fake("new"), method=["b"], task=["g/*"]).rows == 0


# --- the sample


def test_the_sample_is_a_tiny_run_of_each_task_and_method_and_5_percent_of_the_rows(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(method=name), seed) for name in ("a", "b") for seed in range(21)])
    old, today = Fake("old"), Fake("new")
    report = attempted(store, old, today)
    assert (report.rows, report.written, report.tiny, report.again) == (42, 42, 2, 3)
    assert sorted(old.ran) == [("a", "tiny", 0), ("b", "tiny", 0)]
    again = [run for run in today.ran if run[1] == "standard"]
    assert len(set(again)) == 3


def test_the_set_of_rows_decides_which_are_drawn() -> None:
    pairs = [Pair({"key": f"{k:02}"}, {}) for k in range(60)]
    keys = {pairs[place].old["key"] for place in drawn(pairs)}
    assert len(keys) == 3
    assert {pairs[::-1][place].old["key"] for place in drawn(pairs[::-1])} == keys
    samples = {tuple(drawn(pairs[:count])) for count in range(41, 60)}
    assert len(samples) > 10
    assert drawn([]) == []
    assert drawn(pairs[:1]) == [0]


def test_an_experiment_has_no_tiny_run_and_is_measured_again_itself(tmp_path: Path) -> None:
    rows = [(config(kind="experiment", tier="", method="", task=f"f/{name}"), 0) for name in "abc"]
    store, old, today = filled(tmp_path, rows), Fake("old"), Fake("new")
    report = attempted(store, old, today)
    assert (report.written, report.tiny, report.again) == (3, 0, 3)
    assert not old.ran
    assert today.ran == [("", "", 0)] * 3


def test_where_no_tiny_run_succeeds_a_row_itself_is_run_again(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(method=name), 0) for name in "abc"])
    today = Fake("new", failed_at("tiny"))
    report = attempted(store, Fake("old", failed_at("tiny")), today)
    assert (report.written, report.again) == (3, 3)
    assert sorted(run for run in today.ran if run[1] == "standard") == [(name, "standard", 0) for name in "abc"]


def test_a_dry_run_predicts_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On two cores: two tiny runs of ten seconds, and a row that took two."""
    monkeypatch.setattr(carrying, "planned", lambda row, seeds: [row])
    monkeypatch.setattr(carrying.Seconds, "__init__", lambda self: None)
    monkeypatch.setattr(carrying.Seconds, "of", lambda self, run: 10.0)
    store, old, today = filled(tmp_path, [(config(), seed) for seed in range(3)]), Fake("old"), Fake("new")
    report = attempted(store, old, today, dry_run=True)
    assert (report.rows, report.written, report.again, report.seconds) == (3, 0, 1, 11.0)
    assert not old.ran
    assert not today.ran
    assert sources(store) == [("old", seed, False) for seed in range(3)]


# --- what refuses


def test_a_tiny_run_that_differs_refuses_everything(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(method=name), 0) for name in "ab"])
    today = Fake("new", lambda row: result(1 + 2**-52 if (row["method"], row["tier"]) == ("b", "tiny") else 1.0))
    report = attempted(store, Fake("old"), today)
    assert report.refused is not None
    assert report.refused.startswith(
        "b on f/t [tiny], seed 0 differs: error: 1.0 before, 1.0000000000000002 now; run it again"
    )
    assert (report.written, report.lost) == (0, False)
    assert sources(store) == [("old", 0, False)] * 2
    assert not any(run[1] == "standard" for run in today.ran)


def test_a_row_that_differs_refuses_everything_and_is_named(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(), 7)])
    today = Fake("new", lambda row: result(2.0 if row["tier"] == "standard" else 1.0))
    report = attempted(store, Fake("old"), today)
    assert report.refused is not None
    assert report.refused.startswith("m on f/t [standard], seed 7 differs: error: 1.0 before, 2.0 now")
    assert sources(store) == [("old", 7, False)]
    # The sample is not kept: a run that timed out once may not do so again.
    assert not list((tmp_path / ".carry").glob("*/*"))


@pytest.mark.parametrize(
    ("now", "carried"),
    [
        (failed_at("standard"), True),
        (failed_at("standard", reason="ValueError: no (b.py:99)"), True),  # another line of another file
        (failed_at("standard", reason="KeyError: no (a.py:3)"), False),
        (failed_at("standard", "timeout"), False),
        (lambda row: result(), False),
    ],
)
def test_a_failed_run_is_carried_only_if_it_fails_alike(tmp_path: Path, now: Result, carried: bool) -> None:
    """Whichever rows are drawn: of 40 rows one failed."""
    then: Result = lambda row: failed_at("standard")(row) if row["seed"] == 39 else result()  # noqa: E731
    store = filled(tmp_path, [(config(), seed) for seed in range(40)], then)
    report = attempted(store, Fake("old"), Fake("new", lambda row: now(row) if row["seed"] == 39 else result()))
    assert (report.written == 40) is carried
    if not carried:
        assert report.refused is not None
        assert "seed 39 differs: " in report.refused


def test_another_machine_is_named(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(), 0)])
    (row,) = store.rows().to_pylist()
    store.put([{**row, "provenance": {**PLACE, "processor": "another"}}])
    today = Fake("new", lambda row: result(2.0 if row["tier"] == "standard" else 1.0))
    assert "(processor: another before, some processor now)" in str(attempted(store, Fake("old"), today).refused)


# --- interruption


def test_a_lost_run_refuses_and_the_next_command_runs_it_alone(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(method=name), 0) for name in "ab"])
    report = attempted(store, Fake("old"), Fake("new", lambda row: result() if row["method"] == "a" else None))
    assert report.lost
    assert report.written == 0
    old, today = Fake("old"), Fake("new")
    assert attempted(store, old, today).written == 2
    assert not old.ran
    assert ("b", "tiny", 0) in today.ran
    assert ("a", "tiny", 0) not in today.ran


def test_what_an_interrupted_command_ran_is_not_run_again(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(), seed) for seed in range(3)])

    def interrupted(row: Mapping[str, Any]) -> dict[str, Any]:
        if row["tier"] == "standard":
            raise KeyboardInterrupt
        return result()

    with pytest.raises(KeyboardInterrupt):
        attempted(store, Fake("old"), Fake("new", interrupted))
    assert sources(store) == [("old", seed, False) for seed in range(3)]
    old, today = Fake("old"), Fake("new")
    assert attempted(store, old, today).written == 3
    assert not old.ran
    assert [run[1] for run in today.ran] == ["standard"]


def test_rows_that_were_written_before_an_interruption_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two writes, the command has added whole rows; the next one adds the others, on the same sample."""
    store = filled(tmp_path, [(config(), seed) for seed in range(4)])
    monkeypatch.setattr(carrying, "_CHUNK", 1)
    write, count = carrying.Journal.write, 0

    def dying(self: Any, rows: Any) -> None:
        nonlocal count
        count += 1
        if count > 2:
            raise KeyboardInterrupt
        write(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(carrying.Journal, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            attempted(store, Fake("old"), Fake("new"))
    assert sum(row[0] == "new" for row in sources(store)) == 2
    old, today = Fake("old"), Fake("new")
    report = attempted(store, old, today)
    assert (report.rows + report.left_alone[CURRENT], report.written) == (6, 2)
    assert not old.ran
    assert not today.ran
    assert [row for row in sources(store) if row[0] == "new"] == [("new", seed, True) for seed in range(4)]


def test_a_row_is_carried_a_second_time_with_both_steps(tmp_path: Path) -> None:
    store = filled(tmp_path, [(config(), 0)])
    attempted(store, Fake("old"), Fake("new"))
    attempted(store, Fake("new"), Fake("newer"))
    (row,) = [row for row in store.rows().to_pylist() if row["method_source"] == "newer"]
    assert [step["method_source"] for step in row["carried_from"]] == ["old", "new"]


# --- equality


@pytest.mark.parametrize(
    "change",
    [
        {"scores": [{"name": "error", "value": -0.0}]},
        {"scores": [{"name": "other", "value": 0.0}]},
        {"scores": None},
        {"curves": [{"name": "c", "axis": [0.0], "values": [2**-1074]}]},
        {"curves": [{"name": "c", "axis": [1.0], "values": [0.0]}]},
        {"primary": {"score": "error", "value": 0.0, "oracle": 1.0}},
        {"candidates": [{"fields": "{}", "score": 1.0, "seconds": 1.0, "chosen": False}]},
        {"status": "diverged"},
        {"parameters": 4},
        {"steps": 1},
    ],
)
def test_every_result_counts_to_the_bit(change: dict[str, Any]) -> None:
    row = result(
        0.0,
        curves=[{"name": "c", "axis": [0.0], "values": [0.0]}],
        primary={"score": "error", "value": 0.0, "oracle": None},
        candidates=[{"fields": "{}", "score": 1.0, "seconds": 1.0, "chosen": True}],
    )
    assert difference(row, row) is None
    assert difference(row, {**row, **change}) is not None
    assert difference({**row, **change}, row) is not None


def test_seconds_memory_order_and_nan_do_not_count() -> None:
    nan = {"name": "a", "value": float("nan")}
    row = {**result(), "scores": [nan, {"name": "seconds", "value": 1.0}, {"name": "b", "value": 2.0}]}
    other = {**result(), "scores": [{"name": "b", "value": 2.0}, nan, {"name": "seconds", "value": 9.0}]}
    times = {"fit_seconds": 1.0, "peak_memory": 2, "finished": "2027", "provenance": PLACE, "cohort_size": 8}
    assert difference(row, {**other, **times}) is None


# --- the verb


def test_the_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    reports = [
        Carried(0, left_alone={CURRENT: 5}),
        Carried(4, 3, {}, 1, 2),
        Carried(4, 0, {}, 1, 2, seconds=12.0),
        Carried(4, refused="m on f/t [tiny], seed 0 differs: error: 1.0 before, 2.0 now"),
        Carried(4, refused="m on f/t [tiny], seed 0 could not be run again", lost=True),
    ]
    monkeypatch.setattr(carrying, "carry", lambda *words, **more: reports.pop(0))
    command = ["results", "carry", "HEAD", "--store", str(tmp_path)]
    expected = [
        (0, f"no results in {tmp_path} can be carried from HEAD", f"left alone: 5 {CURRENT}"),
        (0, "3 results carried from HEAD, 1 were there already", ""),
        (0, "about 12 seconds on two cores", ""),
        (1, "", "refused, nothing was carried: m on f/t [tiny], seed 0 differs"),
        (4, "", "could not be run again"),
    ]
    for code, out, err in expected:
        assert main([*command, *(["--dry-run"] if "about" in out else [])]) == code
        printed = capsys.readouterr()
        assert out in printed.out
        assert err in printed.err


def test_what_is_no_revision_and_no_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "carry", "HEAD", "--store", str(tmp_path / "none")]) == 2
    assert "does not exist; give a folder with --store" in capsys.readouterr().err
    for name in ("no-such-revision", "--all", "HEAD:README.md"):
        with pytest.raises(UserError, match=r"is not a revision of|not run from a git checkout"):
            commit_of(name)
