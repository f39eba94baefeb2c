"""A tree of code, of this revision or an older one, with a process that runs it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from dynamark.errors import UserError, one_line
from dynamark.results.schema import Row
from dynamark.results.store import Store

__all__ = ["Code", "Plan", "Tree", "commit_of", "extracted", "present"]

# Of one recorded configuration: the planned runs, one per seed, or why there are none.
Plan = list[Row] | str

_INSIDE = Path(__file__).with_name("inside.py")
_PATIENCE = 30.0  # seconds that an interrupted process gets to end its workers


@runtime_checkable
class Code(Protocol):
    """Code that can plan runs and execute them."""

    def plan(self, rows: Sequence[Row], seeds: Sequence[Sequence[int]]) -> list[Plan]:
        """The plan of each recorded configuration."""
        ...

    def run(self, rows: Sequence[Row], store: Path, options: Mapping[str, Any]) -> dict[str, Row]:
        """Execute runs unless the results folder has them. All rows of the folder, by key; those of lost runs are absent."""
        ...


class Tree:
    """The code below a folder that holds the package `dynamark`, in a process of its own with a cache of its own.

    Data that the code of one tree has cached must not hide that the other tree generates different data.
    """

    def __init__(self, source: Path, cache: Path) -> None:
        self._source = source.resolve()
        environment = {**os.environ, "PYTHONPATH": str(self._source), "DYNAMARK_CACHE": str(cache)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_INSIDE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the command alone, which then ends this process
        )
        self._started = False

    def plan(self, rows: Sequence[Row], seeds: Sequence[Sequence[int]]) -> list[Plan]:
        """The plan of each recorded configuration by this code."""
        plans: list[Plan] = self._ask({"verb": "plan", "rows": list(rows), "seeds": [list(own) for own in seeds]})[
            "plans"
        ]
        return plans

    def run(self, rows: Sequence[Row], store: Path, options: Mapping[str, Any]) -> dict[str, Row]:
        """Execute runs by this code."""
        if rows:
            self._ask({"verb": "run", "rows": list(rows), "options": {**options, "store": str(store)}})
        return {row["key"]: row for row in Store(store).rows().to_pylist()}

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        if not self._started:
            where = Path(self._answer().get("tree", "")).resolve()
            if self._source not in where.parents:
                raise UserError(
                    f"cannot run the code in {self._source}: another dynamark is imported, from {where.parent}"
                )
            self._started = True
        with contextlib.suppress(BrokenPipeError):  # its end is noticed where the answer is read
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        reply = self._answer()
        if "failed" in reply:
            raise UserError(
                f"the code in {self._source} cannot {request['verb']} the sample: {one_line(reply['failed'], 160)}"
            )
        return reply

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise UserError(f"the code in {self._source} ended unexpectedly (its message is printed above)")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # it reads this as the end
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()


def _checkout() -> Path:
    """The checkout that dynamark runs from."""
    # Resolved, so that the link src/dynamark/runners leads to the checkout.
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        raise UserError("dynamark is not run from a git checkout, so there is no code of an older revision; clone it")
    return folder


def present() -> Path:
    """The folder of the package that is being run."""
    return Path(__file__).absolute().parents[3]


def commit_of(revision: str) -> str:
    """The commit of a revision of the checkout that dynamark runs from."""
    try:
        # --end-of-options: a name that begins with a dash is a revision too, and never an option of git.
        return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    except (OSError, subprocess.SubprocessError):
        raise UserError(f"'{one_line(revision, 60)}' is not a revision of {_checkout()}; see `git log`") from None


@contextlib.contextmanager
def extracted(commit: str, folder: Path) -> Iterator[Path]:
    """The package as it was at a commit, below an empty folder; published results are left out."""
    archive = _git("archive", "--format=tar", commit, "--", ".", ":(exclude)results/published")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="tar")  # its symbolic links are parts of the package
    yield folder / "src"


def _git(*words: str) -> bytes:
    command = ["git", "-C", str(_checkout()), *words]
    return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout
