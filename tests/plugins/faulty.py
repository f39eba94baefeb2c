"""Methods that fail, each in its own way."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dynamark.tasks.problems import Forecasting, Run, Trajectories


@dataclass(frozen=True)
class Faulty:
    """Fails as `how` says."""

    how: str = "raises"
    note: str = ""

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Faulty:
        return self

    def forecast(self, context: Trajectories, horizon: int, inputs: Any = None) -> Any:
        return getattr(self, self.how)(context.observations[:, -1:].expand(-1, horizon, -1).clone())

    def raises(self, x: torch.Tensor) -> Any:
        raise ZeroDivisionError("no such luck")

    def nan(self, x: torch.Tensor) -> Any:
        x[:, 1:] = torch.nan
        return x

    def wrong_shape(self, x: torch.Tensor) -> Any:
        return x[:, 1:]

    def wrong_type(self, x: torch.Tensor) -> Any:
        return "tomorrow it rains"

    def sleeps(self, x: torch.Tensor) -> Any:
        time.sleep(3600)

    def spins(self, x: torch.Tensor) -> Any:
        while True:
            pass

    def allocates(self, x: torch.Tensor) -> Any:
        collected = []
        while True:
            collected.append(torch.ones(1 << 22))

    def allocates_python(self, x: torch.Tensor) -> Any:
        collected = []
        while True:
            collected.append(bytearray(1 << 22))

    def os_exit(self, x: torch.Tensor) -> Any:
        os._exit(0)

    def exit_code(self, x: torch.Tensor) -> Any:
        os._exit(7)

    def sys_exit(self, x: torch.Tensor) -> Any:
        sys.exit("leaving")

    def segfault(self, x: torch.Tensor) -> Any:
        ctypes.string_at(0)

    def kills_itself(self, x: torch.Tensor) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    def prints(self, x: torch.Tensor) -> Any:
        for _ in range(400):
            print("x" * (1 << 20))
        return x

    def patches_json(self, x: torch.Tensor) -> Any:
        json.dumps = lambda *words, **more: "{nonsense"
        return x

    def surrogate(self, x: torch.Tensor) -> Any:
        raise ValueError("a lone \udcff and \x1b[31m an escape")

    def bad_text(self, x: torch.Tensor) -> Any:
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        raise Mute

    def no_space(self, x: torch.Tensor) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    def children_allocate(self, x: torch.Tensor) -> Any:
        """Three children that stay below the limit each, and above it together."""
        for _ in range(3):
            if os.fork() == 0:
                block = bytearray(400 << 20)
                block[::4096] = b"x" * len(block[::4096])
                time.sleep(3600)
        time.sleep(3600)

    def grandchildren(self, x: torch.Tensor) -> Any:
        """Detached in every way a daemon knows: a session of its own, its parent gone."""
        code = "import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\ntime.sleep(3600)"
        marked = [sys.executable, "-c", code + f"  # {self.note}"]
        for _ in range(3):
            subprocess.Popen(
                marked, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ).wait()
        return x

    def member(self, x: torch.Tensor) -> Any:
        return x


@dataclass(frozen=True)
class OneBadMember:
    """A cohort that dies whole when the member with the marked data is in it."""

    folder: str = ""

    def fit_forecasters(self, problems: list[Forecasting], runs: list[Run]) -> list[OneBadMember]:
        Path(self.folder, f"cohort-{len(problems)}-{time.time_ns()}").touch()
        if any(run.entropy[-1] == 1 for run in runs):
            os._exit(1)
        return [self for _ in runs]

    def forecast(self, context: Trajectories, horizon: int, inputs: Any = None) -> torch.Tensor:
        return context.observations[:, -1:].expand(-1, horizon, -1)
