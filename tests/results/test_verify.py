"""Rows that are handed in, and runs that are done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import LINE, WALK, write_suite
from synthetic import PLACE, row, store

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.results import verify as trust
from dynamark.results.keys import run_key
from dynamark.results.schema import table
from dynamark.results.store import Store
from dynamark.runners import reproduce as again_module
from dynamark.runners.run import run
from dynamark.version import __version__

FIELDS = '{"n":1}'
CHECKOUT = {**PLACE, "commit": "abc", "dirty": False}


def known(task: str, tier: str) -> trust.Current | None:
    return trust.Current(1, FIELDS, "digest") if task == "chaos/a" else None


def honest(**more: Any) -> dict[str, Any]:
    """A row as a run leaves it."""
    base_row = row(
        **{"task_fields": FIELDS, "budget": None, "value": 2.0, "reason": None, "provenance": CHECKOUT, **more}
    )
    base_row["scores"] = (
        None if base_row["primary"] is None else [{"name": "error", "value": base_row["primary"]["value"]}]
    )
    return {**base_row, "key": run_key(base_row)}


def problems(*rows: dict[str, Any], published: dict[str, Any] | None = None) -> list[str]:
    return trust.verify(table(list(rows)).to_pylist(), published or {}, known)


def test_honest_rows_pass() -> None:
    assert problems(honest(), honest(seed=1), honest(seed=2, value=None, reason="SIGSEGV")) == []
    experiment = {**honest(task="chaos/x", kind="experiment", tier="", method=""), "primary": None}
    assert problems(experiment) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "f" * 64}, "the key does not match the recorded configuration"),
        ({"method_source": "other"}, "the key does not match the recorded configuration"),
        ({"status": "fine"}, "unknown status 'fine'"),
        ({"primary": None}, "primary score is missing or not finite"),
        ({"scores": [{"name": "error", "value": 0.1}]}, "primary score is not among the scores"),
        ({"provenance": {}}, "the provenance lacks the dynamark version or the processor"),
        ({"provenance": {**PLACE, "dirty": True}}, "checkout with uncommitted changes"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(change: dict[str, Any], message: str) -> None:
    lines = problems({**honest(), **change})
    assert len(lines) == 1
    assert message in lines[0]
    assert "chaos/a [tiny]" in lines[0]


STEP = {
    "method_source": "a",
    "task_source": "b",
    "commit": "c",
    "tiny": 1,
    "rows": 1,
    "date": "2026-01-01T00:00:00+00:00",
}


def test_a_carried_row_passes() -> None:
    assert problems(honest(carried_from=[STEP])) == []
    assert problems(honest(carried_from=[{**STEP, "method_source": "older"}, {**STEP, "tiny": 0}])) == []
    assert problems(honest(carried_from=[])) == []


def test_every_step_of_a_carried_row_counts() -> None:
    assert "from the digests that it has" in problems(honest(carried_from=[STEP, STEP]))[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method_source": None}, "the digests, the commit or the date are missing"),
        ({"commit": ""}, "the digests, the commit or the date are missing"),
        ({"date": "yesterday"}, "the digests, the commit or the date are missing"),
        ({"method_source": "abc", "task_source": "def"}, "from the digests that it has"),
        ({"tiny": 0, "rows": 0}, "without a sample"),
        ({"tiny": 2, "rows": -1}, "without a sample"),
        ({"tiny": None, "rows": None}, "without a sample"),
    ],
)
def test_what_is_wrong_with_a_carried_row_is_named(change: dict[str, Any], message: str) -> None:
    (line,) = problems(honest(task_source="def", carried_from=[{**STEP, **change}]))
    assert message in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task_version": 2}, "version 1 now, not 2"),
        ({"task_fields": '{"n":2}'}, "the task has other parameters now"),
        ({"task": "mine/b"}, "does not ship with dynamark"),
    ],
)
def test_what_is_wrong_with_a_task_is_named_once(change: dict[str, Any], message: str) -> None:
    lines = problems(*(honest(seed=k, **change) for k in range(3)))
    assert len(lines) == 1
    assert message in lines[0]


def test_no_rows_doubled_rows_and_failures_without_a_reason() -> None:
    assert problems() == ["the file has no rows"]
    assert "occurs in 2 rows" in problems(honest(), honest())[0]
    assert "the reason is missing" in problems(honest(value=None))[0]


def test_a_published_value_may_not_change() -> None:
    old = honest()
    published = {old["key"]: table([old]).to_pylist()[0]}
    assert problems(honest(fit_seconds=99.0), published=published) == []
    assert "changes a published value (error: 2 before, 3 now)" in problems(honest(value=3.0), published=published)[0]
    assert "changes a published value" in problems(honest(value=2.0 + 1e-6), published=published)[0]
    assert (
        "its status is crashed, but ok is published" in problems(honest(value=None, reason="x"), published=published)[0]
    )


def test_on_another_machine_a_published_value_may_move_as_seeds_do() -> None:
    """Rounding of another processor, amplified by training, is no change; what no seed explains is one."""
    seeds = [honest(seed=k, value=2.0 + 0.2 * k) for k in range(3)]
    published = {r["key"]: r for r in table(seeds).to_pylist()}
    other = {**CHECKOUT, "processor": "another"}
    for provenance in (other, {**CHECKOUT, "blas_kernels": "x"}, {**CHECKOUT, "torch": "1"}):
        assert problems(honest(value=2.79, provenance=provenance), published=published) == []
        assert (
            "changes a published value" in problems(honest(value=2.85, provenance=provenance), published=published)[0]
        )
    assert "changes a published value" in problems(honest(value=2.79), published=published)[0], "the same machine"
    alone = {seeds[0]["key"]: published[seeds[0]["key"]]}
    assert problems(honest(value=2.001, provenance=other), published=alone) == []
    assert problems(honest(value=2.1, provenance=other), published=alone) != []
    exact = honest(value=1e-15)
    near = {exact["key"]: table([exact]).to_pylist()[0]}
    assert problems(honest(value=8e-13, provenance=other), published=near) == []
    assert problems(honest(value=2e-12, provenance=other), published=near) != []


def test_results_of_an_installed_package_name_their_code() -> None:
    """Without a commit, the version and the digests of the source say which code ran."""
    installed = {**PLACE, "commit": None, "dirty": None, "dynamark": __version__}
    assert problems(honest(provenance=installed, task_source="digest")) == []
    (problem,) = problems(honest(provenance=installed, task_source="other"), honest(provenance=installed, seed=1))
    assert "the task ran with an installed package whose code is not that of this checkout" in problem
    (problem,) = problems(honest(provenance={**installed, "dynamark": "0"}, task_source="digest"))
    assert "it ran with an installed dynamark 0" in problem


def test_differences_beyond_a_tolerance() -> None:
    def scored(**values: float | None) -> dict[str, Any]:
        return {"status": "ok", "reason": None, "scores": [{"name": n, "value": v} for n, v in values.items()]}

    assert trust.differences(scored(a=1.0), scored(a=1.0 + 1e-9), 1e-6) == []
    assert trust.differences(scored(a=1.0), scored(a=1.1), 1e-6) == ["a: 1 before, 1.1 now"]
    assert trust.differences(scored(a=1.0), scored(a=1.1), 0.2) == []
    nan, inf = float("nan"), float("inf")
    assert trust.differences(scored(a=nan, b=inf, c=None), scored(a=nan, b=inf, c=nan), 1e-6) == []
    assert len(trust.differences(scored(a=nan, b=inf), scored(a=1.0, b=-inf), 1e-6)) == 2
    assert trust.differences(scored(a=1.0), scored(b=1.0), 1e-6) == ["a: 1 before, nan now", "b: nan before, 1 now"]
    assert trust.differences(scored(error_by_seconds=1.0), scored(error_by_seconds=2.0), 1e-6) == []
    dead = {"status": "crashed", "reason": "SIGSEGV", "scores": None}
    assert trust.differences(scored(a=1.0), dead, 1e-6) == ["status: ok before, crashed now (SIGSEGV)"]
    assert trust.differences(dead, {**dead, "status": "error"}, 1e-6) == []


def test_keys_are_found_by_their_beginning() -> None:
    rows = pa.table({"key": ["abcdef01", "abcdef02", "123456"], "seed": [0, 1, 2]})
    assert trust.find(rows, "123456")["seed"] == 2
    for key, message in (
        ("abcdef", "2 results have a key"),
        ("999999", "no result has a key"),
        ("12", "invalid key '12': expected at least 6 hexadecimal digits"),
        ("zzzzzzz", "invalid key 'zzzzzzz'"),
    ):
        with pytest.raises(UserError, match=message):
            trust.find(rows, key)


def test_verify_by_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(tmp_path / "s", [honest(task="chaos/lorenz63")])
    assert main(["results", "verify", str(folder / "s--m.parquet")]) == 1
    assert "the task has other parameters now" in capsys.readouterr().err
    assert main(["results", "verify", str(tmp_path / "none")]) == 2
    pq.write_table(table([]), folder / "empty.parquet")
    assert main(["results", "verify", str(folder / "empty.parquet")]) == 1


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with rows of a plug-in and of the catalog, among them a tuple as a field."""
    base = tmp_path_factory.mktemp("ran")
    tasks = [f"{WALK}(noise=0.1)", "koopman/duffing"]
    run(write_suite(base / "a.toml", [f"{LINE}(gain=0.5)", "persistence"], tasks), store=base / "store")
    return base / "store"


