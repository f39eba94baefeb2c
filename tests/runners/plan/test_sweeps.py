"""Sweeps of a suite: one task per value of a field, refused in one line where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import DRAWN, LINE, WALK

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.runners.plan.complete import load_named
from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.suite import load_suite, shipped_sweeps, suite_names
from dynamark.runners.run import run

SWEEP = {
    "name": "noise",
    "question": "why?",
    "task": WALK,
    "field": "noise",
    "values": [0, 0.1, 0.5],
    "methods": [LINE],
}


def suite_file(folder: Path, *sweeps: dict[str, Any], top: str = 'tier = "tiny"\nseeds = 2\n') -> str:
    tables = []
    for sweep in sweeps or ({},):
        whole = {k: v for k, v in {**SWEEP, **sweep}.items() if v is not None}
        tables.append("[[sweeps]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in whole.items()))
    path = folder / "axis.toml"
    path.write_text(top + "\n".join(tables))
    return str(path)


def test_a_sweep_is_one_task_per_value_and_runs_as_any_suite(tmp_path: Path) -> None:
    path = suite_file(tmp_path, {"methods": [LINE, DRAWN]})
    suite = load_named(path)
    (sweep,) = suite.sweeps
    assert suite.entries == (sweep.entry,)
    assert [spec.fields for spec in sweep.entry.tasks] == [{"noise": value} for value in (0, 0.1, 0.5)]
    assert (sweep.base, sweep.suite, sweep.lower_is_better) == (WALK, "axis", True)
    assert len(expand(suite).runs) == 3 * 2 * 2
    report = run(path, store=tmp_path / "store", engine="inline", method=LINE)
    assert report.statuses == {"ok": 6}


WRONG: dict[str, dict[str, Any]] = {
    "unknown key 'fields' in .*sweeps": {"fields": 1},
    "a sweep lacks question": {"question": None},
    "sweep 'noise': invalid values = .*: expected a list of two or more numbers": {"values": [1]},
    "values .* must be in ascending order, each once": {"values": [0.5, 0.1]},
    "expected a list of two or more number": {"values": [True, 2]},
    'invalid better = .less.: expected "lower" or "higher"': {"better": "less"},
    "invalid target = 'low': expected a number": {"target": "low"},
    "without an alias and without the field 'noise'": {"task": f"{WALK}(noise=0.2)"},
    r"'va\*' must be the name of one method": {"methods": ["va*"]},
    "invalid field = 3: expected a string": {"field": 3},
    "sweep noise: .*no parameter 'nois'": {"field": "nois"},
    "sweep noise: unknown score 'err'; did you mean error": {"score": "err"},
    "'error' is better when lower; write better = .lower.": {"better": "higher"},
    "method gd is listed twice": {"methods": ["gd", "gd"]},
    "'vaw' does not solve Forecasting problems": {"methods": [LINE, "vaw"]},
}


@pytest.mark.parametrize(("message", "changed"), WRONG.items())
def test_what_is_wrong_with_a_sweep_is_said_in_one_line(tmp_path: Path, message: str, changed: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_named(suite_file(tmp_path, changed))
    assert "\n" not in str(error.value)
    assert "axis" in str(error.value)


def test_two_sweeps_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two sweeps are called 'noise'"):
        load_suite(suite_file(tmp_path, {}, {}))


def test_a_suite_without_runs_and_sweeps_is_refused_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.toml"
    path.write_text('tier = "tiny"\nseeds = 1\n')
    assert main(["run", str(path)]) == 2
    assert "no [[runs]] and no [[sweeps]]" in capsys.readouterr().err


def test_every_shipped_sweep_loads_with_its_tasks_and_scores() -> None:
    sweeps = shipped_sweeps()
    assert {sweep.suite for sweep in sweeps} <= set(suite_names())
    assert {sweep.field for sweep in sweeps} >= {"train", "sites", "noise", "box", "rayleigh"}
    for name in dict.fromkeys(sweep.suite for sweep in sweeps):
        assert len(expand(load_named(name), seeds=1).runs) >= sum(
            len(sweep.values) for sweep in sweeps if sweep.suite == name
        )
