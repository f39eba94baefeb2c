"""The GitHub Action: its script does what the documentation says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from forge import with_gh
from synthetic import rows_of, store

ROOT = Path(__file__).resolve().parents[3]


def script(step: str = "compare") -> str:
    """The shell of a step."""
    (text,) = (part for part in (ROOT / "action.yml").read_text().split("    - name: ") if part.startswith(f"{step}\n"))
    body = text.split("      run: |\n", 1)[1]
    return "\n".join(line.removeprefix("        ") for line in body.splitlines())


def act(folder: Path, base: Path, new: Path, **inputs: Any) -> tuple[int, str, str]:
    """Exit code, summary and outputs of the step."""
    command = folder / "dynamark"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m dynamark "$@"\n')
    command.chmod(0o755)
    variables = {"EFFECT": "0.02", "SLOWDOWN": "1.6", "LEVEL": "0.01", "ALLOW_MISSING": "false", **inputs}
    files = {"GITHUB_STEP_SUMMARY": str(folder / "summary"), "GITHUB_OUTPUT": str(folder / "output")}
    sides = {"BASE": str(base), "NEW": str(new), "COMMAND": str(command)}
    done = subprocess.run(
        ["bash", "-c", script()], cwd=folder, env={**os.environ, **variables, **files, **sides}, check=False
    )
    read = [(folder / name).read_text() if (folder / name).exists() else "" for name in ("summary", "output")]
    return done.returncode, read[0], read[1]


@pytest.mark.parametrize(("scale", "code"), [(1.0, 0), (1.05, 1)])
def test_the_step_fails_by_the_exit_code(tmp_path: Path, scale: float, code: int) -> None:
    base = store(tmp_path / "base", rows_of({"m": {"chaos/a": [1.0, 2.0, 3.0]}}))
    new = store(tmp_path / "new", rows_of({"m": {"chaos/a": [scale, 2 * scale, 3 * scale]}}))
    ended, summary, output = act(tmp_path, base, new)
    assert ended == code
    assert "### dynamark compare" in summary
    assert output == f"exit-code={code}\n"


def test_missing_runs_can_be_allowed(tmp_path: Path) -> None:
    base = store(tmp_path / "base", rows_of({"m": {"chaos/a": [1.0]}, "n": {"chaos/a": [1.0]}}))
    new = store(tmp_path / "new", rows_of({"m": {"chaos/a": [1.0]}}))
    assert act(tmp_path, base, new)[0] == 3
    ended, _, output = act(tmp_path, base, new, ALLOW_MISSING="true")
    assert ended == 0
    assert "exit-code=3" in output


@pytest.mark.parametrize("step", ["install", "compare", "comment"])
def test_inputs_never_become_script(step: str) -> None:
    assert "${{" not in script(step)


@pytest.mark.parametrize(
    ("comments", "request_line"),
    [("", "--method POST repos/o/r/issues/7/comments"), ("41\n42\n", "--method PATCH repos/o/r/issues/comments/41")],
)
def test_a_comment_is_written_once_and_then_edited(tmp_path: Path, comments: str, request_line: str) -> None:
    (tmp_path / "compare.md").write_text("### dynamark compare\n")
    (tmp_path / "comments").write_text(comments)
    env = {**with_gh(tmp_path), "PULL": "7", "GITHUB_ACTION_PATH": str(ROOT)}
    subprocess.run(["bash", "-e", "-c", script("comment")], cwd=tmp_path, env=env, check=True)
    assert request_line in (tmp_path / "log").read_text()
    assert (tmp_path / "body").read_text() == "<!-- dynamark compare -->\n### dynamark compare\n"


def test_comparing_needs_no_more_than_the_step_installs(tmp_path: Path) -> None:
    """Everything else is made impossible to import."""
    base = store(tmp_path / "base", rows_of({"m": {"chaos/a": [1.0, 2.0, 3.0]}}))
    installed = script("install").splitlines()[-1].split()
    heavy = {"torch", "datasets", "threadpoolctl", "tqdm", "numba", "beartype", "statsmodels"}
    assert not heavy & set(installed)
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(heavy)}))\n"
        "from dynamark.cli import main\n"
        f"sys.exit(main(['compare', {str(base)!r}, {str(base)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
