"""The local executor: every cohort in a fresh process, with limits on time and memory."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynamark.errors import UserError
from dynamark.runners.execute import scorer, wire
from dynamark.runners.execute.executor import Limits, Outcome, failed
from dynamark.runners.execute.processes import send
from dynamark.runners.plan.cohorts import Cohort

__all__ = ["Local"]

_ROOMY = 4 << 30  # bytes free in shared memory, from which arrays go there and not to disk

# Freed memory stays with the process: by default glibc returns what a training step frees and asks for it again at the next,
# whose fresh pages cost up to a third of the step. Blocks up to 32 MiB, the most that glibc takes; other C libraries ignore it.
_KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


@dataclass
class _Slot:
    """One cohort in flight: its judge, its warden, its folder."""

    judge: socket.socket
    warden: socket.socket
    cohort: Cohort | None = None
    folder: Path = Path()
    greeted: set[socket.socket] = field(default_factory=set)
    buffers: dict[socket.socket, bytes] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)


class Local:
    """`workers` cohorts at a time, each fitted in a process of its own and scored in another."""

    def __init__(self, workers: int, limits: Limits, device: str) -> None:
        if not sys.platform.startswith("linux"):
            raise UserError(
                "the local engine needs Linux; use --engine inline here (without limits on time and memory)"
            )
        self._limits, self._device = limits, device
        self._waiting: deque[Cohort] = deque()
        self._count = workers
        self._number = 0
        self._launch()

    def submit(self, cohort: Cohort) -> None:
        """Queue a cohort."""
        self._waiting.append(cohort)

    def completed(self) -> Iterator[Outcome]:
        """Outcomes as they come, until nothing is queued or running."""
        while self._waiting or any(slot.cohort for slot in self._slots):
            for slot in self._slots:
                if slot.cohort is None and self._waiting:
                    self._pose(slot, self._waiting.popleft())
            yield from self._listen()

    def close(self) -> None:
        """End every process and remove the scratch folder."""
        self._alive.close()
        for slot in self._slots:
            slot.judge.close()
            slot.warden.close()
        try:
            self._base.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._base.pid, signal.SIGKILL)
            self._base.wait()
        shutil.rmtree(self._root, ignore_errors=True)

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- processes

    def _launch(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="dynamark-", dir=_scratch()))
        self._alive, theirs = socket.socketpair()
        roles, far = [], [theirs]
        self._slots: list[_Slot] = []
        for _ in range(self._count):
            judge, far_judge = socket.socketpair()
            warden, far_warden = socket.socketpair()
            roles += [("judge", far_judge.fileno()), ("warden", far_warden.fileno())]
            far += [far_judge, far_warden]
            self._slots.append(_Slot(judge, warden))
        told = {"alive": theirs.fileno(), "roles": roles, "root": str(self._root)}
        # One thread a process: the bits of a result must not depend on how many cores share the work.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        path = os.pathsep.join(p for p in sys.path if p)
        self._base = subprocess.Popen(
            [sys.executable, "-P", "-m", "dynamark.runners.execute.processes", json.dumps(told)],
            pass_fds=[sock.fileno() for sock in far],
            stdin=subprocess.DEVNULL,
            env={**_KEPT_MEMORY, **os.environ, **threads, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then closes
        )
        for sock in far:
            sock.close()

    def _listen(self) -> Iterator[Outcome]:
        """Wait for messages and act on them."""
        poll = select.poll()
        owners = {}
        for slot in self._slots:
            for sock in (slot.judge, slot.warden):
                poll.register(sock, select.POLLIN)
                owners[sock.fileno()] = (slot, sock)
        for fd, _ in poll.poll():
            slot, sock = owners[fd]
            try:
                data = sock.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                yield from self._base_died()
                return
            *lines, rest = (slot.buffers.get(sock, b"") + data).split(b"\n")
            slot.buffers[sock] = rest
            for line in lines:
                yield from self._handle(slot, sock, json.loads(line))

    def _base_died(self) -> Iterator[Outcome]:
        """Start anew; what was in flight is lost."""
        lost = [slot.cohort for slot in self._slots if slot.cohort]
        if not any(slot.greeted for slot in self._slots):
            raise UserError("the worker processes do not start (their message stands above); try --engine inline")
        self.close()
        self._launch()
        for cohort in lost:
            yield Outcome(cohort, failed(cohort, "crashed", "the base process died; is the machine out of memory?"))

    # --- one cohort: pose, fit, score

    def _pose(self, slot: _Slot, cohort: Cohort) -> None:
        self._number += 1
        slot.cohort, slot.folder = cohort, self._root / str(self._number)
        slot.folder.mkdir()
        if cohort.experiment:  # a measurement has no data of a task to be posed
            self._fit(slot, cohort.entropies)
        else:
            self._ask_judge(slot, "pose")

    def _ask_judge(self, slot: _Slot, verb: str) -> None:
        assert slot.cohort is not None
        task = scorer.describe(slot.cohort.task)
        send(slot.judge, {"verb": verb, "task": task, "seeds": slot.cohort.seeds, "folder": str(slot.folder)})

    def _handle(self, slot: _Slot, sock: socket.socket, message: dict[str, Any]) -> Iterator[Outcome]:
        if "hello" in message:
            if sock in slot.greeted and slot.cohort is not None:  # it died, and another was forked in its place
                role = "task's" if sock is slot.judge else "guarding"
                yield from self._done(slot, "crashed", f"the {role} process died")
            slot.greeted.add(sock)
        elif "error" in message:
            yield from self._done(slot, "error", f"the task failed: {message['error']}")
        elif "entropies" in message:
            self._fit(slot, message["entropies"])
        elif "code" in message:
            yield from self._fitted(slot, message)
        elif "results" in message:
            yield from self._done(slot, results=message["results"])

    def _fit(self, slot: _Slot, entropies: list[list[int]]) -> None:
        cohort = slot.cohort
        assert cohort is not None
        job = {
            "folder": str(slot.folder),
            "method": cohort.method.target,
            "fields": cohort.method.fields,
            "entropies": entropies,
            "budget": cohort.budget,
            "criterion": None if cohort.experiment else cohort.task.criterion,
            "experiment": cohort.experiment,
            "device": self._device,
            "timeout": self._limits.seconds * len(cohort.runs),
            "memory": self._limits.memory,
        }
        send(slot.warden, job)

    def _fitted(self, slot: _Slot, ended: dict[str, Any]) -> Iterator[Outcome]:
        slot.ended = ended
        assert slot.cohort is not None
        if ended["killed"] == "timeout":
            limit = self._limits.seconds * len(slot.cohort.runs)
            yield from self._done(slot, "timeout", f"not done after {limit:g} s")
        elif ended["killed"] == "out_of_memory":
            yield from self._done(slot, "out_of_memory", f"more than {self._limits.memory / 2**30:g} GiB resident")
        elif (slot.folder / "answers" / "tree.json").exists():
            if slot.cohort.experiment:
                yield from self._done(slot, results=wire.read(slot.folder / "answers"))
            else:
                self._ask_judge(slot, "score")
        elif (slot.folder / "failure" / "tree.json").exists():
            told = wire.read(slot.folder / "failure")
            yield from self._done(slot, told["status"], told["reason"])
        else:
            yield from self._done(slot, "crashed", _how(ended["code"]))

    def _done(
        self, slot: _Slot, status: str = "", reason: str = "", results: list[dict[str, Any]] | None = None
    ) -> Iterator[Outcome]:
        cohort = slot.cohort
        assert cohort is not None
        shutil.rmtree(slot.folder, ignore_errors=True)
        slot.cohort = None
        if results is None and len(cohort.runs) > 1:
            # One member may have killed the others: each once more, alone.
            self._waiting.extendleft(Cohort((run,), alone=True) for run in reversed(cohort.runs))
            return
        results = results or failed(cohort, status, reason)
        costs = {"peak_memory": slot.ended.get("peak_memory")}
        slot.ended = {}
        yield Outcome(cohort, [{**result, **costs} for result in results])


def _how(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the process was killed by {signal.Signals(-code).name}"
    return f"the process ended without an answer (exit code {code})"


def _scratch() -> str | None:
    """Shared memory where it is roomy, else the usual folder for temporary files."""
    shared = Path("/dev/shm")
    with contextlib.suppress(OSError):
        if os.access(shared, os.W_OK) and shutil.disk_usage(shared).free >= _ROOMY:
            return str(shared)
    return None
