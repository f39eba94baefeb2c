"""The page's part on boards: cards, the choice of a method, tables, win rates, mean ranks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_support import HOSTILE, board_rows, data_of, outline, page_of
from synthetic import row, store

from dynamark.leaderboards.assemble import leaderboard
from dynamark.leaderboards.boards import BoardTable, board_table
from dynamark.leaderboards.page.win_rates import win_rates
from dynamark.results.schema import table as arrow_table
from dynamark.runners.plan.board import board_names, read_board

pytestmark = pytest.mark.usefixtures("nothing_published")

FIELDS = "koopman/fields"


def cards(text: str) -> list[str]:
    return re.findall(r"<article.*?</article>", text[: text.index("<nav")])


def table_of(rows: list[dict[str, Any]], name: str = FIELDS) -> BoardTable:
    return board_table(read_board(name), arrow_table(rows))


def lines(text: str) -> list[str]:
    """The lines of the first board's table."""
    start = text.index('<div class="wide board')
    return re.findall(r"<tr data-name.*?</tr>", text[start : text.index("</table>", start)])


def test_the_first_screen_has_a_card_a_board_with_the_five_best_and_what_they_cost(tmp_path: Path) -> None:
    rows = board_rows([FIELDS, "sensing/training"])
    text = page_of(tmp_path, rows)
    training, fields = cards(text)
    places = table_of(rows).places
    assert read_board(FIELDS).question in fields
    assert re.findall(r'#method-([\w-]+)"', fields) == [place.method for place in places[:5]]
    for place in places[:5]:
        assert place.low is not None
        assert f">{place.skill:.2f}</b> <i>[{place.low:.2f}, {place.high:.2f}]" in fields
    assert f"{places[0].method} fits in " in fields
    assert "mean rank over tasks and seeds" in training  # its tasks have no scale


def test_the_cheapest_within_the_interval_of_the_first_is_named(tmp_path: Path) -> None:
    rows = board_rows([FIELDS])
    first, second = (place.method for place in table_of(rows).places[:2])
    leading = {(r["task"], r["seed"]): r["primary"] for r in rows if r["method"] == first}
    for r in rows:
        r["fit_seconds"] = {first: 100.0, second: 0.25}.get(r["method"], 1000.0)
        if r["method"] == second:
            r["primary"] = leading[r["task"], r["seed"]]
    (card,) = cards(page_of(tmp_path, rows))
    assert "cheapest within its interval: <b>" in card
    assert "250 ms" in card


def test_a_board_has_a_column_a_task_with_the_best_marked_and_the_spread_on_hover(tmp_path: Path) -> None:
    rows = board_rows([FIELDS])
    text = page_of(tmp_path, rows)
    board, table = read_board(FIELDS), table_of(rows)
    head = text[text.index('<div class="wide board') :]
    assert re.findall(r'class="task more" title="([^:]+):', head[: head.index("</thead>")]) == sorted(board.tasks)
    body = lines(text)
    assert [re.search(r'data-name="([^"]+)"', line)[1] for line in body] == [p.method for p in table.places]  # type: ignore[index]
    marked = [line.count('class="more heat best"') for line in body]
    assert sum(marked) == len(board.tasks)
    for task in table.tasks:
        best = min(range(len(body)), key=lambda k: table.places[k].scores[task.name])
        low, high = table.places[best].spreads[task.name]
        assert f'title="{low:.3g} to {high:.3g}"' in body[best].replace("·10⁻", "e-")
        assert marked[best]


def test_no_place_in_brackets_no_pale_row_and_no_table_of_one(tmp_path: Path) -> None:
    rows = board_rows([FIELDS])
    methods = {"mlp", "dmd"}
    lacking = [r for r in rows if r["method"] in methods or r["task"] == "koopman/ks"]
    text = page_of(tmp_path / "two", lacking)
    assert len(lines(text)) == 2
    assert "Not ranked, since runs are missing: " in text
    assert "pcr (5 of 35 runs)" in text
    alone = page_of(tmp_path / "one", [r for r in lacking if r["method"] != "dmd"])
    assert '<div class="wide board' not in alone
    for shown in (text, alone):
        assert not re.search(r'class="place">\(', shown)
        assert not re.search(r'<tr [^>]*class="[^"]*\bfew\b', shown)


def test_methods_that_failed_everywhere_are_named_and_lead_no_card(tmp_path: Path) -> None:
    rows = board_rows([FIELDS])
    broken = [{**r, "primary": None, "status": "crashed"} if r["method"] == "mlp" else r for r in rows]
    text = page_of(tmp_path, broken)
    assert "Failed or answered NaN on every run: mlp." in text
    assert 'data-name="mlp"' in lines(text)[-1]
    picker = data_of(text)["boards"]
    assert "mlp" not in [name for name, *_ in picker[0]["methods"]]


