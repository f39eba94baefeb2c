"""Standings, and tables in every format."""

from __future__ import annotations

import csv
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
from dynamark.leaderboard import rows as rows_module
from dynamark.leaderboard.formats import render
from dynamark.leaderboard.rows import prepare
from dynamark.leaderboard.table import Standing, Table, leaderboard, tables

TEXTS = ("terminal", "md", "tex", "csv", "json")
FORMATS = (*TEXTS, "html")


@pytest.fixture(autouse=True)
def _nothing_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "published_store", lambda: tmp_path / "published")


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
    told = standings(GOOD_AND_BAD)
    assert list(told) == ["good", "bad", "dead"]
    assert told["dead"].skill == 0
    assert told["dead"].failed == 8
    assert [s.rank for s in told.values()] == [1.0, 2.0, 3.0]
    assert [s.place for s in told.values()] == [(1, 1), (2, 2), (3, 3)]


def test_a_crash_is_below_the_worst_answer_even_when_both_have_skill_0() -> None:
    rows = rows_of({"dead": {"chaos/a": [None] * 3}, "worse than baseline": {"chaos/a": [1e3] * 3}})
    assert list(standings(rows)) == ["worse than baseline", "dead"]


def test_standings_count_runs_costs_and_scores() -> None:
    rows = rows_of({"a": {"chaos/a": [1.0, 2.0, 4.0]}, "b": {"chaos/a": [1.0], "chaos/b": [3.0]}})
    for r, seconds in zip(rows, [1.0, 3.0, 10.0, 1.0, 1.0], strict=True):
        r["fit_seconds"] = seconds
    told = standings(rows)["a"]
    assert (told.runs, told.possible, told.failed, told.fit_seconds, told.parameters) == (3, 4, 0, 3.0, 10)
    assert told.scores == {"chaos/a": 2.0}
    assert told.skills["chaos/a"] == pytest.approx(np.mean(np.log(10 / np.array([1, 2, 4])) / np.log(1000)))


def test_a_single_seed_has_no_interval() -> None:
    told = standings(rows_of({"a": {"chaos/a": [1.0], "chaos/b": [2.0]}, "b": {"chaos/a": [2.0], "chaos/b": [1.0]}}))
    assert told["a"].skill is not None
    assert told["a"].low is told["a"].high is told["a"].place is None


def test_equal_methods_share_a_band_and_their_places() -> None:
    rng = np.random.default_rng(0)
    scores = np.exp(rng.standard_normal((2, 12)))
    told = standings(rows_of({"a": {"chaos/a": scores[0].tolist()}, "b": {"chaos/a": scores[1].tolist()}}))
    assert {s.band for s in told.values()} == {1}
    assert {s.place for s in told.values()} == {(1, 2)}


def test_a_method_that_is_worse_everywhere_leads_a_band_of_its_own() -> None:
    rng = np.random.default_rng(0)
    best = np.exp(rng.uniform(-4, -3, 12))
    told = standings(rows_of({"a": {"chaos/a": best.tolist()}, "b": {"chaos/a": (3 * best).tolist()}}))
    assert (told["a"].band, told["b"].band) == (1, 2)


def test_without_an_oracle_there_are_ranks_only() -> None:
    rows = rows_of(
        {"a": {"chaos/a": [3.0, 3.0]}, "b": {"chaos/a": [1.0, 1.0]}, "c": {"chaos/a": [None, 9.0]}}, oracle=None
    )
    told = standings(rows)
    assert list(told) == ["b", "a", "c"]
    assert all(s.skill is None and s.low is None for s in told.values())
    assert [s.rank for s in told.values()] == [1, 2, 3]


def test_higher_can_be_better() -> None:
    rows = rows_of(
        {"a": {"chaos/a": [0.9]}, "b": {"chaos/a": [0.6]}}, baseline=0.5, oracle=1.0, log=False, lower_is_better=False
    )
    told = standings(rows)
    assert list(told) == ["a", "b"]
    assert told["a"].skill == pytest.approx(0.8)
    assert told["a"].rank == 1


def test_a_table_a_family_tier_and_salt_and_one_over_families() -> None:
    rows = [
        *rows_of({"a": {"chaos/a": [1.0], "lds/a": [1.0]}}),
        *rows_of({"a": {"chaos/a": [1.0]}}, tier="standard"),
        *rows_of({"a": {"chaos/a": [2.0]}}, salt="x"),
    ]
    titles = [t.title for t in made(rows)]
    assert titles == ["chaos, standard", "lds, tiny", "chaos, tiny", "overall, tiny", "chaos, tiny (salt x)"]
    assert [t.title for t in made(rows, "lds")] == ["lds, tiny"]