def keys(folder: Path, method: str, task: str = "walk.py:Walk") -> list[str]:
    rows = Store(folder).rows(["key", "method", "task", "seed"]).to_pylist()
    chosen = [r for r in rows if r["method"].startswith(method) and r["task"].startswith(task)]
    return [r["key"] for r in sorted(chosen, key=lambda r: r["seed"])]


def reproduce(folder: Path, key: str, *more: str) -> int:
    return main(["reproduce", key[:16], "--store", str(folder), *more])


def test_a_run_done_again_is_the_same(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = ["--task", f"{WALK}(noise=0.1)"]
    assert reproduce(ran, keys(ran, "persistence")[1], *task) == 0
    assert "reproduced" in capsys.readouterr().out
    assert reproduce(ran, keys(ran, "walk.py:Line")[0], *task, "--method", f"{LINE}(gain=0.5)") == 0
    # Said to be another method: another result, of other fields.
    assert reproduce(ran, keys(ran, "walk.py:Line")[0], *task, "--method", LINE) == 3
    output = capsys.readouterr().out
    assert "the method hyper-parameters have changed" in output
    assert "error: " in output


def test_what_a_plugin_was_must_be_said(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce(ran, keys(ran, "persistence")[0]) == 2
    assert "give its class with --task path/file.py:Class" in capsys.readouterr().err


def test_a_changed_score_is_told(ran: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = next(r for r in Store(ran).rows().to_pylist() if r["key"] == keys(ran, "persistence")[0])
    row["scores"] = [{"name": s["name"], "value": 2 * s["value"]} for s in row["scores"]]
    row["provenance"]["processor"] = "another"
    folder = store(tmp_path / "s", [row])
    assert reproduce(folder, row["key"], "--task", f"{WALK}(noise=0.1)") == 1
    assert "processor: another before" in capsys.readouterr().out


def test_a_row_of_the_catalog_says_all_that_is_needed(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce(ran, keys(ran, "persistence", "koopman/duffing")[1]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "persistence on koopman/duffing [tiny], seed 1",
        "  reproduced",
    ]


def test_only_the_row_itself_is_run_again(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its seed alone, without those before it, gives its scores to the bit; the key is the row's."""
    old = next(r for r in Store(ran).rows().to_pylist() if r["key"] == keys(ran, "persistence", "koopman/duffing")[1])
    planned = []

    def watched(*words: Any, **options: Any) -> Any:
        report = run(*words, **options)
        planned.append(report.keys)
        return report

    monkeypatch.setattr(again_module, "run", watched)
    new = again_module.rerun(old)
    assert planned == [{old["key"]}]
    assert new["scores"] == old["scores"]
    assert trust.sources(old, new) == trust.places(old, new) == []
