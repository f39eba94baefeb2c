"""The workflows: a pull request with submitted results gets a comment with the table, and main gets its pages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from forge import ROOT, step, with_gh, workflow

BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]  # as the forge calls it


def git(folder: Path, *words: str) -> None:
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def pull_request(tmp_path: Path) -> Path:
    """A checkout whose last commit submits results; its checker prints a table and ends as the file `code` says."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "base")
    git(tmp_path, "tag", "base")
    published = tmp_path / "results" / "published"
    published.mkdir(parents=True)
    (published / "submitted--mine of ada.parquet").write_text("rows")
    (published / "board--gd.parquet").write_text("rows")
    git(tmp_path, "add", "results")
    git(tmp_path, "commit", "-q", "-m", "results")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    stand_ins = {".venv/bin/python": 'echo "| table of $2 |"; exit "$(cat code)"', "make": 'echo "make $*"'}
    for name, text in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def check(folder: Path, code: int, base: str = "base") -> int:
    """The exit code of the step of `ci`."""
    (folder / "code").write_text(str(code))
    env = {**with_gh(folder), "BASE": base, "PULL": "7", "GITHUB_STEP_SUMMARY": str(folder / "summary")}
    script = step("ci", "submission", "submitted results")
    return subprocess.run([*BASH, script], cwd=folder, env=env, check=False, capture_output=True).returncode


def comment(folder: Path, head: str = "abc") -> int:
    """The exit code of the step of `comment`, once the artifact is there."""
    (folder / "head").write_text("abc\n")
    (folder / "comments").write_text("")
    if not (folder / ".ci").exists():
        (folder / ".ci").symlink_to(ROOT / ".ci")
    env = {**with_gh(folder), "RUN": "1", "HEAD": head}
    script = step("comment", "comment", "comment")
    return subprocess.run([*BASH, script], cwd=folder, env=env, check=False, capture_output=True).returncode


@pytest.mark.parametrize("code", [0, 1])
def test_submitted_results_are_checked_and_the_table_is_a_comment(pull_request: Path, code: int) -> None:
    ended = check(pull_request, code)
    assert (ended == 0) == (code == 0)
    text = "### Submitted results\n| table of results/published/submitted--mine of ada.parquet |\n"
    assert (pull_request / "summary").read_text() == text
    (pull_request / "submission").rename(pull_request / "artifact")
    assert comment(pull_request) == 0
    assert "--method POST repos/o/r/issues/7/comments" in (pull_request / "log").read_text()
    assert (pull_request / "body").read_text() == f"<!-- dynamark submission -->\n{text}"


def test_a_pull_request_without_results_gets_no_comment(pull_request: Path) -> None:
    assert check(pull_request, 0, base="HEAD") == 0
    assert not (pull_request / "submission").exists()
    assert comment(pull_request) == 0
    assert not (pull_request / "body").exists()


def test_a_run_cannot_comment_on_another_pull_request(pull_request: Path) -> None:
    """The number is from the run of the pull request itself, which its author can change."""
    check(pull_request, 0)
    (pull_request / "submission").rename(pull_request / "artifact")
    assert comment(pull_request, head="def") == 1
    assert not (pull_request / "body").exists()


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x" * 100_000)
    (tmp_path / "comments").write_text("")
    subprocess.run([ROOT / ".ci" / "comment", "7", "compare", "text"], cwd=tmp_path, env=with_gh(tmp_path), check=True)
    assert 60_000 < len((tmp_path / "body").read_text()) < 65_536
    refused = subprocess.run([ROOT / ".ci" / "comment", "../7", "compare", "text"], cwd=tmp_path, check=False)
    assert refused.returncode == 2


def test_no_expression_becomes_script() -> None:
    """What a pull request says reaches a script only as a variable."""
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for job in workflow(path.stem)["jobs"].values():
            assert all("${{" not in one.get("run", "") for one in job["steps"]), path


def test_the_workflow_that_comments_waits_for_ci_and_runs_nothing_of_the_pull_request() -> None:
    comments = workflow("comment")
    assert comments[True]["workflow_run"]["workflows"] == [workflow("ci")["name"]]  # YAML reads `on` as true
    (checkout,) = (one for one in comments["jobs"]["comment"]["steps"] if "checkout" in one.get("uses", ""))
    assert "with" not in checkout


def test_the_published_site_has_the_leaderboard_page() -> None:
    """Both steps write into the folder that is published, and the second replaces the page that the site links to."""
    assert step("pages", "build", "site") == "make docs"
    assert "--out site/leaderboard/page.html" in step("pages", "build", "leaderboard with trends")
    assert 'PAGE = "leaderboard/page.html"' in (ROOT / "docs" / "site" / "hooks.py").read_text()
    (upload,) = (
        one for one in workflow("pages")["jobs"]["build"]["steps"] if "upload-pages-artifact" in one.get("uses", "")
    )
    assert upload["with"]["path"] == "site"
