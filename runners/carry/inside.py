"""What the process of one tree of code does: it plans runs and executes them. The code may be of another revision.

This file is run by its path, with the other tree on PYTHONPATH, so it must not import what that tree may lack: only what
`reproduce` needs, by the names that it has had since boards exist. Requests and replies are JSON, one per line.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from _thread import interrupt_main
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["planned"]


def planned(row: Mapping[str, Any], seeds: Sequence[int]) -> list[Any]:
    """The planned runs of a recorded configuration, one per seed; `UserError` if this code has no such task or method."""
    from dynamark.runners.plan.expand import expand

    plan = expand(_suite_of(row), seeds=list(seeds), salt=row["salt"], device=row["device"])
    return list(plan.runs)


def _suite_of(row: Mapping[str, Any]) -> Any:
    from dynamark.runners import reproduce

    read: Any = getattr(reproduce, "suite_of", None) or vars(reproduce)["_suite"]  # its name in older revisions
    return read(row, None, None, None)


def _plan(request: dict[str, Any]) -> dict[str, Any]:
    """The columns known beforehand of every planned run; for a configuration that cannot be planned, why not."""
    from dynamark.errors import UserError

    plans: list[Any] = []
    for row, seeds in zip(request["rows"], request["seeds"], strict=True):
        try:
            plans.append([run.row for run in planned(row, seeds)])
        except UserError as error:
            plans.append(str(error))
    return {"plans": plans}


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Execute runs; their rows go to a results folder. What is there already is not run again."""
    from dynamark.runners.plan.suite import Suite
    from dynamark.runners.run import run

    batches: dict[tuple[int, str, Any], list[Any]] = {}
    for row in request["rows"]:
        batches.setdefault((row["seed"], row["salt"], row["device"]), []).append(_suite_of(row))
    for (seed, salt, device), suites in sorted(batches.items(), key=lambda batch: batch[0]):
        entries = tuple(entry for suite in suites for entry in suite.entries)
        experiments = tuple(experiment for suite in suites for experiment in suite.experiments)
        suite = Suite("carry", "a sample", entries, experiments=experiments)
        run(suite, seeds=[seed], salt=salt, device=device, **request["options"])
    return {}


_VERBS = {"plan": _plan, "run": _run}


def _reply(line: str) -> dict[str, Any]:
    """The reply to one request. Whatever goes wrong in the other code is text: the asking process reports it."""
    request = json.loads(line)
    try:
        return _VERBS[request["verb"]](request)
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}


def _listen(lines: queue.SimpleQueue[str | None]) -> None:
    """Pass requests on. When the asking process is gone, so is the reason to go on: interrupt what runs."""
    for line in sys.stdin:
        lines.put(line)
    lines.put(None)
    interrupt_main()


def _serve() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what else is printed must not stand between the replies
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    from dynamark import version

    print(json.dumps({"tree": version.__file__}), file=replies, flush=True)
    while (line := lines.get()) is not None:
        print(json.dumps(_reply(line)), file=replies, flush=True)


if __name__ == "__main__":
    try:
        _serve()
    except KeyboardInterrupt:
        sys.exit(130)
