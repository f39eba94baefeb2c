"""A task whose data is cached, and methods that cheat: they look for what is held out, and say what they found."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from walk import Walk

from dynamark.folders import cache_folder
from dynamark.tasks.problems import Forecasting, Run, Trajectories


@dataclass(frozen=True, kw_only=True)
class Kept(Walk):
    """A random walk whose data is kept on disk."""

    cached: ClassVar[bool] = True


class Spy:
    """Answers as persistence does, unless it finds something."""

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Any:
        if loot := sorted(set(self.loot())):
            raise RuntimeError(f"found {', '.join(loot)}"[:300])
        return self

    def forecast(self, context: Trajectories, horizon: int, inputs: Any = None) -> torch.Tensor:
        return context.observations[:, -1:].expand(-1, horizon, -1)

    def loot(self) -> Iterator[str]:
        raise NotImplementedError


@dataclass(frozen=True)
class CacheReader(Spy):
    """Looks for the data of tasks in the cache."""

    def loot(self) -> Iterator[str]:
        if any((cache_folder() / "data").glob("*/*.arrow")):
            yield "data in the cache"


@dataclass(frozen=True)
class ProcessReader(Spy):
    """Looks for a salt, of which it knows the digest, in every process, in its open files and in its own frames."""

    digest: str = ""

    def loot(self) -> Iterator[str]:
        for process in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    text = (process / name).read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if self._has(text):
                    yield f"the salt in {name}"
        if self._has(" ".join(map(str, [*os.environ.items(), *sys.argv, *sys.orig_argv]))):
            yield "the salt in this process"
        frame = sys._getframe()
        while frame is not None:
            if self._has(repr(frame.f_locals)):
                yield f"the salt in the frame of {frame.f_code.co_name}"
            frame = frame.f_back  # type: ignore[assignment]
        for fd in Path("/proc/self/fd").glob("*"):
            if fd.is_file() and self._has(fd.resolve().read_bytes().decode(errors="replace")):
                yield f"the salt in {fd.resolve()}"

    def _has(self, text: str) -> bool:
        return any(hashlib.sha256(word.encode()).hexdigest() == self.digest for word in set(re.split(r"[^\w-]+", text)))


@dataclass(frozen=True)
class Prisoner(Spy):
    """Looks beyond a sandbox."""

    store: str = ""
    port: int = 0

    def loot(self) -> Iterator[str]:
        if any(Path(self.store).glob(".journal/*")):
            yield "the results"
        jailed = not any(Path("/proc").iterdir())
        if not jailed:
            yield "processes"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            yield "the network"
        except OSError:
            pass
        # Only in a mount namespace of its own: elsewhere, root would take /proc from the whole machine.
        if jailed and ctypes.CDLL(None).umount2(b"/proc", 2) == 0:
            yield "a way out"
