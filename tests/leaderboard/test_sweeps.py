"""Sweeps on the leaderboard: medians with intervals, slopes, the value that reaches a target, in text and on the page."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_support import HOSTILE, outline
from synthetic import arrow, row, store

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.leaderboards.assemble import leaderboard
from dynamark.leaderboards.page.sweep_section import sweep_sections
from dynamark.leaderboards.sweep_text import bounds_text, sweep_json, sweep_text
from dynamark.leaderboards.sweeps import Bounds, SweepTable, reached_at, slope_of, sweep_table
from dynamark.runners.plan.suite import Entry, Sweep, shipped_sweeps
from dynamark.runners.spec import Spec

pytestmark = pytest.mark.usefixtures("nothing_published")

VALUES = (10, 100, 1000, 10_000)


def sweep(**changed: Any) -> Sweep:
    tasks = tuple(Spec("chaos/a", {"train": value}) for value in VALUES)
    entry = Entry(tasks, (Spec("fast"), Spec("slow")), "tiny", 5)
    return Sweep(
        **{"name": "samples", "question": "How many?", "entry": entry, "field": "train", "values": VALUES, **changed}
    )


def rows_of_sweep(own: Sweep, exponents: dict[str, float], **more: Any) -> list[dict[str, Any]]:
    """Scores value^-p times a factor per seed between 0.8 and 1.25, whose median is 1."""
    factors = (0.8, 0.9, 1.0, 1.1, 1.25)
    return [
        row(method, task, seed, value**-p * factors[seed], **more)
        for method, p in exponents.items()
        for (task, value), seed in itertools.product(zip(own.tasks, own.values, strict=True), range(5))
    ]


def table(exponents: dict[str, float], **changed: Any) -> SweepTable:
    own = sweep(**changed)
    return sweep_table(own, arrow(rows_of_sweep(own, exponents)))


def test_a_default_that_labels_omit_and_a_float_that_they_write_out_are_values_of_the_sweep() -> None:
    own = sweep()
    labels = ["chaos/a", "chaos/a(train=100.0)", *own.tasks[2:]]
    rows = [
        row("fast", label, seed, 1 / value, task_fields=json.dumps({"train": value}))
        for (label, value), seed in itertools.product(zip(labels, VALUES, strict=True), range(5))
    ]
    (line,) = sweep_table(own, arrow(rows)).lines
    assert [point.runs for point in line.points] == [5] * 4
    assert [point.median for point in line.points] == [1 / value for value in VALUES]


def test_a_power_law_has_its_exponent_as_slope_and_reaches_its_target_where_it_should() -> None:
    result = table({"fast": 1.0, "slow": 0.5}, target=1e-3)
    assert [line.method for line in result.lines] == ["fast", "slow"]
    fast, slow = result.lines
    for line, exponent, at in ((fast, 1.0, 1e3), (slow, 0.5, math.inf)):
        assert line.slope is not None
        assert line.reached is not None
        assert line.slope.value == pytest.approx(-exponent)
        assert line.slope.low < -exponent < line.slope.high
        assert line.reached.value == pytest.approx(at)
        assert [point.median for point in line.points] == pytest.approx([v**-exponent for v in VALUES])
        assert all(p.low is not None and p.low < p.median < p.high for p in line.points)  # type: ignore[operator]
        assert line.slope.high - line.slope.low > 0.02  # values are resampled independently: seeds share no data
    assert fast.reached is not None
    assert 799 < fast.reached.low < 1000 < fast.reached.high < 1251


def test_the_target_is_interpolated_between_two_values_as_a_power_law() -> None:
    axis = np.array([1.0, 100.0])
    assert reached_at(axis, np.array([1.0, 1e-4]), 1e-2) == pytest.approx(10.0)
    assert reached_at(axis, np.array([1.0, 1e-4]), 2.0) == 1.0
    assert reached_at(axis, np.array([1.0, 0.5]), 1e-2) == math.inf
    assert reached_at(axis, np.array([1.0, 4.0]), 2.0, lower_is_better=False) == pytest.approx(10.0)
    assert reached_at(np.array([0.0, 2.0]), np.array([3.0, -1.0]), 1.0) == pytest.approx(
        1.0
    )  # linear where not positive
    assert reached_at(axis, np.array([math.inf, 1e-4]), 1e-2) == 100.0  # a failure: nothing to interpolate


def test_a_slope_needs_four_positive_scores() -> None:
    axis = np.array([1.0, 2.0, 4.0, 8.0])
    assert slope_of(axis, axis**3) == pytest.approx(3)
    assert slope_of(axis, np.array([1.0, 2.0, math.inf, 4.0])) is None
    assert slope_of(np.array([0.0, 2.0, 4.0, 8.0]), axis) is None


def test_a_failed_run_is_worse_than_every_score_and_half_of_them_fail_the_point() -> None:
    own = sweep(target=0.5)
    rows = rows_of_sweep(own, {"fast": 1.0})
    for k in (0, 1, 2):
        rows[k] = row("fast", own.tasks[0], k, None)
    rows[5] = row("fast", own.tasks[1], 0, None)
    (line,) = sweep_table(own, arrow(rows)).lines
    first, second = line.points[:2]
    assert (first.median, first.failed, first.runs) == (None, 3, 5)
    assert second.median == pytest.approx(0.01 * 1.1)  # the best seed failed: the median moves up
    assert line.slope is None
    assert line.reached is not None
    assert line.reached.value == 100


def test_another_score_than_the_primary_one_and_its_direction() -> None:
    own = sweep(score="valid_time", lower_is_better=False, target=2.0)
    rows = [
        row(method, task, seed, 1.0, scores=[{"name": "valid_time", "value": gain * math.log10(value)}])
        for method, gain in (("slow", 0.6), ("fast", 1.0))
        for (task, value), seed in itertools.product(zip(own.tasks, own.values, strict=True), range(5))
    ]
    result = sweep_table(own, arrow(rows))
    assert result.metric == "valid_time"
    assert [line.method for line in result.lines] == ["fast", "slow"]
    reached = result.lines[0].reached
    assert reached is not None
    assert [reached.value, reached.low, reached.high] == pytest.approx([100.0, 100.0, 100.0])
    assert result.lines[0].points[3].median == pytest.approx(4)


def test_only_public_plain_rows_of_the_sweep_count() -> None:
    own = sweep()
    rows = rows_of_sweep(own, {"fast": 1.0})
    strange = [
        row("fast", own.tasks[0], 0, 99.0, salt="x"),
        row("fast", own.tasks[0], 7, 99.0),
        row("fast", own.tasks[0], 0, 99.0, tier="standard"),
        row("fast", own.tasks[0], 0, 99.0, method_fields='{"one of": [{}]}', finished="2027-01-01"),
        row("another", own.tasks[0], 0, 99.0),
    ]
    assert sweep_json(sweep_table(own, arrow([*rows, *strange]))) == sweep_json(sweep_table(own, arrow(rows)))


@pytest.mark.parametrize("format", ["terminal", "md", "tex"])
def test_text_has_a_row_per_method_and_says_what_is_beyond(format: str) -> None:
    text = sweep_text([table({"fast": 1.0, "slow": 0.5}, target=1e-3, suite="axis")], format)
    assert "axis: samples" in text
    assert (
        "How many? Median error (lower is better) with its 95 % interval over seeds, chaos/a, tier tiny, by train."
        in text
    )
    fast, slow = (line for line in text.splitlines() if line.strip(" |").startswith(("fast", "slow")))
    assert "0.001 [0.0008, 0.0013]" in fast.replace("\\[", "[").replace("\\]", "]")
    assert "10000" in slow
    assert sweep_text([table({})], format) == ""


def test_bounds_beyond_the_largest_value_are_said_to_be_larger() -> None:
    assert bounds_text(Bounds(math.inf, 900.0, math.inf), 1000) == "> 1000 [900, > 1000]"
    assert bounds_text(Bounds(math.inf, math.inf, math.inf), 1000) == "> 1000"
    assert bounds_text(None) == ""


def test_the_page_draws_a_line_and_intervals_and_names_stay_harmless() -> None:
    hostile = sweep(target=1e-3, question=HOSTILE, suite="axis")
    text = sweep_sections([sweep_table(hostile, arrow(rows_of_sweep(hostile, {"fast": 1.0, "slow": 0.5})))])
    outline(text)
    assert "<img" not in text
    assert text.count('class="line c0"') == 1 + len(VALUES)
    assert "train for error &lt;= 0.001" in text
    assert '<td title="0.0008 to 0.00125; 5 runs, 0 failed">0.001</td>' in text.replace("8·10⁻⁴", "0.0008")
    assert sweep_sections([]) == ""


def shipped_rows(folder: Path) -> tuple[Sweep, Path]:
    own = next(s for s in shipped_sweeps() if s.field == "noise")
    scores = [{"name": own.score, "value": 0.5}]
    rows = [row("ngrc", task, seed, 1.0, scores=scores) for task in own.tasks for seed in range(own.entry.seeds)]
    return own, store(folder / "store", [*rows, row("gd", "sensing/psd", 0)])


def test_rows_of_a_sweep_stand_there_and_in_no_other_table(tmp_path: Path) -> None:
    own, folder = shipped_rows(tmp_path)
    board = leaderboard(folder)
    assert [table.sweep for table in board.sweeps] == [own]
    assert {t.name for table in board.tables for t in table.tasks} == {"sensing/psd"}
    text, page = board.to_text(), leaderboard(folder, family="chaos").to_html()
    assert f"{own.suite}: {own.name}" in text
    assert '<section id="sweeps"' in page
    assert '<a href="#sweeps">Axes</a>' in page
    outline(page)
    (plain,) = (entry for entry in json.loads(board.to_text("json")) if "sweep" in entry)
    assert [p["median"] for p in plain["lines"][0]["points"]] == [0.5] * len(own.values)
    assert leaderboard(folder, family="sensing").sweeps == []
    assert leaderboard(folder, method="gd").sweeps == []


def test_sweeps_of_your_own_suite_file_are_shown_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'tier = "tiny"\nseeds = 2\n[[sweeps]]\nname = "mine"\nquestion = "?"\ntask = "chaos/rossler"\nfield = "noise"\n'
        'values = [0.1, 0.2]\nmethods = ["ngrc"]\n'
    )
    rows = [row("ngrc", f"chaos/rossler(noise={value})", seed) for value in (0.1, 0.2) for seed in range(2)]
    folder = store(tmp_path / "store", rows)
    assert main(["leaderboard", "--no-published", "--store", str(folder), "--suite", str(path)]) == 0
    assert "mine: mine" in capsys.readouterr().out
    with pytest.raises(UserError, match="does not exist"):
        leaderboard(folder, suites=[tmp_path / "absent.toml"])