def test_over_all_families_stand_the_methods_that_ran_in_several() -> None:
    rows = rows_of({"a": {"chaos/a": [1.0], "lds/a": [0.1]}, "b": {"chaos/a": [0.01]}, "c": {"lds/a": [0.01]}})
    assert list(standings(rows, "overall")) == ["a"]
    told = standings(rows, "overall")["a"]
    assert told.skill == pytest.approx(0.5)
    assert told.place is told.band is None


def test_held_out_skill_stands_beside_the_public_one() -> None:
    rows = [*rows_of({"a": {"chaos/a": [0.01]}}), *rows_of({"a": {"chaos/a": [10.0]}}, salt="x")]
    told = standings(rows)["a"]
    assert (told.skill, told.held_out) == (1, 0)
    assert "held out" in render(made(rows), "terminal")


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_rows_make_the_same_bytes_in_any_order(tmp_path: Path, format: str) -> None:
    rng = np.random.default_rng(0)
    rows = rows_of({m: {t: rng.uniform(0.01, 10, 4).tolist() for t in ("chaos/a", "chaos/b", "lds/c")} for m in "abcd"})
    first = leaderboard(store(tmp_path / "one", rows), format=format)
    random.Random(3).shuffle(rows)
    assert leaderboard(store(tmp_path / "two", rows), format=format) == first


def test_csv_and_json_hold_what_the_table_shows() -> None:
    told = made(GOOD_AND_BAD)
    lines = list(csv.DictReader(io.StringIO(render(told, "csv"))))
    assert [line["method"] for line in lines] == ["good", "bad", "dead"]
    assert float(lines[0]["skill"]) == told[0].standings[0].skill
    plain = json.loads(render(told, "json"))
    assert plain[0]["standings"][0]["place"] == [1, 1]
    assert [t["name"] for t in plain[0]["tasks"]] == ["chaos/a", "chaos/b"]


def test_the_terminal_shows_scores_beside_few_tasks_and_below_many() -> None:
    few = render(made(GOOD_AND_BAD), "terminal")
    assert "a, error" in few
    many = rows_of({"m": {f"chaos/t{i}": [1.0] for i in range(9)}, "n": {f"chaos/t{i}": [float(i)] for i in range(9)}})
    text = render(made(many), "terminal")
    assert "t3  " in text
    assert max(len(line) for line in text.splitlines()) < 110
    assert "t8, error" in render(made(many), "md")


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
        assert "not among the published" in text


HOSTILE = "<script>alert(1)</script>|`x`\\input{/etc/passwd}$\x1b[31m\nnext line"


@pytest.mark.parametrize("format", FORMATS)
def test_a_hostile_name_does_no_harm(tmp_path: Path, format: str) -> None:
    rows = [row(HOSTILE, f"chaos/{HOSTILE}", metric=HOSTILE, value=1.0), row("m", f"chaos/{HOSTILE}", metric=HOSTILE)]
    text = leaderboard(store(tmp_path / "s", rows), format=format)
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
        assert len(body) == 4  # head, rule, two methods: no line breaks out of the table
        assert len({line.replace("\\|", "").count("|") for line in body}) == 1
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
        assert isinstance(leaderboard(tmp_path / "empty", format=format), str)
    assert json.loads(leaderboard(tmp_path / "empty", format="json")) == []


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = store(tmp_path / "one", rows_of({"a": {"chaos/a": [1.0]}}))
    two = store(tmp_path / "two", rows_of({"b": {"lds/a": [1.0]}, "a": {"lds/a": [1.0]}}))
    words = ["leaderboard", "--store", str(one), "--store", str(two), "--no-published"]
    assert main([*words, "--format", "csv"]) == 0
    assert {line.split(",")[0] for line in capsys.readouterr().out.splitlines()} == {"table", "chaos", "lds", "overall"}
    assert main([*words, "--family", "lds", "--format", "md"]) == 0
    assert "chaos" not in capsys.readouterr().out
    assert main([*words, "--family", "sensing"]) == 2
    assert "families with rows: chaos, lds" in capsys.readouterr().err
    assert main([*words, "--out", str(tmp_path / "t.txt")]) == 0
    assert "overall" in (tmp_path / "t.txt").read_text()
    assert main([*words, "--out", str(tmp_path / "no" / "t.txt")]) == 2
    assert "choose another file" in capsys.readouterr().err


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown format 'pdf'; formats: terminal"):
        leaderboard(tmp_path, format="pdf")
