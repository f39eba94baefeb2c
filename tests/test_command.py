"""The command from end to end, as a person meets it: rows, tables, resuming, and one line with the remedy when input is bad."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import FAULTY, LINE, PLUGINS, WALK, write_suite

import dynamark
from dynamark.cli import main
from dynamark.results.store import Store
from dynamark.runners.check import _SMALL
from dynamark.runners.registry import resolve_task
from dynamark.tasks.problems import KINDS

MEASURED = f"{PLUGINS}/measured.py:StandardError"


@pytest.fixture
def suite(here: Path) -> str:
    return write_suite(here / "mine.toml", [LINE, "persistence"], seeds=2)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = main(list(words))
    except SystemExit as stop:  # argparse
        code = int(stop.code or 0)
    output = capsys.readouterr()
    return code, output.out, output.err


def test_run_makes_rows_and_prints_the_table(suite: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "run", suite, "--store", "store", "--workers", "1")
    assert code == 0
    assert "walk.py:Line" in out
    assert "persistence" in out
    assert err.strip() == "4 succeeded; 0 cached; results in store"
    assert [p.name for p in Store(here / "store").files()] == [
        "mine--persistence.parquet",
        "mine--walk.py-Line-" + name(here),
    ]
    code, _, err = said(capsys, "run", suite, "--store", "store")
    assert (code, err.strip()) == (0, "nothing to do; 4 cached; results in store")


def name(here: Path) -> str:
    return next(p.name for p in Store(here / "store").files() if "walk" in p.name).rpartition("-")[2]


def test_the_store_is_below_the_current_folder_unless_named(
    suite: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DYNAMARK_STORE")
    assert said(capsys, "run", suite, "--engine", "inline", "--quiet")[0] == 0
    assert len(Store(here / "results" / "runs").rows()) == 4
    monkeypatch.setenv("DYNAMARK_STORE", str(here / "elsewhere"))
    assert said(capsys, "run", suite, "--engine", "inline", "--quiet")[0] == 0
    assert len(Store(here / "elsewhere").rows()) == 4


def test_failed_runs_are_told_and_make_the_exit_code_4(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = write_suite(here / "bad.toml", [f"{FAULTY}(how='raises')", LINE], seeds=1)
    code, out, err = said(capsys, "run", bad, "--store", "store", "--engine", "inline")
    assert code == 4
    assert "error: faulty.py:Faulty on walk.py:Walk, seed 0: ZeroDivisionError: no such luck" in err
    assert "walk.py:Line" in out


def test_what_does_not_apply_is_left_out_with_the_reason(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "other.py").write_text(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Other:\n    x: int = 0\n"
    )
    suite = write_suite(here / "s.toml", ["other.py:Other", LINE], seeds=1)
    _, _, err = said(capsys, "run", suite, "--store", "store", "--engine", "inline")
    assert "skipped: other.py:Other on walk.py:Walk: it has no fit_forecaster" in err


@pytest.mark.parametrize("what", ["tasks", "methods", "suites"])
def test_lists(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "list", what)
    assert code == 0
    content = json.loads(said(capsys, "list", what, "--json")[1])
    assert [entry["name"] for entry in content] == out.split()
    assert {"tasks": "chaos/lorenz63", "methods": "persistence", "suites": "quick"}[what] in out.split()


def test_leaderboards_of_a_store_in_every_format(suite: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "run", suite, "--store", "store", "--engine", "inline", "--quiet")
    for format in ("terminal", "md", "html", "tex", "csv", "json"):
        code, out, _ = said(capsys, "leaderboard", "--store", "store", "--no-published", "--format", format)
        assert code == 0
        assert "walk.py" in out
        assert (
            said(capsys, "leaderboard", "--store", "store", "--no-published", "--format", format, "--out", "f")[0] == 0
        )
        assert (here / "f").read_text().strip() == out.strip()


def test_published_rows_stand_beside_ones_own(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "run", suite, "--store", "store", "--engine", "inline", "--quiet")
    _, out, _ = said(capsys, "leaderboard", "--store", "store")
    own = [line for line in out.splitlines() if "walk.py:Line *" in line]
    assert own, "one's own rows are marked"
    assert "lorenz63" in out


def test_check_passes_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "check", LINE, "--task", WALK)
    assert code == 0
    assert "ok    walk.py:Walk: runs and returns valid output" in out
    assert out.count("ok  ") >= 5
    assert "FAIL" not in out


@pytest.mark.usefixtures("checks_in_this_process")
@pytest.mark.parametrize(
    ("how", "message"), [("raises", "no such luck"), ("wrong_shape", "wanted shape"), ("nan", "NaN")]
)
def test_check_tells_what_is_wrong(how: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "check", f"{FAULTY}(how={how!r})", "--task", WALK)
    assert code == 1
    assert "FAIL" in out
    assert message in out


def test_check_finds_randomness_that_is_not_seeded(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "loose.py").write_text(
        "import torch\nfrom dataclasses import dataclass\n\n@dataclass\nclass Loose:\n"
        "    def fit_forecaster(self, problem, run):\n        return self\n\n"
        "    def forecast(self, context, horizon, inputs=None):\n"
        "        loose = torch.Generator()\n        loose.seed()\n"
        "        return torch.rand(len(context), horizon, context.dim, generator=loose)\n"
    )
    code, out, _ = said(capsys, "check", "loose.py:Loose", "--task", WALK)
    assert code == 1
    assert "FAIL  frozen dataclass: write @dataclass(frozen=True)" in out
    assert "draw random numbers from run.generator or run.numpy only" in out


@pytest.mark.usefixtures("checks_in_this_process")
@pytest.mark.parametrize(
    ("method", "tasks"),
    [("gd", ["asymmetric"]), ("esn", ["slow_manifold"]), ("era", ["sym_pos_noisy", "slow_manifold", "sym_pos"])],
)
def test_check_picks_small_tasks_and_passes_over_what_a_method_refuses(
    method: str, tasks: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "check", method)
    assert code == 0
    lines = [line.removeprefix("ok    ") for line in out.splitlines()]
    tried = (": runs and returns valid output", ": rejected by the method, trying another task")
    met = dict.fromkeys(
        line.split(":")[0].rpartition("/")[2]
        for line in lines
        if any(outcome in line for outcome in tried) and not line.startswith("edge case")
    )
    assert list(met) == tasks
    rejected = "slow_manifold: rejected by the method, trying another task: UserError: ERA needs a task with inputs"
    assert (rejected in out) == (method == "era")


def test_the_small_tasks_of_check_cover_every_kind() -> None:
    kinds = [resolve_task(tasks[0][0], "tiny").kind for tasks in _SMALL]
    assert set(kinds) == set(KINDS)
    assert len(kinds) == len(KINDS)


def test_check_without_a_protocol_says_which_there_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "none.py").write_text(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Nothing:\n    x: int = 0\n"
    )
    code, _, err = said(capsys, "check", "none.py:Nothing")
    assert code == 2
    assert "solves no kind of problem; implement one of: fit_estimate, fit_forecaster" in err


BAD = {
    ("run", "nonsense"): "unknown suite 'nonsense'; available: axis-beyond, axis-dimension",
    ("run", "none.toml"): "the suite file none.toml does not exist",
    ("run", "quick", "--method", "nonsense"): "unknown method 'nonsense'",
    ("run", "quick", "--method", "none.py:Mine"): "none.py does not exist",
    ("run", "quick", "--task", "nonsense"): "no task in suite 'quick' matches nonsense; its tasks: ",
    ("run", "quick", "--tier", "huge"): "unknown tier 'huge'",
    ("run", "quick", "--seeds", "-1"): "invalid seeds -1: expected a positive number of seeds or a list of seeds",
    ("run", "quick", "--seeds", "0"): "invalid seeds 0: expected a positive number of seeds or a list of seeds",
    ("run", "quick", "--workers", "0"): "invalid workers = 0: expected a number greater than 0",
    ("run", "quick", "--timeout", "-3"): "invalid timeout = -3.0: expected a number greater than 0",
    ("run", "quick", "--memory-gb", "0"): "invalid memory_gb = 0.0: expected a number greater than 0",
    ("run", "quick", "--shard", "3/2"): "invalid shard 3/2: expected I/N with 1 <= I <= N",
    ("run", "quick", "--device", "cuda"): "finds no CUDA device",
    ("run", "quick", "--store", "file"): "the results folder file is a file; give a folder",
    ("run", "quick", "--store", "file/below"): "cannot write to",
    ("leaderboard", "--store", "nowhere"): "the results folder nowhere does not exist",
    ("leaderboard", "--family", "weather"): "no rows of family 'weather'",
    ("leaderboard", "--out", "nowhere/page.html"): "cannot write nowhere/page.html",
    ("compare", "nowhere", "file"): "nowhere is neither a file, nor a folder, nor a git revision here",
    ("compare", "file", "file"): "not a readable Parquet file",
    ("check", "nonsense"): "unknown method 'nonsense'",
    ("check", "persistence", "--task", "nonsense"): "unknown task 'nonsense'",
    ("data", "verify", "nonsense"): "unknown task 'nonsense'",
    ("data", "export", "chaos/lorenz63", "d", "--seed", "-1"): "invalid --seed -1: expected 0 or greater",
    ("data", "export", "chaos/lorenz63", "file/below", "--tier", "tiny"): "cannot write to file/below",
    ("claims", "show", "Z99"): "unknown claim 'Z99'",
    ("claims", "list", "--family", "weather"): "unknown family 'weather'",
}


@pytest.mark.parametrize(("words", "message"), BAD.items(), ids=lambda x: " ".join(x) if isinstance(x, tuple) else "")
def test_bad_input_gets_one_line_and_exit_code_2(
    words: tuple[str, ...], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "file").write_text("not a store")
    if words == ("run", "quick", "--device", "cuda"):
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a CUDA device")
    code, _, err = said(capsys, *words)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("dynamark: error: ")


@pytest.mark.parametrize(
    "words", [(), ("nonsense",), ("run",), ("run", "quick", "--seeds", "x"), ("run", "quick", "--shard", "x")]
)
def test_usage_errors_exit_with_2_and_no_traceback(words: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-m", "dynamark", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "usage: dynamark" in done.stderr


@pytest.mark.parametrize(
    ("option", "text", "remedy"),
    [
        *(("--seeds", text, "expected 5 (seeds 0-4), 7-9 or 0,3,7-9") for text in ("x", "0-", "3-1", "1,,2")),
        ("--shard", "x", "I/N"),
    ],
)
def test_seeds_and_shards_that_cannot_be_read_are_told_with_the_remedy(
    capsys: pytest.CaptureFixture[str], option: str, text: str, remedy: str
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "quick", option, text])
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: invalid {option.removeprefix('--')} '{text}'" in last
    assert remedy in last


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m dynamark list methods | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def test_version_and_module() -> None:
    done = subprocess.run([sys.executable, "-m", "dynamark", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"dynamark {dynamark.__version__}"


def test_output_off_a_terminal_shows_no_progress(suite: str, here: Path) -> None:
    command = [sys.executable, "-m", "dynamark", "run", suite, "--store", "store"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=here, env=dict(os.environ))
    assert "%|" not in done.stderr


def test_claims_are_listed_and_shown(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    code, out, _ = said(capsys, "claims", "list", "--no-published")
    assert code == 0
    assert "claims" in out
    code, out, _ = said(capsys, "claims", "list", "--format", "md", "--no-published", "--out", "claims.md")
    assert code == 0
    assert (here / "claims.md").read_text().startswith("# What papers claim")


@pytest.mark.usefixtures("checks_in_this_process")
def test_the_face_runs_loads_and_tables(suite: str, here: Path) -> None:
    report = dynamark.run(suite, store="store", engine="inline")
    assert report.statuses == {"ok": 4}
    frame = dynamark.load_results("store", published=False)
    assert set(frame["method"]) == {"persistence", "walk.py:Line"}
    assert frame["score.error"].notna().all()
    board = dynamark.leaderboard("store", published=False)
    assert "persistence" in str(board)
    assert list(board.to_frame()["method"]) == [s.method for table in board.tables for s in table.standings]
    assert "<table" in board._repr_html_()
    assert board.to_html().startswith("<!doctype html>")
    assert all(finding.ok for finding in dynamark.check(LINE, task=[WALK]))
