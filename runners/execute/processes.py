"""The base process of the local executor: it has imported torch, and forks a scorer process and a supervisor a slot.

    parent (the command) --starts--> base --forks--> one scorer process and one supervisor a slot
                                                     supervisor --forks--> a fresh worker for each cohort

A scorer process runs tasks (poses problems, scores answers) and no method code. A supervisor runs nothing itself: it forks a
worker, watches its time and memory, and removes every process that it leaves behind.

Both roles of a slot live and die together. When either ends, the base kills the other and forks both anew, on new sockets
that it hands to the parent over the control socket: no message of a former pair can reach the parent as one of the new.
When the parent goes, however it goes, its sockets close; then supervisors, scorer processes and base end, and the scratch
folder with them. Linux only.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dynamark.runners.execute.channels import children, die_with_parent, name_process, subreaper, sweep

__all__ = ["ROLES"]

ROLES = ("scorer", "supervisor")

_SWEEP_MS = 1000  # how often strangers are looked for: orphans that a killed supervisor left to the base


@dataclass
class _Base:
    """The base: its control socket, its settings, and the two processes of each slot."""

    control: socket.socket
    settings: dict[str, Any]
    pairs: dict[int, dict[str, int]] = field(default_factory=dict)

    def serve(self) -> None:
        """Start every pair, and again the pair of which one ended, until the parent is gone."""
        for slot in range(self.settings["slots"]):
            self._start(slot)
        while self._wait():
            ended = self._reap()
            for slot, pids in self.pairs.items():
                if ended & set(pids.values()):
                    self._end(pids, ended)
                    self._start(slot)
            sweep(keep=self._known())

    def close(self) -> None:
        """Supervisors see that the parent is gone, and clean up; then whatever is left is killed."""
        for pids in self.pairs.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids["scorer"], signal.SIGKILL)
        deadline = time.monotonic() + 5
        while children() and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.005)
        sweep()

    def _known(self) -> set[int]:
        return {pid for pids in self.pairs.values() for pid in pids.values()}

    def _wait(self) -> bool:
        """Sleep until a child ends or it is time to look for strangers (True), or the parent is gone (False)."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        handles = [os.pidfd_open(pid) for pid in self._known()]
        try:
            for handle in handles:
                poll.register(handle, select.POLLIN)
            return self.control.fileno() not in {fd for fd, _ in poll.poll(_SWEEP_MS)}
        finally:
            for handle in handles:
                os.close(handle)

    def _reap(self) -> set[int]:
        ended = set()
        with contextlib.suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                ended.add(pid)
        return ended

    def _end(self, pids: dict[str, int], ended: set[int]) -> None:
        for pid in set(pids.values()) - ended:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _start(self, slot: int) -> None:
        """Fork both roles of a slot and hand the near ends of their sockets to the parent."""
        near, far = zip(*(socket.socketpair() for _ in ROLES), strict=True)
        self.pairs[slot] = {}
        for place, role in enumerate(ROLES):
            others = [self.control, *near, *far[:place], *far[place + 1 :]]
            self.pairs[slot][role] = _forked(role, far[place], others, self.settings)
        message = {"slot": slot, "pids": self.pairs[slot], "provenance": self.settings["provenance"]}
        with contextlib.suppress(OSError):  # a parent that is gone is seen at the next wait
            socket.send_fds(self.control, [json.dumps(message).encode()], [sock.fileno() for sock in near])
        for sock in (*near, *far):
            sock.close()


def _forked(role: str, sock: socket.socket, others: list[socket.socket], settings: dict[str, Any]) -> int:
    with warnings.catch_warnings():
        # From Python 3.12 on. The threads are those of idle pools of libraries, which no child waits for.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        die_with_parent()
        name_process(role)
        for other in others:
            other.close()
        _serving(role)(sock, settings)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
    raise AssertionError("unreachable")


def _serving(role: str) -> Callable[[socket.socket, dict[str, Any]], None]:
    from dynamark.runners.execute.scoring import serve as score
    from dynamark.runners.execute.supervisor import serve as supervise

    return {"scorer": score, "supervisor": supervise}[role]


def main() -> None:
    """Import what is heavy, fork the pairs, and end when the parent does."""
    settings = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    subreaper()
    name_process("base")
    from dynamark.results.provenance import provenance
    from dynamark.runners.execute.preload import preload

    preload(settings["modules"])
    settings["provenance"] = provenance(settings["device"])
    gc.collect()
    gc.freeze()  # shared pages stay shared: the collector of a child does not touch them
    base = _Base(control, settings)
    try:
        base.serve()
    finally:
        base.close()
        shutil.rmtree(settings["root"], ignore_errors=True)


if __name__ == "__main__":
    main()
