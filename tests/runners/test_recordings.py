"""Recordings in suites, on the command line and in Python: planned, run, kept, and run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from support import write_suite

import dynamark
from dynamark import UserError
from dynamark.cli import main
from dynamark.results.store import Store
from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.suite import load_suite
from dynamark.runners.registry import resolve_task
from dynamark.runners.reproduce import rerun
from dynamark.runners.spec import Spec, parse, relative_to
from dynamark.tasks.recorded import contents

RNG = np.random.default_rng(0)


def write(path: Path, seed: int = 0, count: int = 160) -> Path:
    rng = np.random.default_rng(seed)
    time = np.arange(count)
    values = np.stack([np.sin(time / 2), np.cos(time / 2)], axis=1) + 0.1 * rng.standard_normal((count, 2))
    frame = pandas.DataFrame(values, columns=["t", "p"])
    frame.insert(0, "time", 0.1 * time)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)
    return path


def row_of(store: Path) -> dict[str, Any]:
    (row,) = Store(store).rows().to_pylist()
    return row


def test_a_suite_file_with_a_recording_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are relative to the file, whatever the current folder and the folder's name."""
    home = write(tmp_path / "mine (1)=a" / "data" / "weather.csv").parents[1]
    tasks = [
        "recorded(path='data/weather.csv', channels=('t',), horizon=5)",
        "one/step=recorded(path='data/weather.csv', goal='onestep')",
    ]
    suite = write_suite(home / "s.toml", ["persistence", "arx"], tasks, seeds=1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder, name in ((elsewhere, suite), (home, "s.toml")):
        monkeypatch.chdir(folder)
        plan = expand(load_suite(name))
        assert {(run.task.name, run.task.fields()["channels"]) for run in plan.runs} == {
            ("recorded/weather", ("t",)),
            ("one/step", ("t", "p")),
        }
    report = dynamark.run("s.toml", store=tmp_path / "store", engine="inline")
    assert report.statuses == {"ok": 3}
    assert dynamark.run(suite, store=tmp_path / "store").skipped == 3


def test_classes_in_files_are_relative_to_the_suite_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "runs (2)=b"
    home.mkdir()
    source = Path(__file__).parents[1] / "plugins" / "walk.py"
    (home / "walk.py").write_text(source.read_text())
    suite = write_suite(home / "s.toml", ["mine=walk.py:Line(gain=0.5)", "walk.py:Line"], ["walk.py:Walk"], seeds=1)
    monkeypatch.chdir(tmp_path)
    plan = expand(load_suite(suite))
    assert [run.method.label for run in plan.runs] == ["mine", "walk.py:Line"]
    spec = parse(f"{home}/walk.py:Line(gain=0.5)")
    assert (spec.name, dict(spec.fields)) == (f"{home}/walk.py:Line", {"gain": 0.5})
    assert parse(f"a/b={home}/walk.py:Line").alias == "a/b"
    monkeypatch.chdir(home.parent)
    assert parse("runs (2)=b/walk.py:Line") == Spec("runs (2)=b/walk.py:Line")
    assert relative_to(Path("x"), parse("recorded(path='/abs/a.csv')")).fields["path"] == "/abs/a.csv"


def test_the_key_follows_the_content(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s.toml", ["persistence"], ["recorded(path='weather.csv')"], seeds=1)
    keys = []
    for seed in (0, 0, 1):
        write(tmp_path / "weather.csv", seed)
        keys.append(expand(load_suite(suite)).runs[0].key)
    assert keys[0] == keys[1] != keys[2]


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a" / "weather.csv", 0)
    write(tmp_path / "b" / "weather.csv", 1)
    both = ["recorded(path='a/weather.csv')", "recorded(path='b/weather.csv')"]
    with pytest.raises(UserError, match=r"two different tasks are called 'recorded/weather'; give one another name"):
        expand(load_suite(write_suite(tmp_path / "s.toml", ["persistence"], both)))
    both[1] = f"recorded/other={both[1]}"
    assert len(expand(load_suite(write_suite(tmp_path / "s.toml", ["persistence"], both))).runs) == 4


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_row_keeps_digest_and_name_and_is_run_again(engine: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "weather.csv")
    task = dynamark.recorded(path, horizon=7)
    report = dynamark.run("quick", task=task, method="persistence", seeds=1, store=tmp_path / "s", engine=engine)
    assert report.statuses == {"ok": 1}
    row = row_of(tmp_path / "s")
    fields = json.loads(row["task_fields"])
    assert (row["family"], row["task"], fields["source"]) == ("recorded", "recorded/weather", "weather")
    assert (fields["content"], fields["horizon"]) == (task.fields()["content"], 7)
    assert str(tmp_path) not in json.dumps(row)
    assert row["primary"]["score"] == "relative_error"
    assert (row["primary"]["baseline"], row["primary"]["oracle"]) == (1.0, None)
    assert rerun(row)["key"] == row["key"]
    assert rerun(row)["scores"] == row["scores"]


def test_a_row_is_run_again_where_the_file_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "weather.csv")
    dynamark.run(
        "quick", task=dynamark.recorded(path), method="persistence", seeds=1, store=tmp_path / "s", engine="inline"
    )
    row = row_of(tmp_path / "s")
    monkeypatch.setenv("DYNAMARK_CACHE", str(tmp_path / "other"))
    contents.load.cache_clear()
    with pytest.raises(UserError, match=r"not in the cache any more .*; give its file: --data FILE"):
        rerun(row)
    with pytest.raises(UserError, match=r"other.csv: its content .* is not that of task 'recorded/weather'"):
        rerun(row, data=write(tmp_path / "other.csv", 1))
    assert main(["reproduce", row["key"][:12], "--store", str(tmp_path / "s"), "--data", str(path)]) == 0


@pytest.mark.parametrize(
    ("suite", "method", "task"),
    [
        ("quick", "persistence", "recorded/weather"),
        ("lds/one_step", "arx", "recorded/weather/onestep"),
        ("koopman/delays", "training_mean", "recorded/weather"),
    ],
)
def test_the_command_runs_the_methods_of_a_suite_or_board_on_a_file(
    suite: str, method: str, task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "weather.csv")
    command = ["run", suite, "--data", str(path), "--method", method, "--seeds", "1", "--store", str(tmp_path / "s")]
    assert main([*command, "--engine", "inline"]) == 0
    out, err = capsys.readouterr()
    assert row_of(tmp_path / "s")["task"] == task
    assert "relative_error" in out
    assert f"{task}: 160 samples; channels t, p; dt 0.1 (column time)" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "none.csv"], "the recording none.csv does not exist"),
        (
            ["--data", "weather.csv", "--salt", "x"],
            "is a recording, of which a salt gives no other data; leave --salt out",
        ),
        (["--data", "weather.csv", "--channels", "q"], "weather.csv: unknown column 'q'"),
        (["--horizon", "5"], "--horizon describes a recording; give its file: --data FILE"),
        (["--data", "weather.csv", "--goal", "onestep", "--horizon", "5"], "goal='onestep' has no horizon"),
        (["--task", "recorded(horizon=5)"], "no file; write recorded(path='weather.csv')"),
        (["--task", "recorded(path='weather.csv', lenght=5)"], "unknown option of recorded: 'lenght'"),
        (["--task", "recorded(path='weather.csv', channels=5)"], "channels must be a name or a tuple of names"),
    ],
)
def test_faults_are_one_line_and_exit_code_2(
    words: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here / "weather.csv")
    assert main(["run", "quick", *words]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert message in err[-1]


def test_a_salt_skips_recordings_of_a_suite_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "weather.csv")
    tasks = ["recorded(path='weather.csv')", "koopman/duffing"]
    suite = write_suite(tmp_path / "s.toml", ["persistence"], tasks, seeds=1)
    plan = expand(load_suite(suite), salt="x")
    assert [run.task.name for run in plan.runs] == ["koopman/duffing"]
    assert plan.not_applicable == (
        ("recorded/weather", "every method", "is a recording, of which a salt gives no other data; leave --salt out"),
    )


def test_a_suite_without_forecasts_takes_no_recording(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here / "weather.csv")
    suite = write_suite(here / "s.toml", ["vaw"], ["lds/regret"])
    assert main(["run", suite, "--data", "weather.csv"]) == 2
    assert "cannot be put to a recording" in capsys.readouterr().err


def test_tiers_differ_in_the_budget_only(tmp_path: Path) -> None:
    spec = Spec("recorded", {"path": str(write(tmp_path / "weather.csv"))})
    tiny, standard = resolve_task(spec, "tiny"), resolve_task(spec, "standard")
    assert (tiny.budget, standard.budget) == (300, 1500)
    assert tiny.fields() == {**standard.fields(), "tier": "tiny", "updates": 300}
    with pytest.raises(UserError, match="unknown tier"):
        resolve_task(spec, "huge")
