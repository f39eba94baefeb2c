"""The processes of the local executor: a base that has imported torch, and the judges and wardens forked from it.

    parent (the command) --starts--> base --forks--> one judge and one warden a slot
                                                     warden --forks--> a fresh worker for each cohort

A judge runs tasks (poses problems, scores answers) and no method code. A warden runs nothing itself: it forks a worker,
watches its time and memory, and after it removes every process that it left behind, for all orphans below a warden are
given to it (it is a sub-reaper). When the parent goes, however it goes, its sockets close; then wardens, judges and base
end, and the scratch folder with them. Messages are JSON lines over socket pairs. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["receive", "send"]

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_POLL_MS = 20


def send(sock: socket.socket, message: dict[str, Any]) -> None:
    """Write one message."""
    sock.sendall(json.dumps(message).encode() + b"\n")


def receive(sock: socket.socket) -> Iterator[dict[str, Any]]:
    """Messages until the other side closes."""
    with sock.makefile("rb") as lines:
        for line in lines:
            yield json.loads(line)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _children() -> list[int]:
    """Own children, adopted orphans among them."""
    return [int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]


def _sweep() -> None:
    """Kill and reap children until none is left: what a killed one leaves is adopted and killed in turn."""
    while left := _children():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


# --- the base


def main() -> None:
    """Import what is heavy, fork the roles, fork one again when it dies, and end when the parent does."""
    told = json.loads(sys.argv[1])
    alive = socket.socket(fileno=told["alive"])
    _prctl(_SET_CHILD_SUBREAPER, 1)
    import dynamark.runners.execute.scorer
    import dynamark.runners.execute.worker  # noqa: F401  # preloaded for all that is forked from here

    gc.collect()
    gc.freeze()  # shared pages stay shared: the collector of a child does not touch them
    roles = {(str(role), int(fd)): 0 for role, fd in told["roles"]}
    sockets = {fd: socket.socket(fileno=fd) for _, fd in roles}
    for role, fd in roles:
        roles[role, fd] = _start(role, fd, sockets, alive)
    while _wait_for_a_death(list(roles.values()), alive):
        pid, _ = os.waitpid(-1, os.WNOHANG)
        for (role, fd), known in roles.items():
            if known == pid:
                roles[role, fd] = _start(role, fd, sockets, alive)
    for (role, _), pid in roles.items():
        if role == "judge":
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5  # wardens see the same end and clean up; then whatever is left is killed
    while _children() and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.005)
    _sweep()
    shutil.rmtree(told["root"], ignore_errors=True)


def _wait_for_a_death(pids: list[int], alive: socket.socket) -> bool:
    """Sleep until a child dies (True) or the parent is gone (False)."""
    poll = select.poll()
    poll.register(alive, select.POLLIN)
    handles = [os.pidfd_open(pid) for pid in pids]
    try:
        for handle in handles:
            poll.register(handle, select.POLLIN)
        ready = {fd for fd, _ in poll.poll()}
        return alive.fileno() not in ready
    finally:
        for handle in handles:
            os.close(handle)


def _start(role: str, fd: int, sockets: dict[int, socket.socket], alive: socket.socket) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _prctl(_SET_PDEATHSIG, signal.SIGKILL)
        alive.close()
        for other, sock in sockets.items():
            if other != fd:
                sock.close()
        {"judge": _judge, "warden": _warden}[role](sockets[fd])
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
    raise AssertionError("unreachable")


# --- a judge


def _judge(sock: socket.socket) -> None:
    from dynamark.runners.execute import scorer, wire, worker
    from dynamark.runners.execute.answers import Answer

    worker.steady()
    send(sock, {"hello": True})
    for request in receive(sock):
        folder, seeds = Path(request["folder"]), request["seeds"]
        try:
            task = scorer.rebuild(request["task"])
            if request["verb"] == "pose":
                wire.write(folder / "problems", [task.problem(seed) for seed in seeds])
                reply: dict[str, Any] = {"entropies": [task.entropy(seed, "method") for seed in seeds]}
            else:
                answers = [Answer(**told) for told in wire.read(folder / "answers")]
                reply = {"results": [scorer.judge(task, s, a) for s, a in zip(seeds, answers, strict=True)]}
        except Exception as error:
            reply = {"error": worker.failure(error).reason}
        send(sock, reply)


# --- a warden


def _warden(sock: socket.socket) -> None:
    _prctl(_SET_CHILD_SUBREAPER, 1)
    send(sock, {"hello": True})
    for request in receive(sock):
        reply = _guard(request, sock)
        if reply is None:
            return
        send(sock, reply)


def _guard(job: dict[str, Any], sock: socket.socket) -> dict[str, Any] | None:
    """Run one worker within its limits; how it ended, or None when the parent is gone."""
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _worker(job, sock)
    killed = _watch(pid, job, sock, start + job["timeout"])
    if killed is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    _sweep()
    if killed == "orphaned":
        return None
    code = os.waitstatus_to_exitcode(status)
    return {"killed": killed, "code": code, "peak_memory": usage.ru_maxrss * 1024}


def _watch(pid: int, job: dict[str, Any], sock: socket.socket, deadline: float) -> str | None:
    """Wait for the worker's end; why it must be killed, if it must."""
    handle = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(sock, select.POLLIN)
    statm, page = Path(f"/proc/{pid}/statm"), resource.getpagesize()
    try:
        while True:
            ready = {fd for fd, _ in poll.poll(_POLL_MS)}
            if handle in ready:
                return None
            if sock.fileno() in ready:
                return "orphaned"  # no request comes while one is served, so this is the end of the stream
            if time.monotonic() > deadline:
                return "timeout"
            with contextlib.suppress(OSError, IndexError):
                if int(statm.read_text().split()[1]) * page > job["memory"]:
                    return "out_of_memory"
    finally:
        os.close(handle)


def _worker(job: dict[str, Any], sock: socket.socket) -> None:
    """The forked child: a group of its own, limited memory, output to a file; it ends without returning."""
    try:
        os.setsid()
        _prctl(_SET_PDEATHSIG, signal.SIGKILL)
        sock.close()
        log = os.open(f"{job['folder']}/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if job["device"] == "cpu":  # CUDA reserves far more than it uses
            resource.setrlimit(resource.RLIMIT_DATA, (job["memory"], job["memory"]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        from dynamark.runners.execute.worker import work

        work(Path(job["folder"]), job)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
