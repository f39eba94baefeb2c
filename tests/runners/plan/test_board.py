"""Boards: full tables. One with a hole does not load, and every method gets its candidates by the same rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import LINE, WALK, entry, specs

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.methods.catalog import METHODS
from dynamark.runners.plan.board import board_names
from dynamark.runners.plan.complete import boards_in, load_board
from dynamark.runners.plan.draw import drawn
from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.suite import Suite
from dynamark.runners.registry import load, resolve_method, resolve_task
from dynamark.runners.spec import Spec, competing, parse
from dynamark.tasks.problems import KINDS

ONLINE = ["vaw", "vaw_spectral", "rls", "ogd", "adagrad", "lml", "usp_wedge", "usp"]
TASKS = ["lds/regret", "lds/regret_asym", "lds/regret_noisy", "lds/regret_blocks", "lds/switching"]


def board_file(path: Path, **changed: Any) -> Path:
    table = {"name": "lds/mine", "family": "lds", "question": "why?", "tasks": TASKS, "methods": ONLINE, **changed}
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None and key != "excluded"]
    path.write_text("\n".join(["[[boards]]", *lines, *changed.get("excluded", [])]) + "\n")
    return path


def test_a_full_board_loads_and_says_what_it_is(tmp_path: Path) -> None:
    (board,) = boards_in(board_file(tmp_path / "b.toml"))
    assert (board.name, board.tasks, board.methods, board.seeds, board.candidates) == ("lds/mine", TASKS, ONLINE, 5, 4)
    assert len(expand(board).runs) == len(TASKS) * len(ONLINE) * 5


def test_a_hole_does_not_load_unless_the_method_is_excluded_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    with pytest.raises(UserError, match=r"lds/mine .*missing methods that solve Online problems: usp"):
        boards_in(board_file(path, methods=ONLINE[:-1]))
    reason = '[[boards.excluded]]\nmethods = ["usp"]\nreason = "{}"'
    with pytest.raises(UserError, match="needs the keys methods and reason"):
        boards_in(board_file(path, methods=ONLINE[:-1], excluded=[reason.format(" ")]))
    (board,) = boards_in(board_file(path, methods=ONLINE[:-1], excluded=[reason.format("no time")]))
    assert board.excluded == {"usp": "no time"}
    with pytest.raises(UserError, match="'usp' is both listed and excluded"):
        boards_in(board_file(path, excluded=[reason.format("no time")]))


WRONG: dict[str, dict[str, Any]] = {
    "4 tasks: expected 5 to 9": {"tasks": TASKS[:4]},
    "task lds/regret is listed twice": {"tasks": [*TASKS, "lds/regret"]},
    "the tasks are of different kinds, Online and Forecasting": {"tasks": [*TASKS, "lds/sym_pos"]},
    "task chaos/lorenz63 does not belong to the family lds": {"tasks": ["chaos/lorenz63", *TASKS]},
    "method vaw is listed twice": {"methods": [*ONLINE, "vaw"]},
    "'fir' is not a method in the catalog that solves Online problems": {"methods": [*ONLINE, "fir"]},
    "must be a name without fields, alias or wildcards": {"methods": [*ONLINE[1:], "vaw(order=3)"]},
    "invalid seeds = 0: expected a positive integer": {"seeds": 0},
    "unknown key 'budgets'": {"budgets": 3},
    "a board lacks question": {"question": None},
}


@pytest.mark.parametrize(("message", "changed"), WRONG.items())
def test_what_is_wrong_with_a_board_is_said_in_one_line(tmp_path: Path, message: str, changed: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=message) as error:
        boards_in(board_file(tmp_path / "b.toml", **changed))
    assert "\n" not in str(error.value)


def test_every_shipped_board_loads_and_leaves_no_hole() -> None:
    names = board_names()
    assert {name.partition("/")[0] for name in names} == {"sensing", "lds", "koopman", "chaos", "recorded"}
    for name in names:
        board = load_board(name)
        kind = resolve_task(parse(board.tasks[0]), "tiny").kind
        solving = {
            m for m in METHODS if any(hasattr(load(resolve_method(Spec(m)).target, "method"), p) for p in KINDS[kind])
        }
        assert solving == {*board.methods, *board.excluded}
        assert all(reason.strip() for reason in board.excluded.values())
        assert len(board.methods) >= min(12, len(solving))


def test_candidates_start_with_the_defaults_and_are_fixed_by_the_name() -> None:
    fields, space = {"rate": 0.1, "rank": 2, "other": 0}, {"rate": (0.1, 0.2, 0.3), "rank": (2, 4)}
    first = drawn("a", fields, space, 4)
    assert first[0] == {}
    assert len(first) == 4
    assert len({json.dumps(one, sort_keys=True) for one in first}) == 4
    assert all(own[name] != fields[name] and own[name] in space[name] for own in first for name in own)
    assert drawn("a", fields, dict(reversed(space.items())), 4) == first
    assert any(drawn(name, fields, space, 4) != first for name in "bcde")
    assert len(drawn("a", fields, {"rank": (2, 4)}, 4)) == 2
    assert drawn("a", fields, {}, 4) == [{}]


def test_every_method_of_a_board_competes_alike_and_what_the_catalog_fixes_stays() -> None:
    board = load_board("chaos/attractors")
    for run in expand(board, seeds=1).runs:
        cls = load(run.method.target, "method")
        free = {n: v for n, v in cls.search_space.items() if n not in run.method.preset}
        settings = 1
        for values in free.values():
            settings *= len(values)
        assert len(competing(run.method.fields)) == (min(4, settings) if settings > 1 else 0)
        assert not any(set(own) & run.method.preset for own in competing(run.method.fields))
        assert run.method.label in board.methods


def test_a_method_that_joins_from_outside_is_tuned_alike(tmp_path: Path) -> None:
    text = Path(LINE.partition(":")[0]).read_text()
    mine = tmp_path / "mine.py"
    mine.write_text(
        text.replace(
            "    gain: float = 1.0\n", "    gain: float = 1.0\n    search_space = {'gain': (1.0, 0.5, 0.7, 0.9, 1.1)}\n"
        )
    )
    suite = Suite("s", "", (entry((WALK,), (LINE,), "tiny", 1, candidates=4),))
    (run,) = expand(suite, method=specs(f"{mine}:Line")).runs
    assert len(competing(run.method.fields)) == 4
    (fixed,) = expand(suite, method=specs(f"{mine}:Line(gain=0.5)")).runs
    assert competing(fixed.method.fields) == []


def test_boards_are_listed_and_a_dry_run_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["list", "boards"]) == 0
    assert "koopman/forecasting: Forecast" in capsys.readouterr().out
    assert main(["run", "lds/online", "--dry-run", "--seeds", "2", "--store", str(tmp_path)]) == 0
    assert "96 runs to do, about " in capsys.readouterr().err
    assert not list(tmp_path.glob("*.parquet"))
    assert main(["run", "lds/onlin"]) == 2
    assert "did you mean lds/online" in capsys.readouterr().err
