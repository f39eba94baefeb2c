"""What the processes of the local executor share: messages, and the processes below oneself. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "children",
    "die_with_parent",
    "name_process",
    "process_state",
    "receive",
    "send",
    "subreaper",
    "sweep",
]

_SET_PDEATHSIG, _SET_NAME, _SET_CHILD_SUBREAPER = 1, 15, 36


def send(sock: socket.socket, message: dict[str, Any]) -> None:
    """Write one message, a line of JSON."""
    sock.sendall(json.dumps(message).encode() + b"\n")


def receive(sock: socket.socket) -> Iterator[dict[str, Any]]:
    """Messages until the other side closes."""
    with contextlib.suppress(ConnectionResetError), sock.makefile("rb") as lines:
        for line in lines:
            yield json.loads(line)


def _prctl(option: int, value: int | bytes) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def name_process(role: str) -> None:
    """Name this process for `ps` and `top`."""
    _prctl(_SET_NAME, f"dm-{role}".encode())


def die_with_parent() -> None:
    """Be killed when the process that forked this one ends."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def subreaper() -> None:
    """Become the parent of every orphan below."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def children(pid: int | str = "self") -> list[int]:
    """The children of a process, adopted orphans among them."""
    pids: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            pids += map(int, path.read_text().split())
    return pids


def sweep(keep: frozenset[int] | set[int] = frozenset()) -> None:
    """Kill and reap own children until none is left but `keep`: what a killed one leaves is adopted and killed in turn."""
    while left := [pid for pid in children() if pid not in keep]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def process_state(pid: int) -> str:
    """The state letter of a process (R, S, D, T, Z ...); empty where there is none."""
    try:
        # The name, in parentheses, may hold anything; the state follows the last of them.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
