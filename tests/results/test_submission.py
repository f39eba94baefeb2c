"""Results of a method that somebody submits: checked, bundled, run again, and shown for what they are."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import write_suite
from synthetic import PLACE, row, store

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.leaderboards.assemble import leaderboard
from dynamark.results.keys import run_key
from dynamark.results.schema import table
from dynamark.results.store import Store, read_file
from dynamark.results.submission import bundle, collect, file_name, label, marked, problems_of
from dynamark.results.tolerance import same_environment, spreads
from dynamark.runners import recheck as module
from dynamark.runners.publishable import problems_of_file
from dynamark.runners.recheck import can_rerun, recheck, sample
from dynamark.runners.run import run

ROOT = Path(__file__).parents[2]
LINK = "https://example.org/mine/blob/0123abcd/mine.py"
BY = ["--by", "Ada", "--link", LINK]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with results of a method that ships, as a clean checkout leaves them."""
    base = tmp_path_factory.mktemp("ran")
    folder = base / "store"
    run(write_suite(base / "s.toml", ["persistence"], ["koopman/duffing"], seeds=3), store=folder, engine="inline")
    rows = Store(folder).rows().to_pylist()
    for one in rows:
        one["provenance"] |= {"dirty": False, "commit": "abc"}
    for file in Store(folder).files():
        file.unlink()
    Store(folder).put(rows)
    return folder


@pytest.fixture
def submitted(ran: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "submitted--persistence.parquet"
    assert main(["results", "submit", "persistence", *BY, "--store", str(ran), "--out", str(path)]) == 0
    printed = capsys.readouterr().out
    rows = read_file(path, None).to_pylist()
    assert f"{len(rows)} runs of persistence, source {rows[0]['method_source'][:16]}, from {LINK}" in printed
    assert f"numpy: {rows[0]['provenance']['numpy']}" in printed
    return path


def test_a_submission_holds_the_results_their_origin_and_passes(
    submitted: Path, ran: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_file(submitted, None).to_pylist()
    own = Store(ran).rows().to_pylist()
    assert sorted(r["key"] for r in rows) == sorted(r["key"] for r in own)
    assert {json.dumps(r["submission"]) for r in rows} == {json.dumps({"by": "Ada", "link": LINK, "rerun": None})}
    assert main(["results", "verify", str(submitted), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"file": str(submitted), "rows": len(rows), "problems": []}]
    assert file_name(rows) == f"submitted--persistence-{rows[0]['method_source'][:8]}.parquet"
    assert file_name([{**rows[0], "method": "../a b.py:M"}]).startswith("submitted--a-b.py-M-")


def test_a_new_version_names_the_file_that_it_replaces(
    ran: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old = (tmp_path / f"submitted--persistence-{digest}.parquet" for digest in ("0123abcd", "ffffffff"))
    others = [tmp_path / f"submitted--{name}-ffffffff.parquet" for name in ("persistence-2", "mean")]
    for path in (old, *others):
        path.touch()
    assert main(["results", "submit", "persistence", *BY, "--store", str(ran), "--out", str(new)]) == 0
    removed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("remove ")]
    assert removed == [f"remove {old}: an earlier version of the method"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "", "--link", LINK], "invalid --by"),
        (["--by", "a\x1b[31m", "--link", LINK], "invalid --by"),
        (["--by", "Ada", "--link", "javascript:alert(1)"], "invalid --link"),
        (["--by", "Ada", "--link", 'https://a.org/"><b>'], "invalid --link"),
    ],
)
def test_bad_origins_are_refused(words: list[str], message: str, ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "submit", "persistence", *words, "--store", str(ran)]) == 2
    assert message in capsys.readouterr().err


def test_what_cannot_be_submitted(ran: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="no results of 'other'; methods with results: persistence"):
        collect("other", [ran], "Ada", LINK)
    with pytest.raises(UserError, match="does not exist"):
        collect("other", [tmp_path / "none"], "Ada", LINK)
    (tmp_path / "dirty").mkdir()
    dirty = Store(ran).rows().to_pylist()
    dirty[0]["provenance"]["dirty"] = True
    Store(tmp_path / "dirty").put(dirty)
    out = tmp_path / "out.parquet"
    assert main(["results", "submit", "persistence", *BY, "--store", str(tmp_path / "dirty"), "--out", str(out)]) == 1
    assert "uncommitted changes" in capsys.readouterr().err
    assert not out.exists()


def test_only_the_newest_version_and_public_data_are_submitted(tmp_path: Path) -> None:
    rows = [
        row(seed=0, method_source="old", finished="2026-01-01"),
        row(seed=1, method_source="new", finished="2026-01-02"),
        row(seed=2, method_source="new", finished="2026-01-02", salt="s"),
        row("other"),
    ]
    assert [r["seed"] for r in collect("m", [store(tmp_path / "s", rows)], "Ada", LINK)] == [1]


def test_one_method_with_an_origin_per_file() -> None:
    origin = {"by": "Ada", "link": LINK, "rerun": None}
    first, second = (r for r in table([row(submission=origin), row("n", submission=origin)]).to_pylist())
    assert problems_of([first]) == []
    assert "more than one method" in problems_of([first, second])[0]
    assert "do not say who" in problems_of([{**first, "submission": {**origin, "link": "http://a.org"}}])[0]
    assert "have a salt" in problems_of([{**first, "salt": "x"}])[0]
    assert any("do not say who" in p for p in problems_of_file([first, {**first, "submission": None}]))


