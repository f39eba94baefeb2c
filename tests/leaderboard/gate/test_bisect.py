"""Bisecting names the commit that made a method worse, and leaves the checkout as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import PLUGINS
from synthetic import rows_of, store

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.leaderboards.gate import bisect as module
from dynamark.leaderboards.gate.bisect import Bisection, Question, bisect

# What stands for dynamark: its results are those that the checked-out file `factor` names.
FAKE = """
import shutil, sys
from pathlib import Path
factor = Path("factor").read_text()
if factor == "broken":
    sys.exit("cannot import this")
shutil.copytree(Path(__file__).parent / factor, sys.argv[sys.argv.index("--store") + 1], dirs_exist_ok=True)
"""


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def history(folder: Path, factors: list[str]) -> list[str]:
    """A checkout with one commit per factor; their digests."""
    folder.mkdir()
    git(folder, "init", "--quiet")
    commits = []
    for k, factor in enumerate(factors):
        (folder / "factor").write_text(factor)
        (folder / "other").write_text(str(k))
        git(folder, "add", "-A")
        git(folder, "commit", "--quiet", "-m", f"commit {k}")
        commits.append(git(folder, "rev-parse", "HEAD"))
    return commits


def searched(tmp_path: Path, factors: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Bisection]:
    commits = history(tmp_path / "checkout", factors)
    for factor in {*factors} - {"broken"}:
        values = [None if factor == "crash" else float(factor) * (1 + 0.001 * seed) for seed in range(5)]
        store(tmp_path / factor, rows_of({"m": {"chaos/a": values}}))
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.chdir(tmp_path / "checkout")
    question = Question("m", "chaos/a", command=(sys.executable, "-S", "-E", str(tmp_path / "fake.py")))
    return commits, bisect(question, commits[0], "HEAD")


def test_the_commit_that_made_a_score_worse_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits, outcome = searched(tmp_path, ["1.0", "0.9", "1.0", "1.5", "1.6"], monkeypatch)
    assert outcome.first_bad == (commits[3],)
    by_commit = {step.commit: step for step in outcome.steps}
    assert by_commit[commits[3]].detail.startswith("worse: error +50.0% over 5 seeds")
    assert by_commit[commits[2]].outcome == "good"
    # The checkout of the user: same commit, clean, and no bisection in it.
    assert git(Path.cwd(), "rev-parse", "HEAD") == commits[-1]
    assert git(Path.cwd(), "status", "--porcelain") == ""
    assert "refs/bisect" not in git(Path.cwd(), "for-each-ref")


def test_a_commit_that_cannot_run_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits, outcome = searched(tmp_path, ["1.0", "broken", "crash"], monkeypatch)
    assert set(outcome.first_bad) == {commits[1], commits[2]}
    assert [(step.outcome, step.detail) for step in outcome.steps[1:]] == [
        ("bad", "failed: 5 of 5 seeds: crashed"),
        ("skip", "no results: cannot import this"),
    ]


def test_what_is_not_worse_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"is not worse than .*: better: error -50.0%"):
        searched(tmp_path, ["1.0", "0.5"], monkeypatch)
    first = git(Path.cwd(), "rev-parse", "HEAD~1")
    with pytest.raises(UserError, match="is not an ancestor of"):
        bisect(Question("m", "chaos/a"), "HEAD", first)
    with pytest.raises(UserError, match="nowhere is not a git revision"):
        bisect(Question("m", "chaos/a"), "nowhere", "HEAD")


def test_the_command_runs_a_method_at_its_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two commits of a method in a file, run by dynamark itself, from a folder below the top."""
    folder = tmp_path / "checkout" / "methods"
    folder.mkdir(parents=True)
    git(folder.parent, "init", "--quiet")
    text = (PLUGINS / "walk.py").read_text()
    for gain in ("1.0", "0.5"):
        (folder / "walk.py").write_text(text.replace("gain: float = 1.0", f"gain: float = {gain}"))
        git(folder.parent, "add", "-A")
        git(folder.parent, "commit", "--quiet", "-m", f"gain {gain}")
    assert text.count("gain: float = 1.0") == 1
    monkeypatch.chdir(folder)
    words = ["walk.py:Line", "walk.py:Walk", "HEAD~1", "HEAD", "--tier", "tiny", "--seeds", "3"]
    assert main(["bisect", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("first bad commit: ")
    assert lines[0].endswith("gain 0.5")
    assert "error +" in lines[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "1"], "invalid --seeds 1"),
        (["--level", "0"], "invalid --level 0"),
        ([], "run bisect in a git checkout"),
    ],
)
def test_bad_input_is_one_line(words: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bisect", "m", "chaos/a", "A", "B", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert main(["bisect", "/abs/mine.py:Mine", "chaos/a", "A", "B"]) == 2


def test_every_candidate_is_named_when_git_cannot_tell() -> None:
    log = "# only skipped commits left to test\n" + "".join(
        f"# possible first bad commit: [{c * 40}] subject\n" for c in "ab"
    )
    assert module._first_bad(log) == ("a" * 40, "b" * 40)
    assert json.dumps(module._first_bad(f"{log}# first bad commit: [{'c' * 40}] x\n")) == json.dumps(["c" * 40])
