"""The local executor: every cohort in a fresh process, with limits on time and memory."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynamark.errors import UserError
from dynamark.results.schema import LOST
from dynamark.runners.execute import scorer
from dynamark.runners.execute.answers import BadAnswer
from dynamark.runners.execute.base import Base, Pair
from dynamark.runners.execute.channels import process_state, send
from dynamark.runners.execute.ending import ANSWERED, Ending, ending, versions_in
from dynamark.runners.execute.executor import Limits, Outcome, Settings, failed
from dynamark.runners.execute.preload import COMPILER, late_modules
from dynamark.runners.execute.received import measured
from dynamark.runners.execute.scratch import has_room
from dynamark.runners.loading import target_of
from dynamark.runners.plan.cohorts import Cohort

__all__ = ["Local", "local"]

_LOSSES = 5  # times that a cohort is taken up again before its runs count as lost
_CHECK_SECONDS = 1.0  # how often role processes are looked at
_GRACE_SECONDS = 60.0  # what a supervisor may take beyond its worker's limit
_SCORER_SECONDS = 3600.0  # what posing or scoring may take at least


@dataclass
class _Slot:
    """One cohort in flight: its pair of processes, its folder, and the number of the request that is unanswered."""

    number: int
    pair: Pair | None = None
    cohort: Cohort | None = None
    folder: Path = Path()
    request: int = 0
    role: str = ""
    deadline: float = 0.0
    overdue: bool = False
    stopped: set[int] = field(default_factory=set)
    buffers: dict[int, bytes] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)


class Local:
    """`workers` cohorts at a time, each fitted in a process of its own and scored in another."""

    def __init__(self, workers: int, limits: Limits, device: str, hidden: Sequence[str] | None = None) -> None:
        """hidden: folders that a sandbox keeps from workers; without it there is no sandbox."""
        if not sys.platform.startswith("linux"):
            raise UserError(
                "the local engine needs Linux; use --engine inline here (without limits on time and memory)"
            )
        self._limits, self._device = limits, device
        self._hidden = None if hidden is None else list(hidden)
        self._waiting: deque[Cohort] = deque()
        self._losses: Counter[tuple[str, ...]] = Counter()
        self._number = 0
        self._checked = time.monotonic()
        self._slots = [_Slot(number) for number in range(workers)]
        self._provenance: dict[str, Any] = {}
        self._late: set[str] = set()
        self._started: Base | None = None

    def submit(self, cohort: Cohort) -> None:
        """Queue a cohort."""
        self._waiting.append(cohort)
        self._late |= _late(cohort)

    def completed(self) -> Iterator[Outcome]:
        """Outcomes as they come, until nothing is queued or running."""
        self._start()
        while self._waiting or any(slot.cohort for slot in self._slots):
            for slot in self._slots:
                if slot.cohort is None and slot.pair is not None and self._waiting:
                    yield from self._pose(slot, self._waiting.popleft())
            yield from self._listen()
            self._check()

    def close(self) -> None:
        """End every process and remove the scratch folder."""
        self._drop_pairs()
        if self._started is not None:
            self._started.end()

    @property
    def _base(self) -> Base:
        assert self._started is not None
        return self._started

    def _start(self) -> None:
        """A base that has imported what the queued cohorts may import late; one that has not makes room while nothing runs."""
        if any(slot.cohort for slot in self._slots) or (self._started and self._late <= self._started.modules):
            return
        self.close()
        self._started = Base(len(self._slots), self._device, self._late)

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- messages

    def _listen(self) -> Iterator[Outcome]:
        """Wait for messages and act on them."""
        poll = select.poll()
        poll.register(self._base.control, select.POLLIN)
        owners: dict[int, tuple[_Slot, str, socket.socket]] = {}
        for slot in self._slots:
            for role, sock in slot.pair.sockets.items() if slot.pair else ():
                poll.register(sock, select.POLLIN)
                owners[sock.fileno()] = (slot, role, sock)
        ready = [fd for fd, _ in poll.poll(_CHECK_SECONDS * 1000)]
        if self._base.control.fileno() in ready:
            yield from self._hear_base()
            return  # sockets may have changed
        for fd in ready:
            slot, role, sock = owners[fd]
            yield from self._read(slot, role, sock)

    def _hear_base(self) -> Iterator[Outcome]:
        pair = self._base.receive()
        if pair is None:
            in_flight = [slot for slot in self._slots if slot.cohort]
            self._drop_pairs()
            self._base.restart()
            for slot in in_flight:
                yield from self._again(slot, "the base process ended")
            return
        self._provenance = pair.provenance
        slot = self._slots[pair.slot]
        if slot.pair is not None:
            slot.pair.close()
        slot.pair, slot.buffers = pair, {}
        if slot.cohort is not None:
            yield from self._pair_died(slot)

    def _pair_died(self, slot: _Slot) -> Iterator[Outcome]:
        if slot.overdue:
            yield from self._done(slot, Ending("error", "the task failed: posing or scoring did not end"))
        else:
            yield from self._again(slot, f"the {slot.role} process ended")

    def _drop_pairs(self) -> None:
        for slot in self._slots:
            if slot.pair is not None:
                slot.pair.close()
            slot.pair, slot.buffers = None, {}

    def _read(self, slot: _Slot, role: str, sock: socket.socket) -> Iterator[Outcome]:
        try:
            data = sock.recv(1 << 20)
        except (ConnectionResetError, OSError):
            data = b""
        if not data:  # it ended; the base kills its partner and sends a new pair
            assert slot.pair is not None
            slot.pair.sockets.pop(role).close()
            return
        *lines, rest = (slot.buffers.get(sock.fileno(), b"") + data).split(b"\n")
        slot.buffers[sock.fileno()] = rest
        for line in lines:
            message = json.loads(line)
            # A reply to anything but the request that is open (of a cohort that was given up) says nothing of this cohort.
            if slot.cohort is not None and message.get("request") == slot.request and role == slot.role:
                yield from self._handle(slot, message)

    def _ask(self, slot: _Slot, role: str, message: dict[str, Any], seconds: float) -> None:
        self._number += 1
        slot.request, slot.role, slot.deadline, slot.overdue = self._number, role, time.monotonic() + seconds, False
        if slot.pair is not None and role in slot.pair.sockets:
            with contextlib.suppress(OSError):  # a role that has just ended: its new pair is on the way
                send(slot.pair.sockets[role], {**message, "request": slot.request})

    def _check(self) -> None:
        """Kill role processes that are stopped (SIGSTOP) or overdue, so that they are started anew."""
        now = time.monotonic()
        if now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        if process_state(self._base.pid) == "T":
            self._kill(self._base.pid)
        for slot in self._slots:
            pids = set(slot.pair.pids.values()) if slot.pair else set()
            stopped = {pid for pid in pids if process_state(pid) == "T"}
            for pid in stopped & slot.stopped:
                self._kill(pid)
            slot.stopped = stopped
            if slot.cohort is not None and slot.pair is not None and now > slot.deadline and not slot.overdue:
                slot.overdue = slot.role == "scorer"
                slot.deadline = now + _GRACE_SECONDS
                self._kill(slot.pair.pids[slot.role])

    @staticmethod
    def _kill(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    # --- one cohort: pose, fit, score

    def _pose(self, slot: _Slot, cohort: Cohort) -> Iterator[Outcome]:
        self._number += 1
        slot.cohort, slot.folder = cohort, self._base.root / str(self._number)
        try:
            slot.folder.mkdir(parents=True)
            room = has_room(slot.folder)
        except OSError:
            room = False
        if not room:
            time.sleep(0.2)  # whoever fills it may be about to end
            yield from self._again(slot, f"no room in the scratch folder {self._base.root.parent}")
        elif cohort.experiment:  # a measurement has no data of a task to be posed
            self._fit(slot, cohort.entropies)
        else:
            self._ask_scorer(slot, "pose")

    def _ask_scorer(self, slot: _Slot, verb: str) -> None:
        assert slot.cohort is not None
        task = scorer.describe(slot.cohort.task)
        message = {"verb": verb, "task": task, "seeds": slot.cohort.seeds, "folder": str(slot.folder)}
        self._ask(slot, "scorer", message, max(_SCORER_SECONDS, 10 * self._seconds(slot)))

    def _seconds(self, slot: _Slot) -> float:
        assert slot.cohort is not None
        return self._limits.seconds * len(slot.cohort.runs)

    def _handle(self, slot: _Slot, message: dict[str, Any]) -> Iterator[Outcome]:
        if "failure" in message:
            yield from self._settle(slot, Ending(**message["failure"]))
        elif "entropies" in message:
            self._fit(slot, message["entropies"])
        elif "code" in message:
            slot.ended = message
            yield from self._settle(slot, ending(message, self._seconds(slot), self._limits.memory))
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
            "timeout": self._seconds(slot),
            "memory": self._limits.memory,
            "hidden": self._hidden,
        }
        self._ask(slot, "supervisor", job, self._seconds(slot) + _GRACE_SECONDS)

    def _settle(self, slot: _Slot, end: Ending) -> Iterator[Outcome]:
        """Go on from what a process said of its cohort."""
        assert slot.cohort is not None
        if end.status == LOST or (end.again and self._losses[_keys(slot.cohort)] < 2):
            yield from self._again(slot, end.reason)
        elif end.status != ANSWERED:
            yield from self._done(slot, end)
        elif slot.cohort.experiment:
            try:
                yield from self._done(slot, results=measured(slot.folder / "answers", len(slot.cohort.runs)))
            except BadAnswer as error:
                yield from self._done(slot, Ending("error", str(error)))
        else:
            self._ask_scorer(slot, "score")

    def _again(self, slot: _Slot, why: str) -> Iterator[Outcome]:
        """Take a cohort up again that ended for a reason that is not the method's; after several times it is lost."""
        cohort = slot.cohort
        assert cohort is not None
        self._losses[_keys(cohort)] += 1
        if self._losses[_keys(cohort)] < _LOSSES:
            self._release(slot)
            self._waiting.appendleft(cohort)
        else:
            yield from self._done(slot, Ending(LOST, why))

    def _release(self, slot: _Slot) -> None:
        shutil.rmtree(slot.folder, ignore_errors=True)
        slot.cohort, slot.request, slot.ended, slot.overdue = None, 0, {}, False

    def _done(
        self, slot: _Slot, end: Ending | None = None, results: list[dict[str, Any]] | None = None
    ) -> Iterator[Outcome]:
        cohort, peak = slot.cohort, slot.ended.get("peak_memory")
        provenance = {**self._provenance, **versions_in(slot.ended.get("report", ""))}
        assert cohort is not None
        self._release(slot)
        if results is None and len(cohort.runs) > 1:
            # One member may have killed the others: each once more, alone.
            self._waiting.extendleft(Cohort((run,), alone=True) for run in reversed(cohort.runs))
            return
        if results is None:
            assert end is not None
            results = failed(cohort, end.status, end.reason)
        yield Outcome(cohort, [{**result, "peak_memory": peak} for result in results], provenance)


def local(settings: Settings) -> Local:
    """The engine `local`."""
    return Local(settings.workers or os.cpu_count() or 1, settings.limits, settings.device, settings.hidden)


# It keeps the folders that a salt's data may lie in from workers.
local.sandboxes = True  # type: ignore[attr-defined]


def _late(cohort: Cohort) -> frozenset[str]:
    """What a method imports late, and what its task does; a task fits nothing, so an optimizer's imports are not for it."""
    if cohort.experiment:
        return late_modules(cohort.method.target)
    return late_modules(cohort.method.target) | (late_modules(target_of(type(cohort.task))) - COMPILER)


def _keys(cohort: Cohort) -> tuple[str, ...]:
    return tuple(run.key for run in cohort.runs)
