"""Tables of boards: complete methods only, no failure hidden, bands that tell good from trivial."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from synthetic import arrow, row, rows_of

from dynamark.leaderboards import statistics
from dynamark.leaderboards.assemble import Leaderboard, Selection
from dynamark.leaderboards.board_text import board_json, board_text
from dynamark.leaderboards.boards import BoardTable, board_table, family_ranks
from dynamark.leaderboards.rows import prepare
from dynamark.leaderboards.table import tables
from dynamark.runners.plan.board import Board
from dynamark.runners.plan.suite import Entry
from dynamark.runners.spec import Spec

TASKS = [f"chaos/t{k}" for k in range(7)]
UNTUNED = frozenset({"persistence"})
TUNED = json.dumps({"one of": [{}, {"rate": 1}], "rate": 0})


def board(methods: list[str], seeds: int = 5) -> Board:
    entry = Entry(tuple(map(Spec, TASKS)), tuple(map(Spec, methods)), "tiny", seeds)
    return Board("chaos/b", "?", (entry,), family="chaos", question="?", tier="tiny", seeds=seeds, untuned=UNTUNED)


def rows_with(skills: dict[str, Any], seeds: int = 5, **more: Any) -> list[dict[str, Any]]:
    """Rows whose skill is near what is given, a number or one a task; None is a failure."""
    rng = np.random.default_rng(0)
    collected = []
    for method, skill in skills.items():
        for k, task in enumerate(TASKS):
            for seed in range(seeds):
                own = skill[k] if isinstance(skill, list) else skill
                noise = 0.01 * rng.standard_normal()
                value = None if own is None else float(10 * 1000 ** -(own + (noise if 0 < own < 1 else 0)))
                collected.append(row(method, task, seed, value, method_fields=TUNED, **more))
    return collected


def table(skills: dict[str, Any], rows: list[dict[str, Any]] | None = None) -> BoardTable:
    return board_table(board(list(skills)), arrow(rows_with(skills) if rows is None else rows))


def test_only_complete_methods_are_ranked_and_holes_come_with_the_command_that_fills_them() -> None:
    skills = {"whole": 0.5, "easy": 0.9, "absent": 0.1}
    rows = [r for r in rows_with(skills) if r["method"] == "whole" or (r["method"] == "easy" and r["task"] == TASKS[0])]
    ranking = table(skills, rows)
    assert [p.method for p in ranking.places] == ["whole"]
    assert [(h.method, h.runs, h.possible) for h in ranking.holes] == [("absent", 0, 35), ("easy", 5, 35)]
    assert ranking.holes[1].command == "dynamark run chaos/b --method easy"


def test_total_failure_on_a_quarter_of_the_tasks_is_not_hidden() -> None:
    ranking = table({"fails": [None, 1.0, 1.0, 1.0, 1.0, 1.0, None], "solid": 0.8})
    assert [(p.method, p.lost, p.failed) for p in ranking.places] == [("solid", 0, 0), ("fails", 2, 10)]
    assert ranking.places[1].skill == pytest.approx(5 / 7)


def test_one_failed_seed_is_shown_and_does_not_decide() -> None:
    rows = rows_with({"a": 0.9, "b": 0.6})
    rows[0] = row("a", TASKS[0], 0, None, method_fields=TUNED)
    ranking = table({"a": 0, "b": 0}, rows)
    assert [(p.method, p.failed, p.lost) for p in ranking.places] == [("a", 1, 0), ("b", 0, 0)]
    assert ranking.places[0].skill == pytest.approx(0.9, abs=0.02)


def test_a_method_that_failed_everywhere_is_last_even_below_one_of_skill_0() -> None:
    ranking = table({"dead": None, "trivial": 0})
    assert [p.method for p in ranking.places] == ["trivial", "dead"]
    assert ranking.places[1].lost == 7


@pytest.mark.parametrize("status", ["crashed", "diverged"])
def test_methods_without_an_answer_are_ranked_first_nowhere(status: str) -> None:
    """Neither beside a method of skill 0, which a worst score ties with, nor alone, where nobody is better."""

    def broken(name: str) -> list[dict[str, Any]]:
        rows = rows_with({name: None})
        if status == "diverged":
            rows = [{**r, "status": status, "primary": row(name, value=10.0)["primary"]} for r in rows]
        return rows

    beside = table({"a dead": 0, "trivial": 0}, [*broken("a dead"), *rows_with({"trivial": 0})])
    assert [p.method for p in beside.places] == ["trivial", "a dead"]
    assert beside.dead == ("a dead",)
    alone = table(dict.fromkeys("abc", 0), [r for name in "abc" for r in broken(name)])
    assert alone.places == ()
    assert alone.dead == ("a", "b", "c")


def test_the_mean_and_a_good_method_share_no_band_among_twenty() -> None:
    skills = {"good": 0.9, "mean": 0.0} | {f"m{k:02}": 0.9 - 0.04 * k for k in range(1, 20)}
    ranking = table(skills)
    band = {p.method: p.band for p in ranking.places}
    assert band["good"] == 1 < band["mean"]
    assert band["m01"] > 1
    assert len(set(band.values())) > 5


def test_methods_that_cannot_be_told_apart_share_the_first_band() -> None:
    ranking = table({"a": 0.5, "b": 0.5, "c": 0.2})
    assert [p.band for p in ranking.places] == [1, 1, 2]
    assert [(p.rank, p.best, p.worst) for p in ranking.places] == [(1, 1, 2), (2, 1, 2), (3, 3, 3)]


def test_rows_that_did_not_compete_and_other_budgets_are_not_mixed_in() -> None:
    skills = {"a": 0.5, "b": 0.4}
    later = [{**r, "method_fields": "{}", "key": r["key"][::-1], "finished": "2027"} for r in rows_with({"a": 0.0})]
    assert table(skills, rows_with(skills) + later).places[0].skill == pytest.approx(0.5, abs=0.01)
    entry = Entry(tuple(map(Spec, TASKS)), (Spec("a"),), "tiny", 5, 7)
    narrow = Board("chaos/b", "?", (entry,), family="chaos", tier="tiny", seeds=5)
    assert not board_table(narrow, arrow(rows_with({"a": 0.5}, budget=8))).places
    assert board_table(narrow, arrow(rows_with({"a": 0.5}, budget=7))).places


def test_wins_are_shares_of_cells() -> None:
    ranking = table({"a": 0.9, "b": [0.95, 0.95, 0.1, 0.1, 0.1, 0.1, 0.1]})
    assert ranking.wins[0][1] == pytest.approx(5 / 7)
    assert ranking.wins[1][0] == pytest.approx(2 / 7)
    assert ranking.wins[0][0] == 0.5
    low, high = statistics.wilson(ranking.wins[0][1], ranking.cells)
    assert low < 5 / 7 < high
    assert statistics.wilson(5 / 7, 35) == pytest.approx(tuple(stats.binomtest(25, 35).proportion_ci(method="wilson")))


def test_scores_come_with_their_spread_and_seconds_a_task() -> None:
    rows = rows_with({"a": 0.9, "b": 0.5})
    for r in rows:
        r["fit_seconds"] = 1.0 + TASKS.index(r["task"])
    first = table({"a": 0, "b": 0}, rows).places[0]
    for task in TASKS:
        values = [r["primary"]["value"] for r in rows if (r["method"], r["task"]) == ("a", task)]
        assert first.spreads[task] == (min(values), max(values))
        assert first.scores[task] == np.median(values)
    assert first.times == {task: 1.0 + k for k, task in enumerate(TASKS)}


def test_without_a_scale_the_rank_orders() -> None:
    rows = [{**r, "primary": {**r["primary"], "oracle": None}} for r in rows_with({"a": 0.2, "b": 0.7})]
    ranking = table({"a": 0, "b": 0}, rows)
    assert [(p.method, p.skill, p.mean_rank) for p in ranking.places] == [("b", None, 1.0), ("a", None, 2.0)]


def test_the_cheapest_within_the_interval_of_the_first() -> None:
    rows = rows_with({"dear": 0.9, "cheap": 0.899, "poor": 0.1})
    for r in rows:
        r["fit_seconds"] = {"dear": 100.0, "cheap": 1.0, "poor": 0.1}[r["method"]]
    ranking = table({"dear": 0, "cheap": 0, "poor": 0}, rows)
    assert ranking.cheapest is not None
    assert ranking.cheapest.method == "cheap"


def test_ranks_over_boards_hold_methods_that_are_on_all() -> None:
    one, two = table({"a": 0.9, "c": 0.6, "b": 0.5}), table({"b": 0.9, "a": 0.5})
    assert family_ranks([one, two]) == (["chaos/b"] * 2, {"a": 1.5, "b": 1.5})  # c, on one board only, moves nobody
    assert family_ranks([one]) == ([], {})


def test_a_board_that_shares_no_method_leaves_the_mean_rank_of_the_others() -> None:
    tables = [table({"a": 0.9, "b": 0.5}), table({"a": 0.7, "b": 0.2, "x": 0.1}), table({"x": 0.9, "y": 0.5})]
    names, ranks = family_ranks(tables)
    assert len(names) == 2
    assert ranks == {"a": 1.0, "b": 2.0}


@given(st.integers(0, 2**32 - 1))
def test_the_interval_is_yuens_for_one_task(seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((1, 9))
    point, interval = statistics.mean_of_tasks(values)
    assert point == pytest.approx(stats.trim_mean(values[0], 0.25))
    se = stats.mstats.trimmed_stde(values[0], limits=(2 / 9, 2 / 9))
    assert interval is not None
    h = 5
    winsorized = np.asarray(stats.mstats.winsorize(values[0], limits=(2 / 9, 2 / 9)))
    wanted = np.sqrt(8 * winsorized.var(ddof=1) / (h * (h - 1)))
    assert interval[1] - point == pytest.approx(stats.t.ppf(0.975, h - 1) * wanted)
    assert se > 0


def test_intervals_of_five_seeds_cover_the_mean() -> None:
    """Normal seeds on seven tasks of different spread: close to 95 % of the intervals hold the true mean."""
    rng = np.random.default_rng(3)
    spread = rng.uniform(0.1, 1, (7, 1))
    intervals = [statistics.mean_of_tasks(spread * rng.standard_normal((7, 5)))[1] for _ in range(2000)]
    covered = np.mean([low <= 0 <= high for low, high in filter(None, intervals)])
    assert 0.93 < covered < 0.985


def test_a_board_as_text_is_twelve_columns_wide_and_names_what_is_missing() -> None:
    skills = {"a": 0.9, "b|c": 0.5, "absent": 0.1}
    ranking = table(skills, [r for r in rows_with(skills) if r["method"] != "absent"])
    text = board_text([ranking], "md")
    lines = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {13}
    assert "1 [1, 1]" in text.replace("\\", "")
    assert "absent (0/35)" in text
    assert "(" not in lines[2]
    assert board_text([table({"a": 0}, [])], "md") == ""
    assert json.loads(json.dumps(board_json(ranking)))["places"][0]["method"] == "a"


def test_rows_of_a_method_with_a_search_space_that_did_not_compete_fill_no_board() -> None:
    rows = [{**r, "method_fields": "{}"} for r in rows_with({"persistence": 0.1, "esn": 0.9})]
    ranking = board_table(board(["persistence", "esn"]), arrow(rows))
    assert [p.method for p in ranking.places] == ["persistence"]
    assert [h.method for h in ranking.holes] == ["esn"]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Leaderboard:
    """A leaderboard of one board with a hole and a dead method, and of a table on another task."""
    skills: dict[str, Any] = {"good": 0.9, "=bad": 0.2, "dead": None, "absent": 0.1}
    ranking = table(skills, [r for r in rows_with(skills) if r["method"] != "absent" or r["task"] == TASKS[0]])
    others = tables(prepare(arrow(rows_of({"good": {"lds/a": [1.0]}, "other": {"lds/a": [2.0]}}))))
    monkeypatch.setattr(Selection, "boards", lambda self, columns=(): [(ranking, None)])
    monkeypatch.setattr(Leaderboard, "tables", others)
    return Leaderboard(Selection((), published=False))


def test_csv_and_the_data_frame_hold_boards_and_tables(shown: Leaderboard) -> None:
    frame = shown.to_frame()
    board_lines = frame[frame["board"] == "chaos/b"]
    assert list(board_lines["method"]) == ["good", "=bad", "dead", "absent"]
    assert list(board_lines["runs"]) == [35, 35, 35, 5]
    assert set(board_lines["possible"]) == {35}
    good, bad, _ = shown.boards[0].places
    first = board_lines.iloc[0]
    assert (first["skill"], first["low"], first["high"]) == pytest.approx((good.skill, good.low, good.high))
    assert (first["place_low"], first["place_high"], first["band"], first["rank"]) == (1, 1, 1, good.mean_rank)
    assert board_lines.iloc[1]["skill"] == pytest.approx(bad.skill)
    assert (board_lines.iloc[2]["skill"], board_lines.iloc[2]["failed"]) == (0, 35)
    assert board_lines["skill"].isna().tolist() == [False, False, False, True]
    rest = frame[frame["board"].isna()]
    assert (list(rest["method"]), set(rest["table"])) == (["good", "other"], {"lds"})
    text = shown.to_text("csv")
    assert len(text.splitlines()) == 1 + len(frame)
    assert ",'=bad," not in text.splitlines()[1]
    assert ",'=bad," in text.splitlines()[2]


def test_a_notebook_and_latex_show_boards_first(shown: Leaderboard) -> None:
    page = shown._repr_html_()
    assert page.index("<h4>chaos/b</h4>") < page.index("lds")
    assert page.count("<table") == 2
    assert "<td>=bad</td>" in page
    latex = shown.to_text("tex")
    assert latex.startswith("% chaos/b\n")
    assert latex.count("\\begin{tabular}") == 2
    assert all(
        line.startswith("%") for line in latex.splitlines() if "Not ranked" in line or "Columns of tasks" in line
    )
