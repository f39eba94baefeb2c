"""A method that was defined in a notebook's cell, or in a script, runs as one of a file does."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbclient
import nbformat
import pytest
from support import WALK, write_suite

from dynamark.runners.cell import source_of_cell

METHOD = """\
import math
from dataclasses import dataclass
from typing import ClassVar

import torch as t
from dynamark import Forecasting, Run

GROWTH = 2.0


def scaled(x: t.Tensor, gain: float) -> t.Tensor:
    return x * gain * GROWTH / math.sqrt(4.0)
"""

CLASS = '''\
@dataclass(frozen=True)
class Mine:
    """x_{t+1} = gain x_t."""

    gain: float = 1.0
    about: ClassVar[str] = "of a cell"

    def fit_forecaster(self, problem: Forecasting, run: Run):
        return self

    def forecast(self, context, horizon, inputs=None):
        return scaled(context.observations[:, -1:], self.gain).expand(-1, horizon, -1)
'''


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nbclient.NotebookClient]:
    """One process for all notebooks, because most of the time of each is the import of torch."""
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=300)
    with client.setup_kernel(cwd=str(tmp_path_factory.mktemp("notebooks"))):
        yield client


def executed(kernel: nbclient.NotebookClient, folder: Path, *cells: str) -> str:
    """What the last cell prints or shows, in a notebook that knows no name of the one before."""
    start = f"%reset -f\n%cd -q {folder}"
    kernel.nb = book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (start, *cells)])
    for place, cell in enumerate(book.cells):
        kernel.execute_cell(cell, place)
    outputs = book.cells[-1]["outputs"]
    return "".join(o.get("text") or o["data"].get("text/html") or o["data"]["text/plain"] for o in outputs)


@pytest.fixture
def suite(tmp_path: Path) -> str:
    return write_suite(tmp_path / "s.toml", ["persistence"], [WALK], seeds=2)


def test_a_method_of_a_notebook_runs_isolated_and_its_source_is_its_identity(
    kernel: nbclient.NotebookClient, tmp_path: Path, suite: str
) -> None:
    run = f"import dynamark\nreport = dynamark.run({suite!r}, method=[Mine, Mine(gain=0.5)], store='r', workers=1)\n"
    shown = executed(
        kernel,
        tmp_path,
        METHOD,
        CLASS,
        f"{run}report",
    )
    assert shown.startswith("Report(4 succeeded; 0 cached")
    table = executed(kernel, tmp_path, "import dynamark\ndynamark.leaderboard('r', published=False)")
    assert "<table" in table
    assert "Mine(gain=0.5)" in table
    # The same cells again: cached. A helper that changed: another method.
    again = executed(kernel, tmp_path, METHOD, CLASS, f"{run}print(report.summary)")
    assert again.startswith("nothing to do; 4 cached")
    changed = executed(
        kernel, tmp_path, METHOD.replace("GROWTH = 2.0", "GROWTH = 3.0"), CLASS, f"{run}print(report.summary)"
    )
    assert changed.startswith("4 succeeded; 0 cached")


def test_what_cannot_be_sent_is_one_clear_error(kernel: nbclient.NotebookClient, tmp_path: Path, suite: str) -> None:
    lost = CLASS.replace("scaled(context.observations[:, -1:], self.gain)", "NET(context.observations[:, -1:])")
    run = f"try: dynamark.run({suite!r}, method=Mine, store='r')\nexcept dynamark.UserError as error: print(error)"
    shown = executed(kernel, tmp_path, METHOD + "\nimport dynamark\nNET = t.nn.Linear(2, 2)", lost, run)
    assert shown.startswith("the class uses 'NET' of __main__, which cannot be copied to a worker process")
    inside = "def make():\n" + "\n".join("    " + line for line in CLASS.splitlines()) + "\n    return Mine\n"
    shown = executed(kernel, tmp_path, METHOD, inside + "Mine = make()\nimport dynamark", run)
    assert "is defined inside a function" in shown


LOOP = """\
@dataclass(frozen=True)
class Mine:
    GROWTH: float = GROWTH

    def forecast(self, context):
        total = 0.0
        for _ in range(3):
            total += self.GROWTH
        return [x * scaled(total, 1.0) for x in context]
"""


def test_local_variables_are_not_taken_for_names_of_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a notebook, `_` is what the last cell showed; a loop's `_`, and `x` of a comprehension, are not that."""
    file = tmp_path / "shown.py"
    file.write_text(METHOD + "\n\n" + LOOP + "\n_ = x = total = object()\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    source = source_of_cell(importlib.import_module("shown").Mine)
    assert "def scaled" in source
    assert "GROWTH = 2.0" in source
    assert "total =" not in source.partition("class Mine")[0]


def test_a_script_needs_no_guard_and_is_not_run_again(tmp_path: Path, suite: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        METHOD
        + "\n\n"
        + CLASS
        + f"\n\nimport dynamark\nprint(dynamark.run({suite!r}, method=Mine(gain=0.5), store='r', workers=1).summary)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "2 succeeded; 0 cached; results in r\n"


def test_source_that_cannot_be_read_is_one_clear_error(tmp_path: Path, suite: str) -> None:
    code = f"exec({METHOD + CLASS!r})\nimport dynamark\ndynamark.run({suite!r}, method=Mine, store='r')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stderr.splitlines()[-1].startswith("dynamark.errors.UserError: the source of 'Mine' is not available")
