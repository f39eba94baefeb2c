"""The notebooks run, and show what is written in them up to numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nbclient.NotebookClient]:
    """One process for all notebooks, because most of the time of each is the import of torch."""
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=300)
    with client.setup_kernel(cwd=str(tmp_path_factory.mktemp("notebooks"))):
        yield client


def shown(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """What each cell of code shows, without numbers and without the columns' widths and places that depend on them."""
    return [
        [
            without_numbers("".join(o.get("text") or o["data"].get("text/html") or o["data"]["text/plain"]))
            for o in outputs
        ]
        for outputs in (cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code")
    ]


def without_numbers(text: str) -> str:
    return re.sub(r"[\s-]+", " ", re.sub(r"[-\d.]*\d(?:e[+-]?\d+)?|\b[0-9a-f]{16}\b", "#", text))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_says(path: Path, kernel: nbclient.NotebookClient, tmp_path: Path) -> None:
    written = nbformat.read(path, as_version=4)
    executed = nbformat.read(path, as_version=4)
    kernel.nb = executed
    # A fresh start: no name of the notebook before, and an empty folder.
    start = nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {tmp_path}")
    executed.cells.insert(0, start)
    for index, cell in enumerate(executed.cells):
        if cell["cell_type"] == "code":
            kernel.execute_cell(cell, index)
    del executed.cells[0]
    assert shown(executed) == shown(written), f"run docs/notebooks/run {path.stem}"


def test_there_are_three_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["claim", "compare", "recording"]
