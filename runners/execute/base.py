"""The parent's hold on the base process: started, heard, watched and ended."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynamark.errors import UserError
from dynamark.runners.execute.channels import process_state
from dynamark.runners.execute.environment import worker_environment
from dynamark.runners.execute.preload import LATE
from dynamark.runners.execute.scratch import make_scratch

__all__ = ["Base", "Pair"]

_STARTS = 5  # times that a base may die before its first pair


@dataclass
class Pair:
    """A scorer process and a supervisor that were forked together: their sockets and numbers."""

    slot: int
    sockets: dict[str, socket.socket]
    pids: dict[str, int]
    provenance: dict[str, Any]

    def close(self) -> None:
        """Close both sockets, whatever they still hold."""
        for sock in self.sockets.values():
            sock.close()


class Base:
    """A base process; `start` may be called again after its death."""

    def __init__(self, slots: int, device: str, modules: Iterable[str] = LATE) -> None:
        """modules: what it imports beforehand of the modules that methods import late."""
        self._slots, self._device, self.modules = slots, device, frozenset(modules)
        self._failures = 0
        self.start()

    def start(self) -> None:
        """Start a base process with a scratch folder of its own."""
        self.root = make_scratch()
        self.control, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {
            "control": far.fileno(),
            "slots": self._slots,
            "root": str(self.root),
            "device": self._device,
            "modules": [name for name in LATE if name in self.modules],
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dynamark.runners.execute.processes", json.dumps(settings)],
            pass_fds=[far.fileno()],
            stdin=subprocess.DEVNULL,
            env=worker_environment(os.environ, self.root.name),
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then closes
        )
        far.close()

    @property
    def pid(self) -> int:
        """The process id of the base process."""
        return self._process.pid

    def receive(self) -> Pair | None:
        """The next pair of role processes; None when the base has died."""
        try:
            data, fds, _, _ = socket.recv_fds(self.control, 1 << 16, 2)
        except ConnectionResetError:
            return None
        if not data:
            return None
        self._failures = 0
        message = json.loads(data)
        sockets = {role: socket.socket(fileno=fd) for role, fd in zip(message["pids"], fds, strict=True)}
        return Pair(message["slot"], sockets, message["pids"], message["provenance"])

    def restart(self) -> None:
        """Start anew after a death; a base that does not get as far as its first pair is the user's to mend."""
        code = self.end()
        self._failures += 1
        if code > 0 or self._failures > _STARTS:
            raise UserError("the worker processes do not start (their message stands above); try --engine inline")
        self.start()

    def end(self) -> int:
        """End every process and remove the scratch folder; the exit code."""
        self.control.close()
        if process_state(self.pid) == "T":
            self._process.kill()
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            code = self._process.wait()
        self._kill_marked()
        shutil.rmtree(self.root, ignore_errors=True)
        return code

    def _kill_marked(self) -> None:
        """Kill what a killed base left behind: every process below it carries the name of its scratch folder."""
        mark = f"DYNAMARK_SCRATCH={self.root.name}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)
