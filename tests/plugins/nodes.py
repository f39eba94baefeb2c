"""An engine of another package: two nodes, which are processes of this machine; one is killed when it has its second parcel."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Hashable, Sequence

from dynamark.runners.execute.executor import Needs, Settings
from dynamark.runners.execute.remote import Gone, Remote


class Nodes:
    def __init__(self, count: int, victim: bool) -> None:
        self.victim = victim
        self.started = 0
        path = os.pathsep.join(p for p in sys.path if p)
        self.nodes = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", "dynamark.runners.execute.node"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
            )
            for _ in range(count)
        ]
        self.free = set(range(count))
        self.busy: dict[int, int] = {}

    def room(self) -> int:
        return len(self.free)

    def start(self, parcel: str, needs: Needs) -> Hashable:
        assert needs == Needs(1, 8 << 30, 0.0)
        place = min(self.free)
        self.free.remove(place)
        node = self.nodes[place]
        assert node.stdin is not None
        node.stdin.write(parcel.encode() + b"\n")
        node.stdin.flush()
        self.started += 1
        self.busy[self.started] = place
        if self.victim and place == 1:
            node.send_signal(signal.SIGKILL)
        return self.started

    def answers(self, seconds: float) -> Sequence[tuple[Hashable, str | Gone]]:
        pipes = {self.nodes[place].stdout: (name, place) for name, place in self.busy.items()}
        arrived: list[tuple[Hashable, str | Gone]] = []
        for pipe in select.select(list(pipes), [], [], seconds)[0]:
            name, place = pipes[pipe]
            line = pipe.readline().decode()
            del self.busy[name]
            if line:
                self.free.add(place)
            gone = not line or line.startswith("lost ")
            arrived.append((name, Gone(line or "the node ended") if gone else line))
        return arrived

    def close(self) -> None:
        for node in self.nodes:
            assert node.stdin is not None
            assert node.stdout is not None
            node.stdin.close()
            node.stdout.close()
            node.wait()


def nodes(settings: Settings, count: int = 2, victim: bool = False) -> Remote:
    return Remote(Nodes(count, victim), settings, settings.needs())


def nothing(settings: Settings) -> str:
    return "no executor"
