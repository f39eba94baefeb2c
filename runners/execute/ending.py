"""How a worker ended, as the status and reason of its runs: what is the method's doing, and what is not."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dynamark.errors import one_line
from dynamark.results.schema import FAILED, LOST

__all__ = ["ANSWERED", "Ending", "ending", "how_it_ended", "versions_in"]

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
        return Ending("crashed", how_it_ended(code), again=True)
    return Ending("crashed", how_it_ended(code))


def _reported(text: str) -> Ending:
    """What a worker reports of itself; it may be anything, since a method ran there."""
    with contextlib.suppress(ValueError, RecursionError):
        report = json.loads(text)
        if isinstance(report, dict):
            status, reason = report.get("status"), report.get("reason", "")
            if status in (ANSWERED, LOST, *FAILED) and isinstance(reason, str):
                return Ending(status, reason[:_LONGEST])
    return Ending("error", "the worker's report cannot be read: the method changed the process that it ran in")


def how_it_ended(code: int) -> str:
    """The reason of a process that left no answer, by its exit code (minus the signal that killed it)."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the process was killed by {signal.Signals(-code).name}"
    return f"the process ended without an answer (exit code {code})"


# Of a row's provenance, what a worker's own interpreter says.
_VERSIONS = {"python", "numpy", "torch", "scipy", "numba"}


def versions_in(report: str) -> dict[str, str | None]:
    """The versions of another interpreter that a worker reports; none if it reports none, or something else."""
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(report)
        own = content.get("versions") if isinstance(content, dict) else None
        if isinstance(own, dict) and set(own) == _VERSIONS:
            return {name: None if value is None else one_line(str(value), 60) for name, value in own.items()}
    return {}
