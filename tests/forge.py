"""A forge for tests: the scripts of workflows, and a stand-in for its command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]

# Logs its arguments; lists the comments of a file, keeps the text that is posted, and has one run with a folder `artifact`.
_GH = """#!/bin/sh
echo "$@" >> log
case "$*" in
  *--paginate*) cat comments ;;
  *body=@*) for word; do case "$word" in body=@*) cat "${word#body=@}" > body ;; esac; done ;;
  "run download"*) [ -d artifact ] && cp -r artifact submission ;;
  *"/pulls/"*) cat head ;;
esac
"""


def with_gh(folder: Path) -> dict[str, str]:
    """The environment in which `gh` is that stand-in; scripts must run in the folder."""
    (folder / "gh").write_text(_GH)
    (folder / "gh").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "GITHUB_REPOSITORY": "o/r"}


def workflow(name: str) -> dict[str, Any]:
    """A workflow of this repository."""
    parsed: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return parsed


def step(name: str, job: str, title: str) -> str:
    """The script of a step."""
    (script,) = (one["run"] for one in workflow(name)["jobs"][job]["steps"] if one.get("name") == title)
    return str(script)
