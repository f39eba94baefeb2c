"""The process in which plug-ins are imported and built while a command plans its runs.

The command itself never imports the code of a method: it might end the command (`sys.exit` at import or in `__post_init__`,
a segmentation fault) or hang it. What the plan needs to know of a method (name, fields, source, protocols) comes back as data.
A task is first built here, and only then in the command, which needs the task itself.

One process serves all plug-ins of a command; it is started at the first, and again after a death. Its other side is
`runners/probing.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from dynamark.errors import UserError, one_line

__all__ = ["ask", "inside", "is_inside", "stop"]

SECONDS = 60.0  # time limit to import and build a plug-in
_MOST = 1 << 20  # bytes of a reply

_process: subprocess.Popen[bytes] | None = None
_lock = threading.Lock()
_inside = False
_why = ""


def inside() -> None:
    """Say that plug-ins are imported in this process itself."""
    global _inside
    _inside = True


def is_inside() -> bool:
    """Whether plug-ins are imported in this process."""
    return _inside


def ask(target: str, question: dict[str, Any]) -> dict[str, Any]:
    """The answer to a question about a plug-in, plain data that may be a lie. Raises `UserError` if there is none.

    target: the plug-in, for the error message.
    """
    with _lock:
        used = _process is not None and _process.poll() is None
        reply = _reply(target, question)
        if reply is None and used:  # an earlier plug-in may have left the process in this state
            reply = _reply(target, question)
    if reply is None:
        raise UserError(f"cannot import '{target}': {_why}")
    if isinstance(reply.get("refused"), str):
        raise UserError(one_line(reply["refused"], 600))
    return reply


def _reply(target: str, question: dict[str, Any]) -> dict[str, Any] | None:
    """The reply to a question; None, the reason in `_why` and no process if there is none."""
    global _why
    data = _exchange(_started(), json.dumps({**question, "path": [p for p in sys.path if p]}).encode() + b"\n", target)
    if data is not None:
        with contextlib.suppress(ValueError, RecursionError):
            reply = json.loads(data)
            if isinstance(reply, dict):
                return reply
        _why = "it changed the process that imported it; a module must only define things"
    stop()
    return None


def stop() -> None:
    """End the process, if there is one."""
    global _process
    process, _process = _process, None
    if process is not None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _started() -> subprocess.Popen[bytes]:
    global _process
    if _process is None or _process.poll() is not None:
        stop()
        _process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dynamark.runners.probing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,
        )
        atexit.unregister(stop)
        atexit.register(stop)
    return _process


def _exchange(process: subprocess.Popen[bytes], line: bytes, target: str) -> bytes | None:
    """Write a line and read one; None and a reason if the process ends. Raises `UserError` if it does not answer."""
    global _why
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(line)
        process.stdin.flush()
    data, deadline = b"", time.monotonic() + SECONDS
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while not data.endswith(b"\n") and len(data) < _MOST:
            if not ready.select(max(0.0, deadline - time.monotonic())):
                stop()
                raise UserError(f"cannot import '{target}': not done after {SECONDS:g} s")
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                _why = _how(process.wait())
                return None
            data += chunk
    return data


def _how(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"it ended the process by {signal.Signals(-code).name}"
    return f"it ended the process (exit code {code})"
