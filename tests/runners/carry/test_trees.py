"""Rows carried between real trees of code: a git revision, a refactoring of it, and one that changes the last bit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dynamark.errors import UserError
from dynamark.results.store import Store
from dynamark.results.verify import verify
from dynamark.runners.carry import tree
from dynamark.runners.carry.carry import carry_with
from dynamark.runners.carry.tree import Tree, commit_of, extracted

ROOT = Path(__file__).resolve().parents[3]
PARTS = ("src", "tasks", "methods", "results", "runners", "leaderboard")
OPTIONS = {"engine": "inline"}
# A private function with another name, and an answer that is larger by its last bit.
LAST = "context.observations[:, -1:]"
REFACTORED = "methods/koopman/dmd.py", {"def _eig(": "def _eigenpairs(", "self._eig[": "self._eigenpairs["}
LARGER = "methods/trivial.py", {LAST: f"torch.nextafter({LAST}, torch.full_like({LAST}, torch.inf))"}


def copied(folder: Path, *changes: tuple[str, dict[str, str]]) -> Path:
    """The code of this checkout without published rows, with changes of some files."""
    ignored = shutil.ignore_patterns("__pycache__", "published", "pending", "runs")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, symlinks=True, ignore=ignored)
    for name, texts in changes:
        content = (folder / name).read_text()
        for before, after in texts.items():
            assert before in content
            content = content.replace(before, after)
        (folder / name).write_text(content)
    return folder


@pytest.fixture(scope="module")
def revision(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository with the code of today at its only commit."""
    folder = copied(tmp_path_factory.mktemp("repository"))
    git = ["git", "-C", str(folder), "-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "the old revision"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    return folder, head


@pytest.fixture(scope="module")
def old(revision: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """The code of the revision, in a process of its own."""
    base = tmp_path_factory.mktemp("old")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "_checkout", lambda: revision[0])
        assert commit_of("HEAD") == revision[1]
        with extracted(revision[1], base / "code") as source, Tree(source, base / "cache") as code:
            yield code


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """The code with both changes, in another process."""
    base = tmp_path_factory.mktemp("today")
    with Tree(copied(base / "code", REFACTORED, LARGER) / "src", base / "cache") as code:
        yield code


@pytest.fixture(scope="module")
def rows(old: Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder that the old revision filled."""
    folder = tmp_path_factory.mktemp("rows") / "store"
    task = {"kind": "run", "task": "koopman/duffing", "tier": "standard", "task_fields": "{}", "salt": ""}
    run = {**task, "method_fields": "{}", "budget": None, "device": "cpu"}
    planned = [{**run, "method": name, "seed": seed} for name in ("dmd", "persistence") for seed in (0, 1)]
    assert len(old.run(planned, folder, OPTIONS)) == 4
    return folder


def attempted(old: Tree, today: Tree, rows: Path, folder: Path, method: str) -> tuple[Any, Path]:
    """What comes of carrying the rows of a method; the results folder."""
    store = shutil.copytree(rows, folder / "store")
    return carry_with(old, today, Store(store), "0" * 40, method=[method], options=OPTIONS), store


def test_a_renamed_private_function_is_carried(old: Tree, today: Tree, rows: Path, tmp_path: Path) -> None:
    report, store = attempted(old, today, rows, tmp_path, "dmd")
    assert (report.rows, report.written, report.refused) == (2, 2, None)
    assert (report.tiny, report.again) == (1, 1)
    before, after = ({row["key"]: row for row in Store(folder).rows().to_pylist()} for folder in (rows, store))
    added = [row for key, row in after.items() if key not in before]
    assert {key: repr(row) for key, row in after.items() if key in before} == {k: repr(v) for k, v in before.items()}
    assert len(added) == 2
    for row in added:
        (origin,) = row["carried_from"]
        (source,) = [old for old in before.values() if (old["method"], old["seed"]) == ("dmd", row["seed"])]
        assert row["method_source"] != origin["method_source"] == source["method_source"]
        assert (origin["commit"], origin["tiny"], origin["rows"]) == ("0" * 40, 1, 1)
        new = {"key", "method_source", "task_source", "carried_from"}
        assert repr([row[name] for name in row if name not in new]) == repr(
            [source[name] for name in source if name not in new]
        )
    assert not [line for line in verify(added, {}, lambda task, tier: None) if "key" in line or "carried" in line]
    assert not (store / ".carry").exists()


def test_a_change_of_the_last_bit_is_refused(old: Tree, today: Tree, rows: Path, tmp_path: Path) -> None:
    report, store = attempted(old, today, rows, tmp_path, "persistence")
    assert (report.rows, report.written) == (2, 0)
    assert report.refused.startswith("persistence on koopman/duffing [tiny], seed 0 differs: ")
    assert Store(store).rows().equals(Store(rows).rows())
    assert not list((store / ".carry").glob("*/*"))


def test_an_error_of_the_other_code_is_one_line(old: Tree, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot plan the sample: KeyError: 'salt'"):
        old.plan([{"kind": "experiment", "task": "koopman/none", "task_fields": "{}"}], [[0]])
