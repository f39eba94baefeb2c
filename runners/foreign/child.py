"""The other interpreter as a process: it is started, asked, and watched."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynamark.errors import clean
from dynamark.runners.foreign import dynamark_worker
from dynamark.runners.foreign.target import EnvTarget

__all__ = ["Child", "Died", "ForeignError"]

# Where Python finds modules is the other interpreter's own affair.
_DROPPED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


class ForeignError(Exception):
    """A method raised an exception under its own interpreter. The message has its type and place."""


class Died(Exception):
    """The process of the method's interpreter ended without an answer, with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def follow(self) -> None:
        """End this process in the same way, so that whoever watches it learns how the method ended."""
        if self.code < 0:
            os.kill(os.getpid(), -self.code)
        os._exit(self.code)


class Child:
    """One process of another interpreter, for one class of methods."""

    def __init__(self, target: EnvTarget, apart: bool = False) -> None:
        """apart: in a process group of its own, for a child that is not below a supervisor."""
        target.check()
        near_in, far_out = os.pipe()
        far_in, near_out = os.pipe()
        worker = str(Path(dynamark_worker.__file__))
        self._apart = apart
        self.process = subprocess.Popen(
            [str(target.python), "-s", worker, str(far_in), str(far_out), str(target.file), target.cls],
            pass_fds=(far_in, far_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if apart else None,
            stderr=subprocess.DEVNULL if apart else None,
            env={name: value for name, value in os.environ.items() if name not in _DROPPED},
            start_new_session=apart,
        )
        os.close(far_in)
        os.close(far_out)
        self._replies, self._requests = os.fdopen(near_in, "rb"), os.fdopen(near_out, "wb")

    def ask(
        self, body: dict[str, Any], files: Sequence[bytes] = (), seconds: float | None = None
    ) -> tuple[Any, list[bytes]]:
        """The body and files of a reply. Raises `Died` if the process ends, or does not answer within `seconds`."""
        alarm = threading.Timer(seconds, self.kill) if seconds is not None else None
        if alarm is not None:
            alarm.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                dynamark_worker.send(self._requests, body, files)
            message = dynamark_worker.receive(self._replies)
        finally:
            if alarm is not None:
                alarm.cancel()
        if message is None:
            raise Died(self.process.wait())
        reply, arrays = message
        if "error" in reply:
            _raise(*reply["error"])
        return reply, arrays

    def kill(self) -> None:
        """End the process, and those below it where it has a group of its own."""
        with contextlib.suppress(ProcessLookupError):
            if self._apart:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()

    def close(self) -> None:
        """End the process and wait for it."""
        self.kill()
        self.process.wait()
        for stream in (self._replies, self._requests):
            with contextlib.suppress(OSError):
                stream.close()


def _raise(kind: str, text: str, place: str) -> None:
    if kind == "MemoryError" or kind.endswith("ArrayMemoryError"):
        raise MemoryError(text)
    where = f" ({place})" if place else ""
    raise ForeignError(clean(f"{kind}: {text}{where}" if kind not in ("", "LookupError") else text))
