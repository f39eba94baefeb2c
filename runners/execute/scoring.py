"""The scorer process: it poses problems and scores answers. It runs task code and no method code."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

from dynamark.runners.execute import scorer, wire
from dynamark.runners.execute.answers import BadAnswer
from dynamark.runners.execute.channels import receive, send
from dynamark.runners.execute.received import received
from dynamark.runners.execute.secrets import closed_process
from dynamark.runners.execute.worker import failure, is_infrastructure, steady

__all__ = ["serve"]


def serve(sock: socket.socket, settings: dict[str, Any]) -> None:
    """Reply to requests until the parent is gone; a reply carries the number of its request."""
    steady()
    for request in receive(sock):
        with closed_process(bool(request["task"]["fields"]["salt"])):
            send(sock, {**_reply(request), "request": request["request"]})


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return _posed(request) if request["verb"] == "pose" else _scored(request)
    except BaseException as error:
        reason = failure(error).reason
        if isinstance(error, BadAnswer):
            return {"failure": {"status": "error", "reason": reason}}
        lost = is_infrastructure(error) or isinstance(error, MemoryError)
        return {"failure": {"status": "lost" if lost else "error", "reason": f"the task failed: {reason}"}}


def _posed(request: dict[str, Any]) -> dict[str, Any]:
    task, seeds = scorer.rebuild(request["task"]), request["seeds"]
    problems = [task.problem(seed) for seed in seeds]
    try:
        wire.write(Path(request["folder"]) / "problems", problems)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):  # somebody removed the scratch folder
            error.errno = errno.ESTALE
        raise
    return {"entropies": [task.entropy(seed, "method") for seed in seeds]}


def _scored(request: dict[str, Any]) -> dict[str, Any]:
    task, seeds = scorer.rebuild(request["task"]), request["seeds"]
    answers = received(Path(request["folder"]) / "answers", len(seeds))
    return {"results": [scorer.score(task, s, a) for s, a in zip(seeds, answers, strict=True)]}
