"""A supervisor: it forks a fresh worker for each cohort, holds it to its limits, and removes what it leaves behind.

All orphans below a supervisor are given to it (it is a sub-reaper), so that no process of a method outlives its run.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynamark.runners.execute.channels import children, die_with_parent, name_process, receive, send, subreaper, sweep

__all__ = ["serve"]

_POLL_MS = 20
_MOST_OUTPUT = 16 << 20  # bytes of a worker's own printing that are kept
_MOST_REPORT = 1 << 16  # bytes of what a worker says at its end
_LARGEST_FILE = 2 << 30  # bytes of one file of a worker
_PAGE = resource.getpagesize()


def serve(sock: socket.socket, settings: dict[str, Any]) -> None:
    """Run one worker a request until the parent is gone; a reply carries the number of its request."""
    subreaper()
    for request in receive(sock):
        reply = _supervised(request, sock, settings)
        if reply is None:
            return
        send(sock, {**reply, "request": request["request"]})


@dataclass
class _Watch:
    """A running worker, and the most memory that its processes took together."""

    pid: int
    job: dict[str, Any]
    sock: socket.socket
    report: int
    deadline: float
    peak: int = 0
    message: bytes = b""

    def wait(self) -> str | None:
        """Wait for the worker's end; why it must be killed, if it must."""
        handle = os.pidfd_open(self.pid)
        poll = select.poll()
        for fd in (handle, self.sock.fileno(), self.report):
            poll.register(fd, select.POLLIN)
        try:
            while True:
                ready = {fd for fd, _ in poll.poll(_POLL_MS)}
                if self.report in ready and not self.listen():
                    poll.unregister(self.report)
                if handle in ready:
                    return None
                if self.sock.fileno() in ready:
                    return "orphaned"  # no request comes while one is served, so this is the end of the stream
                if time.monotonic() > self.deadline:
                    return "timeout"
                if self._memory() > self.job["memory"]:
                    return "out_of_memory"
                self._trim()
        finally:
            os.close(handle)

    def listen(self) -> bool:
        """Read what the worker reports; whether more may come."""
        try:
            data = os.read(self.report, _MOST_REPORT)
        except BlockingIOError:
            return False
        self.message = (self.message + data)[:_MOST_REPORT]
        return bool(data)

    def _memory(self) -> int:
        """Resident bytes of the worker and of all processes below it. Pages that forks share count once."""
        group = _below(self.pid) | (_below(os.getpid()) - {os.getpid()})
        total = sum(_resident(pid) for pid in group)
        if len(group) > 1 and total > self.job["memory"]:
            total = sum(_proportional(pid) for pid in group)
        self.peak = max(self.peak, total)
        return total

    def _trim(self) -> None:
        """Drop a worker's printing once it is large: it goes to memory that all share, and nobody reads that much."""
        log = Path(self.job["folder"]) / "log"
        with contextlib.suppress(OSError):
            if log.stat().st_size > _MOST_OUTPUT:
                os.truncate(log, 0)


def _supervised(job: dict[str, Any], sock: socket.socket, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Run one worker within its limits; how it ended, or None when the parent is gone."""
    kills = _kernel_kills()
    report, far = os.pipe()
    os.set_blocking(report, False)
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(report)
        _worker(job, sock, far, settings)
    os.close(far)
    watch = _Watch(pid, job, sock, report, start + job["timeout"])
    killed = watch.wait()
    if killed is not None:
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    sweep()
    while watch.listen() and len(watch.message) < _MOST_REPORT:
        pass
    os.close(report)
    if killed == "orphaned":
        return None
    return {
        "killed": killed,
        "code": os.waitstatus_to_exitcode(status),
        "peak_memory": max(usage.ru_maxrss * 1024, watch.peak),
        "report": watch.message.decode(errors="replace"),
        "kernel_killed": _kernel_kills() > kills,
    }


def _below(pid: int) -> set[int]:
    """A process and all below it."""
    processes, waiting = {pid}, [pid]
    while waiting:
        fresh = set(children(waiting.pop())) - processes
        processes |= fresh
        waiting += fresh
    return processes


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """Resident bytes, those that several processes share divided among them."""
    with contextlib.suppress(OSError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)


def _kernel_kills() -> int:
    """How many processes the kernel has killed on this machine for want of memory."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _worker(job: dict[str, Any], sock: socket.socket, report: int, settings: dict[str, Any]) -> None:
    """The forked child: a group of its own, limited memory, output to a file; it ends without returning."""
    write, encode, leave = os.write, json.dumps, os._exit  # a method may patch the modules
    try:
        os.setsid()
        die_with_parent()
        name_process("worker")
        sock.close()
        log = os.open(f"{job['folder']}/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        if job["device"] == "cpu":  # CUDA reserves far more than it uses
            resource.setrlimit(resource.RLIMIT_DATA, (job["memory"], job["memory"]))
        largest = min(job["memory"], _LARGEST_FILE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if job["hidden"] is not None:
            from dynamark.runners.execute.sandbox import enter

            enter(job["hidden"])
        from dynamark.runners.execute.worker import work

        message = encode(work(Path(job["folder"]), job)).encode()
        write(report, message[:_MOST_REPORT])
    except OSError as error:  # before a method's code ran: no folder, no room, no rights
        with contextlib.suppress(OSError):
            write(report, encode({"status": "lost", "reason": f"the worker did not start: {error.strerror}"}).encode())
    finally:
        leave(0)
