"""A node: it solves the parcels that another machine sends, each by the isolated local engine, one at a time.

`python -m dynamark.runners.execute.node` reads parcels, one a line, from standard input and writes the outcomes, one a line.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from typing import BinaryIO

from dynamark.errors import UserError, one_line
from dynamark.folders import cache_folder
from dynamark.results.store import default_store
from dynamark.runners.execute.executor import Executor, Settings
from dynamark.runners.execute.local import Local
from dynamark.runners.execute.parcel import Differs, opened, outcomes_text
from dynamark.runners.execute.sandbox import works

__all__ = ["Lost", "Node", "standing"]


class Lost(Exception):
    """A parcel that this machine cannot solve, for a reason that is not the method's."""


class Node:
    """Solves parcels. The processes of the local engine stay for the next parcel with the same settings."""

    def __init__(self) -> None:
        self._executor: Executor | None = None
        self._settings: Settings | None = None

    def solve(self, text: str) -> str:
        """The outcomes of a parcel. Raises `Lost` if there can be none here."""
        try:
            cohort, settings = opened(text)
            executor = self._started(settings)
            executor.submit(cohort)
            return outcomes_text(cohort, list(executor.completed()))
        except (Differs, UserError, OSError, ImportError) as error:
            self.close()
            raise Lost(f"{os.uname().nodename}: {one_line(str(error), 300)}") from None

    def close(self) -> None:
        """End the processes of the local engine."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.__exit__(None, None, None)

    def _started(self, settings: Settings) -> Executor:
        if self._executor is None or settings != self._settings:
            self.close()
            hidden = settings.hidden
            if hidden is not None:
                if not works():
                    raise UserError("the kernel of this machine lets users make no sandbox")
                own = (cache_folder() / "data", default_store())  # those of this machine
                hidden = (*hidden, *(str(folder.absolute()) for folder in own))
            self._executor, self._settings = Local(1, settings.limits, settings.device, hidden), settings
        return self._executor

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@functools.cache
def standing() -> Node:
    """The node of this process: it ends with the process."""
    node = Node()
    atexit.register(node.close)
    return node


def _serve(parcels: BinaryIO, answers: BinaryIO) -> None:
    with Node() as node:
        for line in parcels:
            try:
                answer = node.solve(line.decode())
            except Lost as error:
                answer = f"lost {error}"
            answers.write(answer.encode() + b"\n")
            answers.flush()


def main() -> None:
    """Answer over the standard output, which what runs here does not reach."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
