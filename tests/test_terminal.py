"""Text of strangers leaves dynamark through one door, where nothing in it can command a terminal or a spreadsheet."""

from __future__ import annotations

import ast
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from synthetic import row, store

import dynamark.cli
from dynamark.cli import main
from dynamark.cli.output import note, print_failures
from dynamark.leaderboards.assemble import leaderboard
from dynamark.leaderboards.formats import harmless
from dynamark.results.store import Store

EVIL = "\x1b]0;title\x07\x1b[2J\u202e\r\x9b31m"


def hostile() -> dict[str, Any]:
    """A row whose every text holds commands for a terminal."""
    plain = row(value=2.0)
    texts = {
        n: f"{v}{EVIL}"
        for n, v in plain.items()
        if isinstance(v, str) and n not in ("key", "finished", "kind", "status")
    }
    score = f"error{EVIL}"
    return {
        **plain,
        **texts,
        "primary": {**plain["primary"], "score": score},
        "scores": [{"name": score, "value": 2.0}],
        "provenance": {"processor": EVIL, "dynamark": EVIL, "dirty": True},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    failed = {
        **hostile(),
        "key": "f" * 64,
        "status": "error",
        "seed": 1,
        "reason": EVIL,
        "primary": None,
        "scores": None,
    }
    return store(tmp_path / "store", [hostile(), failed])


COMMANDS = [
    *(
        ["leaderboard", "--no-published", "--format", format, "--store"]
        for format in ("terminal", "md", "csv", "json", "html")
    ),
    ["claims", "list", "--no-published", "--store"],
    ["claims", "show", "C04", "--no-published", "--store"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_of_a_stranger_reaches_the_terminal(
    words: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*words, str(folder)])
    assert_harmless(capsys)
    if "show" not in words:
        main([*words, str(folder), "--out", str(tmp_path / "out")])
        assert_clean((tmp_path / "out").read_text(encoding="utf-8"))


def test_verify_compare_and_reproduce_print_nothing_harmful(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file,) = Store(folder).files()
    assert main(["results", "verify", str(file)]) == 1
    assert "the key does not match" in assert_harmless(capsys)
    main(["compare", str(folder), str(folder), "--all"])
    assert_harmless(capsys)
    main(["reproduce", hostile()["key"], "--store", str(folder)])
    assert "cannot be run again" in assert_harmless(capsys)
    print_failures([{**hostile(), "status": "error", "reason": EVIL}])
    note(f"   {EVIL}")
    assert_harmless(capsys)


def assert_harmless(capsys: pytest.CaptureFixture[str]) -> str:
    text = "".join(capsys.readouterr())
    assert text
    assert_clean(text)
    return text


def assert_clean(text: str) -> None:
    assert {c for c in text if not c.isprintable()} <= {"\n", "\t"}


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t=", " ="])
def test_no_cell_of_csv_is_a_formula(sign: str, tmp_path: Path) -> None:
    name = f"{sign}cmd|' /C calc'!A0"
    board = leaderboard(store(tmp_path / "s", [row(name, value=2.0)]), published=False)
    cells = [cell for line in csv.reader(io.StringIO(board.to_text("csv"))) for cell in line]
    assert not [
        cell for cell in cells if cell.lstrip().startswith(("=", "+", "@")) or (cell.startswith("-") and "cmd" in cell)
    ]
    assert harmless(name) in cells
    assert name in list(board.to_frame()["method"]), "a data frame has the name as it is"
    assert harmless("edmd") == "edmd"


def test_no_verb_prints_beside_the_one_door() -> None:
    folder = Path(dynamark.cli.__file__).parent
    doors = {"output.py", "__init__.py"}  # the second cleans what it says of errors
    for path in folder.glob("*.py"):
        names = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert path.name in doors or "print" not in names, path.name
