"""Standings, and tables in every format."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import arrow, row, rows_of, store

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.leaderboards.assemble import leaderboard
from dynamark.leaderboards.formats import place, render
from dynamark.leaderboards.rows import prepare
from dynamark.leaderboards.table import Standing, Table, tables

TEXTS = ("terminal", "md", "tex", "csv", "json")
FORMATS = (*TEXTS, "html")


pytestmark = pytest.mark.usefixtures("nothing_published")


def made(rows: list[dict[str, Any]], family: str | None = None) -> list[Table]:
    return tables(prepare(arrow(rows)), family)


def standings(rows: list[dict[str, Any]], title: str = "chaos") -> dict[str, Standing]:
    table = next(t for t in made(rows) if t.family == title)
    return {s.method: s for s in table.standings}


GOOD_AND_BAD = rows_of(
    {
        "good": {"chaos/a": [0.011, 0.012, 0.01, 0.013], "chaos/b": [0.02, 0.03, 0.01, 0.02]},
        "bad": {"chaos/a": [8.0, 9.0, 7.0, 9.5], "chaos/b": [6.0, 5.0, 7.0, 8.0]},
        "dead": {"chaos/a": [None] * 4, "chaos/b": [None] * 4},
    }
)


def test_the_best_is_first_and_a_crash_is_last() -> None:
    by_method = standings(GOOD_AND_BAD)
    assert list(by_method) == ["good", "bad", "dead"]
    assert by_method["dead"].skill == 0
    assert by_method["dead"].failed == 8
    assert [s.rank for s in by_method.values()] == [1.0, 2.0, 3.0]
    assert [s.place for s in by_method.values()] == [(1, 1), (2, 2), None]


def test_methods_that_failed_everywhere_have_no_place_even_alone() -> None:
    by_method = standings(rows_of({name: {"chaos/a": [None] * 3} for name in "abc"}))
    assert {s.place for s in by_method.values()} == {None}


def test_methods_that_answered_nan_everywhere_have_no_place_and_stand_last() -> None:
    rows = rows_of({"nan": {"chaos/a": [10.0] * 3}}, status="diverged") + rows_of({"worse": {"chaos/a": [1e3] * 3}})
    by_method = standings(rows)
    assert list(by_method) == ["worse", "nan"]
    assert by_method["nan"].place is None


def test_a_crash_is_below_the_worst_answer_even_when_both_have_skill_0() -> None:
    rows = rows_of({"dead": {"chaos/a": [None] * 3}, "worse than baseline": {"chaos/a": [1e3] * 3}})
    assert list(standings(rows)) == ["worse than baseline", "dead"]


def test_standings_count_runs_costs_and_scores() -> None:
    rows = rows_of({"a": {"chaos/a": [1.0, 2.0, 4.0]}, "b": {"chaos/a": [1.0], "chaos/b": [3.0]}})
    for r, seconds in zip(rows, [1.0, 3.0, 10.0, 1.0, 1.0], strict=True):
        r["fit_seconds"] = seconds
    standing = standings(rows)["a"]
    assert (standing.runs, standing.possible, standing.failed, standing.fit_seconds, standing.parameters) == (
        3,
        4,
        0,
        3.0,
        10,
    )
    assert standing.scores == {"chaos/a": 2.0}
    assert standing.skills["chaos/a"] == pytest.approx(np.mean(np.log(10 / np.array([1, 2, 4])) / np.log(1000)))


def test_a_single_seed_has_no_interval() -> None:
    by_method = standings(
        rows_of({"a": {"chaos/a": [1.0], "chaos/b": [2.0]}, "b": {"chaos/a": [2.0], "chaos/b": [1.0]}})
    )
    assert by_method["a"].skill is not None
    assert by_method["a"].low is by_method["a"].high is by_method["a"].place is None


def test_equal_methods_share_a_band_and_their_places() -> None:
    rng = np.random.default_rng(0)
    scores = np.exp(rng.standard_normal((2, 12)))
    by_method = standings(rows_of({"a": {"chaos/a": scores[0].tolist()}, "b": {"chaos/a": scores[1].tolist()}}))
    assert {s.band for s in by_method.values()} == {1}
    assert {s.place for s in by_method.values()} == {(1, 2)}


def test_a_method_that_is_worse_everywhere_leads_a_band_of_its_own() -> None:
    rng = np.random.default_rng(0)
    best = np.exp(rng.uniform(-4, -3, 12))
    by_method = standings(rows_of({"a": {"chaos/a": best.tolist()}, "b": {"chaos/a": (3 * best).tolist()}}))
    assert (by_method["a"].band, by_method["b"].band) == (1, 2)


def test_without_an_oracle_there_are_ranks_only() -> None:
    rows = rows_of(
        {"a": {"chaos/a": [3.0, 3.0]}, "b": {"chaos/a": [1.0, 1.0]}, "c": {"chaos/a": [None, 9.0]}}, oracle=None
    )
    by_method = standings(rows)
    assert list(by_method) == ["b", "a", "c"]
    assert all(s.skill is None and s.low is None for s in by_method.values())
    assert [s.rank for s in by_method.values()] == [1, 2, 3]


def test_higher_can_be_better() -> None:
    rows = rows_of(
        {"a": {"chaos/a": [0.9]}, "b": {"chaos/a": [0.6]}}, baseline=0.5, oracle=1.0, log=False, lower_is_better=False
    )
    by_method = standings(rows)
    assert list(by_method) == ["a", "b"]
    assert by_method["a"].skill == pytest.approx(0.8)
    assert by_method["a"].rank == 1


def test_a_table_a_family_and_tier() -> None:
    rows = [
        *rows_of({"a": {"chaos/a": [1.0], "lds/a": [1.0]}}),
        *rows_of({"a": {"chaos/a": [1.0]}}, tier="standard"),
        *rows_of({"a": {"chaos/a": [2.0]}}, salt="x"),
        *rows_of({"a": {"koopman/a": [2.0]}}, salt="x"),
    ]
    titles = [t.title for t in made(rows)]
    assert titles == ["chaos, standard", "lds, tiny", "chaos, tiny", "koopman, tiny (salt x)"]
    assert [t.title for t in made(rows, "lds")] == ["lds, tiny"]


def test_methods_that_meet_on_no_task_are_ranked_in_tables_of_their_own() -> None:
    rows = rows_of(
        {
            "a": {"lds/a": [1.0], "lds/b": [1.0]},
            "b": {"lds/b": [0.1], "lds/c": [1.0]},  # joins c to a by way of b
            "online": {"lds/regret": [0.01]},
        }
    )
    result = {t.title: ([s.method for s in t.standings], [task.name for task in t.tasks]) for t in made(rows)}
    assert result == {
        "lds, tiny": (["b", "a"], ["lds/a", "lds/b", "lds/c"]),
        "lds, tiny: regret": (["online"], ["lds/regret"]),
    }
    assert [s.possible for t in made(rows) for s in t.standings] == [3, 3, 1]


def test_no_table_spans_families() -> None:
    """Overall, methods are compared by their mean rank over the boards of one family only."""
    both = {"chaos/hard": [5.0], "chaos/easy": [0.1], "lds/a": [0.1]}
    assert {t.family for t in made(rows_of({"one": both, "other": both}))} == {"chaos", "lds"}


def public_and_held_out() -> list[dict[str, Any]]:
    """Tuned to the public data, honest, and one without held-out rows; task b is public only."""
    public = {"chaos/a": [0.01, 0.01], "chaos/b": [10.0, 10.0]}
    return [
        *rows_of({"tuned": public, "honest": {"chaos/a": [0.1, 0.1]}, "none": {"chaos/a": [1.0, 1.0]}}),
        *rows_of(
            {"tuned": {"chaos/a": [10.0, 10.0], "chaos/new": [0.01]}, "honest": {"chaos/a": [0.1, 0.1]}}, salt="x"
        ),
        *rows_of({"honest": {"chaos/a": [1.0]}, "stranger": {"chaos/a": [0.01]}}, salt="y"),
    ]


def test_held_out_rows_stand_beside_the_public_ones_on_the_tasks_of_both() -> None:
    by_method = standings(public_and_held_out())
    tuned, honest = by_method["tuned"].held_out, by_method["honest"].held_out
    assert tuned is not None
    assert honest is not None
    assert (tuned.skill, tuned.difference) == (0, -1)  # on task a alone, where both have rows
    assert tuned.scores == {"chaos/a": 10.0}
    assert honest.difference == pytest.approx(np.mean([2 / 3, 2 / 3, 1 / 3]) - 2 / 3)  # both salts together
    assert by_method["none"].held_out is None
    assert [t.title for t in made(public_and_held_out())] == ["chaos, tiny"]


def test_held_out_rows_change_no_rank() -> None:
    rows = public_and_held_out()
    without = made([r for r in rows if not r["salt"]])
    bare = [dataclasses.replace(s, held_out=None) for s in made(rows)[0].standings]
    assert bare == list(without[0].standings)
    assert "stranger" not in {s.method for s in bare}


@pytest.mark.parametrize("format", TEXTS)
def test_every_format_shows_held_out_skill_and_its_difference(format: str) -> None:
    text = render(made(public_and_held_out()), format)
    if format == "json":
        assert json.loads(text)[0]["standings"][0]["held_out"]["skill"] is not None
    elif format == "csv":
        lines = {line["method"]: line for line in csv.DictReader(io.StringIO(text))}
        assert (lines["tuned"]["held_out"], lines["tuned"]["held_out_difference"]) == ("0.0", "-1.0")
        assert lines["none"]["held_out"] == ""
    else:
        assert "held out" in text
        assert "-1.000" in text
        assert "0.01 (10)" in text
    plain = render(made(rows_of({"a": {"chaos/a": [1.0]}})), format)
    assert format in ("csv", "json") or "held" not in plain


def test_methods_with_missing_runs_stand_last_without_a_place() -> None:
    """Even with skill 1 on the easy task alone; and where a single method has all runs, none is ranked."""
    whole = {"chaos/a": [0.1, 0.2, 0.1], "chaos/b": [0.1, 0.2, 0.3]}
    worse = {task: [2 * value for value in values] for task, values in whole.items()}
    rows = rows_of({"all": whole, "worse": worse, "easy": {"chaos/a": [0.01, 0.01, 0.01]}})
    all_tables = made(rows)
    assert [(s.method, place(s), s.band) for s in all_tables[0].standings] == [
        ("all", "1", 1),
        ("worse", "2", 2),
        ("easy", "", None),
    ]
    for format in ("terminal", "md", "tex"):
        assert "methods with missing runs stand last" in render(all_tables, format)
    assert "missing runs" not in render(made(rows_of({"all": whole})), "terminal")
    lone = made([r for r in rows if r["method"] != "worse"])[0].standings
    assert [(s.method, place(s)) for s in lone] == [("all", ""), ("easy", "")]


def test_costs_stand_in_the_tables() -> None:
    rows = [row("a", seed=k, peak_memory=(k + 1) * 2**20, steps=10 * k, parameters=7) for k in range(3)]
    standing = standings(rows)["a"]
    assert (standing.peak_memory, standing.steps, standing.parameters) == (2 * 2**20, 10, 7)
    lines = render(made(rows), "terminal").splitlines()
    assert "fit s    MiB    steps    parameters" in lines[2]
    assert "1      2       10             7" in lines[4]


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_rows_make_the_same_bytes_in_any_order(tmp_path: Path, format: str) -> None:
    rng = np.random.default_rng(0)
    rows = rows_of({m: {t: rng.uniform(0.01, 10, 4).tolist() for t in ("chaos/a", "chaos/b", "lds/c")} for m in "abcd"})
    first = leaderboard(store(tmp_path / "one", rows)).to_text(format)
    random.Random(3).shuffle(rows)
    assert leaderboard(store(tmp_path / "two", rows)).to_text(format) == first


def test_csv_and_json_hold_what_the_table_shows() -> None:
    all_tables = made(GOOD_AND_BAD)
    lines = list(csv.DictReader(io.StringIO(render(all_tables, "csv"))))
    assert [line["method"] for line in lines] == ["good", "bad", "dead"]
    assert float(lines[0]["skill"]) == all_tables[0].standings[0].skill
    plain = json.loads(render(all_tables, "json"))
    assert plain[0]["standings"][0]["place"] == [1, 1]
    assert [t["name"] for t in plain[0]["tasks"]] == ["chaos/a", "chaos/b"]


def test_the_terminal_shows_scores_beside_few_tasks_and_below_many() -> None:
    few = render(made(GOOD_AND_BAD), "terminal")
    assert "a, error" in few
    many = rows_of({"m": {f"chaos/t{i}": [1.0] for i in range(9)}, "n": {f"chaos/t{i}": [float(i)] for i in range(9)}})
    text = render(made(many), "terminal")
    assert "t3  " in text
    assert max(len(line) for line in text.splitlines()) < 110
    for many_held in (many, [*many, *({**r, "salt": "x", "key": r["key"][::-1]} for r in many)]):
        lines = [line for line in render(made(many_held), "md").splitlines() if line.startswith("|")]
        assert any(line.startswith("| t8 ") for line in lines)
        assert max(line.count("|") - 1 for line in lines) <= 12


@pytest.mark.parametrize("format", TEXTS)
def test_own_rows_are_marked(format: str) -> None:
    frame = prepare(arrow(rows_of({"a": {"chaos/a": [1.0]}, "b": {"chaos/a": [2.0]}})))
    frame["own"] = frame["method"] == "b"
    text = render(tables(frame), format)
    if format == "json":
        assert [s["own"] for s in json.loads(text)[0]["standings"]] == [False, True]
    elif format == "csv":
        assert [line["own"] for line in csv.DictReader(io.StringIO(text))] == ["0", "1"]
    else:
        assert "b \\*" in text if format == "md" else "b *" in text
        assert "a *" not in text
        assert "includes your own, unpublished results" in text


HOSTILE = "<script>alert(1)</script>|`x`\\input{/etc/passwd}$\x1b[31m\nnext line"


@pytest.mark.parametrize("format", FORMATS)
def test_a_hostile_name_does_no_harm(tmp_path: Path, format: str) -> None:
    rows = [row(HOSTILE, f"chaos/{HOSTILE}", metric=HOSTILE, value=1.0), row("m", f"chaos/{HOSTILE}", metric=HOSTILE)]
    text = leaderboard(store(tmp_path / "s", rows)).to_text(format)
    if format == "json":
        assert HOSTILE in {s["method"] for s in json.loads(text)[0]["standings"]}
        return
    if format == "csv":
        assert HOSTILE in {line["method"] for line in csv.DictReader(io.StringIO(text))}
        return
    assert "\x1b" not in text
    if format in ("md", "html"):
        assert "<script>alert" not in text
    if format == "md":
        body = [line for line in text.splitlines() if line.startswith("|")]
        # Head, rule, two methods; head, rule, one task: no line breaks out of a table.
        assert [line.replace("\\|", "").count("|") - 1 for line in body] == [11] * 4 + [6] * 3
    if format == "tex":
        assert "\\input" not in text.replace("\\textbackslash{}input", "")
        assert "$" not in text.replace("\\$", "")


def test_stores_that_are_empty_or_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["leaderboard", "--store", str(tmp_path / "empty"), "--no-published"]) == 0
    assert "no rows yet; `dynamark run quick`" in capsys.readouterr().out
    assert main(["leaderboard", "--store", str(tmp_path / "none")]) == 2
    assert "does not exist; name a folder" in capsys.readouterr().err
    for format in FORMATS:
        assert isinstance(leaderboard(tmp_path / "empty").to_text(format), str)
    assert json.loads(leaderboard(tmp_path / "empty").to_text("json")) == []


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = store(tmp_path / "one", rows_of({"a": {"chaos/a": [1.0]}}))
    two = store(tmp_path / "two", rows_of({"b": {"lds/a": [1.0], "chaos/a": [2.0]}, "a": {"lds/a": [1.0]}}))
    words = ["leaderboard", "--store", str(one), "--store", str(two), "--no-published"]
    assert main([*words, "--format", "csv"]) == 0
    assert {line.split(",")[0] for line in capsys.readouterr().out.splitlines()} == {"table", "chaos", "lds"}
    assert main([*words, "--family", "lds", "--format", "md"]) == 0
    assert "chaos" not in capsys.readouterr().out
    assert main([*words, "--family", "sensing"]) == 2
    assert "families with rows: chaos, lds" in capsys.readouterr().err
    assert main([*words, "--out", str(tmp_path / "t.txt")]) == 0
    assert "chaos, tiny" in (tmp_path / "t.txt").read_text()
    assert main([*words, "--out", str(tmp_path / "no" / "t.txt")]) == 2
    assert "choose another file" in capsys.readouterr().err


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown format 'pdf'; available: csv, html, json, md, terminal, tex"):
        leaderboard(tmp_path).to_text("pdf")
