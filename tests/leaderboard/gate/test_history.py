"""A history finds the point at which a score changed, and finds nothing where nothing did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import rows_of, store

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.leaderboards.gate.history import history
from dynamark.leaderboards.gate.trend import render

TASKS = [f"chaos/t{i}" for i in range(3)]
METHODS = [f"m{i}" for i in range(4)]


def point(folder: Path, rng: np.random.Generator, spread: float, **factors: float) -> Path:
    """A store of scores with noise that is drawn anew; factors: by method."""
    scores: Any = {
        m: {t: factors.get(m, 1.0) * np.exp(spread * rng.standard_normal(5)) for t in TASKS} for m in METHODS
    }
    return Path(store(folder, rows_of(scores)))


def test_fifty_unchanged_revisions_raise_no_alarm(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    line = history([point(tmp_path / str(k), rng, 0.05) for k in range(50)])
    assert line.steps == ()
    assert len(line.lines) == len(TASKS) * len(METHODS)
    assert all(len(one.scores) == 50 for one in line.lines)


def test_a_step_is_found_where_it_happened(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    factors = [1.0, 1.0, 1.6, 1.6, 1.0]
    sources = [point(tmp_path / str(k), rng, 0.01, m1=factor) for k, factor in enumerate(factors)]
    steps = history(sources).steps
    assert {(step.point, step.verdict.method, step.verdict.verdict) for step in steps} == {
        (str(sources[2]), "m1", "worse"),
        (str(sources[4]), "m1", "better"),
    }
    assert {step.verdict.task.partition(" ")[0] for step in steps} == set(TASKS)


def test_a_method_that_joins_and_one_that_fails(tmp_path: Path) -> None:
    both = rows_of({"m": {"chaos/a": [1.0, 2.0]}, "n": {"chaos/a": [1.0, 2.0]}})
    first = store(tmp_path / "0", rows_of({"m": {"chaos/a": [1.0, 2.0]}}))
    second = store(tmp_path / "1", both)
    third = store(tmp_path / "2", [{**row, "status": "crashed", "primary": None, "reason": "x"} for row in both])
    line = history([first, second, third])
    assert [(s.point, s.verdict.method, s.verdict.verdict) for s in line.steps] == [
        (str(third), "m", "failed"),
        (str(third), "n", "failed"),
    ]
    scores = {one.method: one.scores for one in line.lines}
    assert scores == {"m": (1.5, 1.5, None), "n": (None, 1.5, None)}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    sources = [str(point(tmp_path / str(k), rng, 0.0, m1=1 + k)) for k in range(2)]
    assert main(["history", *sources, "--method", "m1", "--task", "chaos/t0", "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [step["verdict"] for step in content["steps"]] == ["worse"]
    assert [line["scores"] for line in content["lines"]] == [[1.0, 2.0]]
    assert main(["history", *sources]) == 0
    text = capsys.readouterr().out
    assert "worse" in text
    assert text.count("m1") == 6
    assert render(history(sources), "md").count("| m1") >= 3


@pytest.mark.parametrize("words", [["a"], ["--last", "1"], ["--folder", "nowhere"]])
def test_bad_input_is_one_line(words: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_one_source_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least two"):
        history([tmp_path])
