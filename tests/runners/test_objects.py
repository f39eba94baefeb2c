"""What Python callers give: text, Spec, class, instance, and lists of these; for methods and tasks alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import LINE, WALK, write_suite

import dynamark
from dynamark.errors import UserError
from dynamark.methods.koopman.edmd import EDMD
from dynamark.methods.trivial import Persistence
from dynamark.runners.objects import one_spec, specs_of
from dynamark.runners.registry import load
from dynamark.runners.spec import Spec, parse
from dynamark.tasks.chaos.instances import Lorenz63

Line, Walk = load(LINE, "method"), load(WALK, "task")

FORMS = {
    "text": (LINE, WALK),
    "spec": (parse(LINE), parse(WALK)),
    "class": (Line, Walk),
    "instance": (Line(), Walk()),
    "list": ([LINE], [Walk]),
    "tuple": ((Line(),), (WALK,)),
}


@pytest.mark.usefixtures("checks_in_this_process")
@pytest.mark.parametrize("form", FORMS)
def test_every_public_function_takes_every_form(form: str, tmp_path: Path) -> None:
    method, task = FORMS[form]
    suite = write_suite(tmp_path / "s.toml", ["persistence"], [WALK], seeds=1)
    report = dynamark.run(suite, method=method, store=tmp_path / "a", engine="inline")
    assert [run.method.label for run in report.plan.runs] == ["walk.py:Line"]
    report = dynamark.run(suite, task=task, store=tmp_path / "b", engine="inline")
    assert {str(run.row["task"]).rpartition(":")[2] for run in report.plan.runs} == {"Walk"}
    assert report.statuses == {"ok": 1}
    if form not in ("list", "tuple"):
        assert all(finding.ok for finding in dynamark.check(method, task=task))


def test_an_instance_keeps_its_fields(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s.toml", ["persistence"], [WALK], seeds=1)
    report = dynamark.run(suite, method=[Line(gain=0.5), Line], store=tmp_path, engine="inline")
    assert [run.method.label for run in report.plan.runs] == ["walk.py:Line(gain=0.5)", "walk.py:Line"]


def test_what_the_catalog_has_goes_by_its_name() -> None:
    assert one_spec(Persistence, "method") == Spec("persistence")
    assert one_spec(EDMD(size=7), "method") == Spec("edmd", {"size": 7})
    assert one_spec(Lorenz63, "task") == Spec("chaos/lorenz63")


def test_a_lone_glob_is_one_glob(tmp_path: Path) -> None:
    report = dynamark.run("quick", task="koopman/*", method="persistence", seeds=1, engine="inline", store=tmp_path)
    assert {run.row["family"] for run in report.plan.runs} == {"koopman"}


def test_a_task_that_the_suite_does_not_list_joins_with_all_methods(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s.toml", ["persistence", "vaw"], ["chaos/lorenz63", "lds/regret"], seeds=1)
    report = dynamark.run(suite, task=WALK, store=tmp_path, engine="inline")
    assert [(run.row["task"], run.row["method"]) for run in report.plan.runs] == [("walk.py:Walk", "persistence")]
    assert not report.plan.not_applicable


def test_a_task_of_a_file_joins_a_family_by_an_alias(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s.toml", ["persistence"], [f"chaos/walk={WALK}"], seeds=1)
    report = dynamark.run(suite, store=tmp_path, engine="inline")
    assert [(run.row["family"], run.row["task"]) for run in report.plan.runs] == [("chaos", "chaos/walk")]


@pytest.mark.parametrize("given", [3, object(), object, [None]])
def test_what_is_no_method_is_refused(given: Any) -> None:
    with pytest.raises(UserError, match="is not a method; give a name"):
        specs_of(given, "method")


def test_a_method_without_a_protocol_is_told_which_method_it_lacks() -> None:
    with pytest.raises(
        TypeError, match=r"Spec solves no kind of problem: it must implement fit_forecaster\(problem, run\)"
    ):
        specs_of([type("Spec", (), {"__dataclass_fields__": {}})], "method")


@pytest.mark.parametrize(
    ("words", "reason"),
    [("engine='inlne'", "unknown engine 'inlne'; did you mean inline"), ("device='gpu'", "unknown device 'gpu'")],
)
def test_python_errors_speak_of_arguments(words: str, reason: str) -> None:
    # Away from the type checker of the tests, which would see it first.
    code = f"import dynamark\ntry: dynamark.run('quick', {words})\nexcept dynamark.UserError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(reason)
    assert "--" not in done.stdout


def test_a_report_is_short_and_shows_failures(tmp_path: Path) -> None:
    faulty = LINE.replace("walk.py:Line", "faulty.py:Faulty")
    suite = write_suite(tmp_path / "s.toml", [faulty, LINE], seeds=7)
    report = dynamark.run(suite, store=tmp_path / "r", engine="inline")
    lines = repr(report).splitlines()
    assert lines[0] == f"Report(7 error, 7 succeeded; 0 cached; results in {tmp_path / 'r'})"
    assert lines[1].startswith("  error: faulty.py:Faulty on walk.py:Walk, seed 0: ZeroDivisionError: no such luck")
    assert lines[-1] == "  and 2 more failures"


def test_the_place_of_an_error_is_the_authors_own_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nimport torch\n\n@dataclass(frozen=True)\nclass Mine:\n"
        "    def fit_forecaster(self, problem, run):\n        torch.linalg.cholesky(-torch.eye(2))\n"
    )
    suite = write_suite(tmp_path / "s.toml", ["persistence"], [WALK], seeds=1)
    for engine in ("inline", "local"):
        report = dynamark.run(suite, method=f"{tmp_path}/mine.py:Mine", store=tmp_path / engine, engine=engine)
        assert str(report.failures[0]["reason"]).endswith("(mine.py:7)")


def test_fields_without_a_default_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "needs.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Needs:\n    hidden: int\n\n"
        "    def fit_forecaster(self, problem, run):\n        return self\n\n"
        "    def forecast(self, context, horizon, inputs=None):\n"
        "        return context.observations[:, -1:].expand(-1, horizon, -1)\n"
    )
    suite = write_suite(tmp_path / "s.toml", ["persistence"], [WALK], seeds=1)
    report = dynamark.run(suite, method=f"{tmp_path}/needs.py:Needs(hidden=3)", store=tmp_path, engine="inline")
    assert report.plan.runs[0].method.label == "needs.py:Needs(hidden=3)"
    with pytest.raises(UserError, match=r"cannot create 'needs\.py:Needs'.*hidden"):
        dynamark.run(suite, method=f"{tmp_path}/needs.py:Needs", store=tmp_path, engine="inline")


def test_a_file_without_a_class_is_answered_with_its_classes(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("class Mine: ...\n")
    with pytest.raises(UserError, match=r"bad\.py does not name a class; write .*bad\.py:Mine"):
        dynamark.check(f"{tmp_path}/bad.py")


def test_bad_input_of_check_is_told_before_any_process_starts() -> None:
    command = [sys.executable, "-m", "dynamark", "check", LINE, "--task", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [next(line for line in done.stderr.splitlines())]
    assert done.stderr.startswith("dynamark: error: unknown task 'nonsense'")


def test_an_undeclared_score_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        f"import sys; sys.path.insert(0, {str(Path(WALK).parent)!r})\n"
        "from dataclasses import dataclass, replace\nfrom walk import Walk\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Loud(Walk):\n"
        "    def score(self, solution, seed):\n        scores = super().score(solution, seed)\n"
        "        return replace(scores, values={**scores.values, 'loudness': 1.0})\n"
    )
    suite = write_suite(tmp_path / "s.toml", ["persistence"], [f"{tmp_path}/loud.py:Loud"], seeds=1)
    report = dynamark.run(suite, store=tmp_path / "r", engine="inline")
    assert "gave the score 'loudness', which is not among its metrics" in str(report.failures[0]["reason"])
