"""Commands that need a process of their own but not a fresh interpreter: a forked child has imported everything already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import dynamark.runners.conduct  # noqa: F401  what a run imports, before the fork
from dynamark import cli
from dynamark.runners import probe

__all__ = ["Command", "alive", "descendants"]


class Command:
    """`dynamark WORDS` in a forked process; what it prints, and its processes print, is in files.

    Imports of a command take 3 s of a processor, and those of the process that reads plug-ins 2 s: what happens later can be
    tested without them.
    """

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        """folder: where the files with the output go."""
        folder.mkdir(parents=True, exist_ok=True)
        self._output, self._errors = folder / "stdout", folder / "stderr"
        self._process = multiprocessing.get_context("fork").Process(
            target=_main, args=(list(words), self._output, self._errors), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def wait(self, timeout: float | None = None) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        self._process.join(timeout)
        return self._process.exitcode

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    @property
    def output(self) -> str:
        """What stands in its standard output."""
        return self._output.read_text() if self._output.exists() else ""

    @property
    def errors(self) -> str:
        """What stands in its standard error."""
        return self._errors.read_text() if self._errors.exists() else ""


def _main(words: list[str], output: Path, errors: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores Ctrl-C
    for number, path in ((1, output), (2, errors)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    probe.inside()
    sys.argv = ["dynamark", *words]
    sys.exit(cli.main())


def descendants(pid: int) -> set[int]:
    """The processes below a process."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return set()
    return {int(child) for child in children}.union(*(descendants(int(child)) for child in children))


def alive(pid: int) -> bool:
    """Whether a process of a run still runs; a zombie does not, and a number that a stranger took over does not count."""
    try:
        output = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"dynamark.runners.execute.processes" in output
