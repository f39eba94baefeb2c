"""The page's trends: a line per method and task, a dot where a step is significant, and few bytes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import row, store

from dynamark.cli import main
from dynamark.leaderboards.assemble import leaderboard
from dynamark.leaderboards.gate.compare import Verdict
from dynamark.leaderboards.gate.history import History, Line, Step
from dynamark.leaderboards.page.trends import trends_section

POINTS = tuple(f"rev{k:02}:results/published" for k in range(20))


def line(k: int, *scores: float | None) -> Line:
    whole = (*scores, *(1.0 for _ in POINTS[len(scores) :]))
    return Line(f"chaos/task-{k} [tiny]", f"method<{k}>", "error", whole, (None,) * len(POINTS))


def test_a_step_is_a_dot_at_its_revision() -> None:
    step = Step(POINTS[3], Verdict("chaos/task-1 [tiny]", "method<1>", "worse", "error +50.0% over 5 seeds"))
    text = trends_section(History(POINTS, (line(0), line(1, 0.5, None, 0.5)), (step,)))
    assert text.count('<circle class="worse"') == 1
    assert "<title>rev03: worse, error +50.0% over 5 seeds</title>" in text
    assert "<li><code>rev03</code>: <b>worse</b>, method&lt;1&gt; on chaos/task-1 [tiny]" in text
    assert "method<1" not in text
    assert "20 revisions, from <code>rev00</code> to <code>rev19</code>" in text
    path = re.findall(r'<path d="([^"]*)"', text)[1]
    assert path.count("M") == 2, "a gap where a revision has no score"
    (dot,) = re.findall(r'cx="(\d+)" cy="(\d+)"', text)
    assert "{} {}".format(*dot) in path


def test_lines_with_steps_are_never_left_out() -> None:
    lines = tuple(line(k, 0.1) for k in range(100))
    step = Step(POINTS[1], Verdict("chaos/task-77 [tiny]", "method<77>", "better", "x"))
    still = replace(lines[77], scores=(1.0,) * 20)
    text = trends_section(History(POINTS, (*lines[:77], still, *lines[78:]), (step,)))
    assert "method&lt;77&gt;" in text
    assert text.count("<svg") == 60
    assert "40 lines that moved less are not shown" in text
    assert len(text.encode()) < 50_000, "the page has a limit of its own"


@pytest.mark.parametrize("scores", [(0.0, 1e9), (float("inf"), 1.0), (1e-300, 1e300), (-1.0, 1.0), (None, None)])
def test_any_scores_can_be_drawn(scores: tuple[float | None, ...]) -> None:
    text = trends_section(History(POINTS, (line(0, *scores),), ()))
    assert "No significant change." in text
    assert "nan" not in text.lower().replace("nan-", "")


def test_no_history_is_no_section(tmp_path: Path) -> None:
    assert trends_section(None) == trends_section(History(POINTS, (), ())) == ""
    board = leaderboard(store(tmp_path / "s", [row(), row("n", value=2.0)]), published=False)
    assert 'href="#trends"' not in board.to_html()
    text = board.to_html(History(POINTS, (line(0),), ()))
    assert '<a href="#trends">Trends</a>' in text
    assert 'id="trends"' in text


@pytest.mark.parametrize("words", [["--history", "5"], ["--history", "1", "--format", "html"]])
def test_bad_input_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", *words]) == 2
    assert "--history needs --format html" in capsys.readouterr().err
