"""Plug-ins that end, kill or block the process that imports or builds them: one line and exit code 2, and no run is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support import LINE, WALK, write_suite

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.runners import probe
from dynamark.runners.loading import load
from dynamark.runners.registry import described, resolve_method, resolve_task, unpicklable
from dynamark.runners.spec import Spec, parse

CLASS = """
from dataclasses import dataclass
@dataclass(frozen=True)
class Mine:
    x: int = 1
    def __post_init__(self):
        {built}
    def fit_forecaster(self, problem, run):
        return self
"""

FAULTS = {
    "exit at import": ("import sys; sys.exit(0)", "pass", "SystemExit: 0"),
    "hard exit at import": ("import os; os._exit(0)", "pass", r"it ended the process (exit code 0)"),
    "segfault at import": ("import ctypes; ctypes.string_at(0)", "pass", "it ended the process by SIGSEGV"),
    "hang at import": ("import time; time.sleep(3600)", "pass", "not done after 8 s"),
    "exit when built": ("import sys", "sys.exit(0)", "SystemExit: 0"),
    "hard exit when built": ("import os", "os._exit(0)", r"it ended the process (exit code 0)"),
    "hang when built": ("", "while True: pass", "not done after 8 s"),
}


@pytest.fixture(autouse=True)
def _warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has imported everything, so that the limit is the plug-in's own."""
    resolve_method(parse(LINE))
    monkeypatch.setattr(probe, "SECONDS", 8.0)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plug_in_cannot_end_or_block_the_command(fault: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported, built, result = FAULTS[fault]
    (here / "mine.py").write_text(imported + CLASS.format(built=built))
    suite = write_suite(here / "s.toml", [LINE], seeds=1)
    words = ["run", suite, "--method", "mine.py:Mine", "--store", "store"]
    assert main(words if "hang" not in fault else ["check", "mine.py:Mine"]) == 2
    line = capsys.readouterr().err
    assert result in line
    assert "mine.py:Mine" in line
    assert line.count("\n") == 1


def test_a_task_that_ends_its_process_does_not_end_the_command(here: Path) -> None:
    (here / "mine.py").write_text("import os; os._exit(0)")
    with pytest.raises(UserError, match=r"ended the process \(exit code 0\)"):
        resolve_task(parse("mine.py:Mine"), "tiny")


def test_the_command_does_not_import_a_method(here: Path) -> None:
    (here / "mine.py").write_text("print('hello')\n" + CLASS.format(built="pass"))
    before = set(sys.modules)  # other tests import plug-ins of this name
    method = resolve_method(parse("mine.py:Mine(x=2)"))
    assert (method.label, method.fields, method.abilities) == ("mine.py:Mine(x=2)", {"x": 2}, {"fit_forecaster"})
    assert not [name for name in sys.modules.keys() - before if name.startswith("dynamark_plugin_mine")]


@pytest.mark.parametrize("text", [LINE, f"{LINE}(gain={{0.5, 1.0}})", f"mine={LINE}(gain=0.5)"])
def test_what_comes_back_is_what_an_import_says(text: str) -> None:
    spec = parse(text)
    far, near = resolve_method(spec), described("method", spec, {})
    assert far == near
    assert repr(far.fields) == repr(near.fields)


def test_a_lie_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    true = dict(vars(resolve_method(parse(LINE))))
    for lie in ({"source": "x"}, {"label": 3}, {"fields": None}, {"more": 1}, {"label": "\x1b"}):
        monkeypatch.setattr(probe, "ask", lambda *_, lie=lie: {**true, **lie})
        with pytest.raises(UserError, match="cannot be read"):
            resolve_method(parse(LINE))


def test_pickling_is_tried_where_the_plug_in_is(here: Path) -> None:
    (here / "mine.py").write_text(CLASS.format(built="object.__setattr__(self, 'f', lambda: 0)"))
    assert "pickle" in unpicklable(f"{here}/mine.py:Mine", {"x": 1})
    assert unpicklable(LINE, {"gain": 1.0}) == ""


def test_exits_in_this_process_are_errors_too(here: Path) -> None:
    (here / "mine.py").write_text("import sys; sys.exit(0)")
    with pytest.raises(UserError, match="SystemExit"):
        load(f"{here}/mine.py:Mine", "method")
    assert Spec(WALK)


def test_a_plug_in_is_not_blamed_for_an_earlier_one(here: Path) -> None:
    patch = "import json, sys; json.dumps = lambda *a, **k: 'nonsense'"
    (here / "mine.py").write_text(patch + CLASS.format(built="pass"))
    assert resolve_method(parse("mine.py:Mine")).label == "mine.py:Mine"
    assert resolve_method(parse(LINE)).label == "walk.py:Line"
