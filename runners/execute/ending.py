"""How a worker ended, as the status and reason of its runs: what is the method's doing, and what is not."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dynamark.results.schema import FAILED, LOST

__all__ = ["ANSWERED", "Ending", "ending"]

# A worker's report that its answers lie in the folder.
ANSWERED = "answered"

_LONGEST = 600  # characters of a reason

# Signals that come from outside: people, schedulers and the kernel send them. Others are a process's own doing.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


@dataclass(frozen=True)
class Ending:
    """A status, or ANSWERED, with its reason.

    again: a signal of unknown origin; when it comes every time, it is the method's own.
    """

    status: str
    reason: str = ""
    again: bool = False


def ending(ended: Mapping[str, Any], seconds: float, memory: int) -> Ending:
    """The end of a worker that had so many seconds and bytes."""
    if ended["killed"] == "timeout":
        return Ending("timeout", f"not done after {seconds:g} s")
    if ended["killed"] == "out_of_memory":
        return Ending("out_of_memory", f"more than {memory / 2**30:g} GiB resident")
    if ended["report"]:
        return _reported(ended["report"])
    code = int(ended["code"])
    if -code in _FROM_OUTSIDE:
        if ended["kernel_killed"]:
            return Ending(LOST, "the kernel killed the process: the machine is out of memory")
        return Ending("crashed", _how(code), again=True)
    return Ending("crashed", _how(code))


def _reported(text: str) -> Ending:
    """What a worker reports of itself; it may be anything, since a method ran there."""
    with contextlib.suppress(ValueError, RecursionError):
        report = json.loads(text)
        if isinstance(report, dict):
            status, reason = report.get("status"), report.get("reason", "")
            if status in (ANSWERED, LOST, *FAILED) and isinstance(reason, str):
                return Ending(status, reason[:_LONGEST])
    return Ending("error", "the worker's report cannot be read: the method changed the process that it ran in")


def _how(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the process was killed by {signal.Signals(-code).name}"
    return f"the process ended without an answer (exit code {code})"