def test_the_mean_rank_is_one_of_the_boards_of_a_family(tmp_path: Path) -> None:
    text = page_of(tmp_path, board_rows([FIELDS, "koopman/forecasting", "chaos/partial"]))
    assert text.count('<ol class="overall">') == 1  # chaos has one board
    match = re.search(r'<p class="overall">(.*?)</p><ol class="overall">(.*?)</ol>', text)
    assert match is not None
    assert "Mean rank over forecasting, fields" in match[1]
    ranks = [float(rank) for rank in re.findall(r"<b>([\d.]+)</b>", match[2])]
    assert ranks == sorted(ranks)
    assert len(ranks) == len(set(read_board(FIELDS).methods) & set(read_board("koopman/forecasting").methods))


def test_a_map_of_win_rates_has_a_square_a_pair_and_a_dot_where_nothing_is_decided() -> None:
    rows = board_rows([FIELDS])
    leading = {(r["task"], r["seed"]): r["primary"] for r in rows if r["method"] == "mlp"}
    rows = [{**r, "primary": leading[r["task"], r["seed"]]} if r["method"] == "pcr" else r for r in rows]
    table = table_of(rows)
    text = win_rates(table)
    squares = [
        (level, i, j)
        for level, d in re.findall(r'--w:([\d.]+)" d="([^"]*)"', text)
        for start, i, count in re.findall(r"M(\d+) (\d+)h(\d+)", d)
        for j in range(int(start), int(start) + int(count))
    ]
    names = [place.method for place in table.places]
    assert len(squares) == len(set(squares)) == len(names) * (len(names) - 1)
    for level, i, j in squares:
        assert abs(float(level) - table.wins[int(i)][int(j)]) <= 0.05 + 1e-9
    dots = re.search(r'class="undecided"[^>]* d="([^"]*)"', text)
    assert dots is not None
    pair = names.index("pcr"), names.index("mlp")
    assert f"M{pair[0]} {pair[1]}h0" in dots[1]
    first, last = 0, len(names) - 1
    assert f"M{last} {first}h0" not in dots[1]


def test_the_choice_of_a_method_has_the_facts_of_every_task_of_every_board(tmp_path: Path) -> None:
    text = page_of(tmp_path, board_rows())
    outline(text)
    data = data_of(text)
    assert sorted(board["name"] for board in data["boards"]) == sorted(board_names())
    form = text[text.index('<section id="picker"') : text.index("<nav")]
    offered = {
        name: set(re.findall(r'value="([^"]+)"', options))
        for name, options in re.findall(r'<select name="(\w+)">(.*?)</select>', form)
    }
    for board in data["boards"]:
        assert len(board["tasks"]) == len(read_board(board["name"]).tasks)
        for task in board["tasks"]:
            assert task is not None, board["name"]
            assert all(value in offered[name] for name, value in task.items())
        for _, skills, seconds in board["methods"]:
            assert len(skills) == len(seconds) == len(board["tasks"])
    # Every option is that of some task: none leads nowhere.
    for name in set(offered) - {"seconds"}:
        assert offered[name] == {task[name] for board in data["boards"] for task in board["tasks"]}


def test_ids_are_unique_and_links_lead_somewhere_beside_other_tasks_and_hostile_names(tmp_path: Path) -> None:
    rows = board_rows([FIELDS, "chaos/partial"])
    rows += [
        row(method, task, k, 0.1 * k, tier="standard")
        for method in ("dmd", HOSTILE)
        for task in ("koopman/ks", "koopman/x")
        for k in range(2)
    ]
    rows += [row("dmd", "koopman/ks", 0, 0.3, tier="standard", salt="held")]
    text = page_of(tmp_path, rows)
    seen = outline(text).seen
    ids = [a["id"] for _, a in seen if "id" in a]
    assert len(ids) == len(set(ids))
    content = data_of(text)
    known = {*ids, *(f"r{place}" for place in range(len(content["rows"])))}
    assert {str(a["href"])[1:] for _, a in seen if "href" in a and "rel" not in a} <= known


def test_a_page_of_all_boards_stays_small(tmp_path: Path) -> None:
    """The boards leave room in the 2 MB of the page for claims and other tasks, which take 500 kB."""
    rows = board_rows(curves=True)
    text = leaderboard(store(tmp_path / "s", rows)).to_html()
    assert len(rows) > 7000
    assert text.count('<div class="wide board') == len(board_names())
    assert len(text.encode()) < 1_400_000


def test_the_same_rows_make_the_same_page_in_any_order(tmp_path: Path) -> None:
    rows = board_rows(["lds/online"])
    first = page_of(tmp_path / "one", rows)
    order = np.random.default_rng(1).permutation(len(rows))
    assert page_of(tmp_path / "two", [rows[k] for k in order]) == first