def test_a_sample_is_run_again_and_must_agree(submitted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = read_file(submitted, None).to_pylist()
    (first, *_) = sample(rows, 1, 600.0)
    assert can_rerun(first) == ""
    by_key = {r["key"]: r for r in rows}
    repeated: list[Any] = []

    def again(old: dict[str, Any], **words: Any) -> dict[str, Any]:
        repeated.append(old["key"])
        return by_key[old["key"]]

    monkeypatch.setattr(module, "rerun", again)
    outcome = recheck(rows, count=2)
    assert outcome.mark == f"2 of {len(rows)} runs on {rows[0]['provenance']['processor']}"
    assert len(set(repeated)) == 2
    by_key[first["key"]] = {**first, "scores": [{**s, "value": 1.5 * s["value"] + 1} for s in first["scores"]]}
    assert recheck(rows, count=1).mark is None
    assert "before" in recheck(rows, count=1).moved[0]
    by_key[first["key"]] = {**first, "status": "crashed", "reason": "SIGSEGV", "scores": None}
    assert "crashed now (SIGSEGV)" in recheck(rows, count=1).moved[0]


def test_a_method_that_is_not_here_is_not_run_again(submitted: Path) -> None:
    first = read_file(submitted, None).to_pylist()[0]
    assert "does not ship" in can_rerun({**first, "method": "mine.py:Mine"})
    assert "is not the one that ran" in can_rerun({**first, "method_source": "0" * 64})
    assert "file" in can_rerun(first, "nowhere.py:Mine")


def test_a_sample_is_within_its_time_and_has_answers_only() -> None:
    rows = [row(seed=k, fit_seconds=100.0 if k % 2 else 1.0, value=None if k == 4 else 1.0) for k in range(8)]
    assert {r["seed"] for r in sample(rows, 8, 50.0)} <= {0, 2, 6} | {sample(rows, 1, 50.0)[0]["seed"]}
    assert len(sample(rows, 3, 1e9)) == 3
    assert 4 not in {r["seed"] for r in sample(rows, 8, 1e9)}
    assert sample(rows[::-1], 3, 1e9) == sample(rows, 3, 1e9)


def test_tolerances_are_the_spread_over_seeds_elsewhere() -> None:
    rows = [{**row(seed=k), "scores": [{"name": "error", "value": v}]} for k, v in enumerate((1.0, float("nan"), 1.5))]
    assert spreads(rows) == {("chaos/a", "tiny", "", "m"): {"error": 0.5}}
    assert same_environment(rows[0], {**rows[0], "provenance": {**PLACE, "cores": 9}})
    assert not same_environment(rows[0], {**rows[0], "provenance": {**PLACE, "numba": "1"}})


@pytest.mark.parametrize("rerun", [None, "2 of 5 runs on a machine"])
def test_tables_say_who_submitted_a_method(rerun: str | None, tmp_path: Path) -> None:
    origin = {"by": "Ada <b>", "link": LINK, "rerun": rerun}
    rows = [
        row(m, seed=k, value=v + k, submission=s)
        for m, v, s in (("m", 1.0, origin), ("n", 2.0, None))
        for k in range(3)
    ]
    expected = "submitted by Ada <b>, " + ("not re-run" if rerun is None else f"re-run: {rerun}")
    assert label(table(rows[:1]).to_pylist()[0]) == expected
    assert label({"submission": {**origin, "by": "a\n\\input{b}\x1b[2J"}}).startswith("submitted by a \\input{b}?[2J, ")
    board = leaderboard(store(tmp_path / "s", rows), published=False)
    text = board.to_text("terminal")
    assert f"† m: {expected}" in text
    assert "m † " in text
    assert text.count("†") == 2
    page = board.to_html()
    assert f'title="{expected.replace("<b>", "&lt;b&gt;")}">†' in page
    assert "Ada <b>" not in page
    assert [s["submitted"] for s in json.loads(board.to_text("json"))[0]["standings"]] == [expected, ""]


def test_publishing_leaves_submitted_files_alone(submitted: Path, tmp_path: Path) -> None:
    loader = importlib.machinery.SourceFileLoader("publish", str(ROOT / ".ci" / "publish"))
    publish: Any = importlib.util.module_from_spec(importlib.util.spec_from_loader("publish", loader))  # type: ignore[arg-type]
    loader.exec_module(publish)
    home = store(tmp_path / "home", [row()], "old--m")
    (home / submitted.name).write_bytes(submitted.read_bytes())
    publish.replace(home, [row("n")])
    assert {file.name for file in home.iterdir()} - {".journal"} == {submitted.name, "s.parquet"}


def test_the_script_of_ci_marks_and_refuses(submitted: Path) -> None:
    """A method that is not here stays unmarked; a mark that nobody can check, and a changed score, are refused."""
    rows = read_file(submitted, None).to_pylist()
    fine, claims, changed = (
        submitted.with_name(f"submitted--{name}.parquet") for name in ("fine", "claims", "changed")
    )
    origin = rows[0]["submission"]
    bundle(rows, fine)
    foreign = [{**r, "method_source": "0" * 64} for r in rows]
    bundle(marked([{**r, "key": run_key(r), "submission": origin} for r in foreign], "all of it"), claims)
    bundle([{**r, "primary": {**r["primary"], "value": 0.0}} for r in rows], changed)
    words = [sys.executable, str(ROOT / ".ci" / "submission"), "--runs", "1", "--mark", "--no-tables"]
    done = subprocess.run([*words, str(fine), str(claims), str(changed)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1, done.stderr
    assert (
        f"ok    {fine}: {len(rows)} runs of persistence, submitted by Ada, re-run: 1 of {len(rows)} runs on "
        in done.stdout
    )
    assert read_file(fine, None).to_pylist()[0]["submission"]["rerun"].startswith(f"1 of {len(rows)} runs on ")
    assert f"FAIL  {claims}: it claims to be re-run (all of it), but cannot be run again here" in done.stdout
    assert f"FAIL  {changed}" in done.stdout
    assert "the primary score is not among the scores" in done.stdout
