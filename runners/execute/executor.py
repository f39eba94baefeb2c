"""What an executor is, and the simplest one: in this process."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from dynamark.results.provenance import provenance
from dynamark.runners.foreign.target import is_env
from dynamark.runners.plan.cohorts import Cohort
from dynamark.runners.spec import halved

__all__ = ["Executor", "Inline", "Limits", "Needs", "Outcome", "Settings", "failed", "inline"]


@dataclass(frozen=True)
class Limits:
    """What one member of a cohort may take: seconds, and bytes of memory of its cohort's process."""

    seconds: float = 600.0
    memory: int = 8 << 30


@dataclass(frozen=True)
class Needs:
    """What one cohort needs of a machine: cores, bytes of memory, and a share of a GPU (0 on the CPU)."""

    cores: int
    memory: int
    gpu: float


@dataclass(frozen=True)
class Settings:
    """What a command gives to the engine that it starts.

    workers: number of cohorts at a time; None lets the engine decide.
    device: "cpu" or "cuda".
    hidden: folders that a sandbox keeps from workers; None without a sandbox.
    """

    workers: int | None = None
    limits: Limits = Limits()
    device: str = "cpu"
    hidden: tuple[str, ...] | None = None

    def needs(self, gpu: float = 1.0) -> Needs:
        """What each cohort needs, with this share of a GPU where methods run on one."""
        return Needs(1, self.limits.memory, gpu if self.device == "cuda" else 0.0)


@dataclass(frozen=True)
class Outcome:
    """The columns that each member's row gets from its run, in the order of the members.

    provenance: of the machine and process that made them.
    """

    cohort: Cohort
    results: list[dict[str, Any]]
    provenance: dict[str, Any]


@runtime_checkable
class Executor(Protocol):
    """Takes cohorts, gives outcomes, in any order: each member of each cohort in one outcome.

    What is not the method's own doing (a machine that is gone, a full disk) has the status `lost`: it is not stored, and the next
    command runs it again. A method's failure has the status that says which, and is not tried again.
    """

    def submit(self, cohort: Cohort) -> None:
        """Queue a cohort."""
        ...

    def completed(self) -> Iterator[Outcome]:
        """Outcomes as they come, until nothing is queued or running."""
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(self, *_: object) -> None: ...


def failed(cohort: Cohort, status: str, reason: str) -> list[dict[str, Any]]:
    """One result a member that says why there is none."""
    return [{"status": status, "reason": reason} for _ in cohort.runs]


class Inline:
    """Fits and scores in this process: for debugging and for other systems. Nothing limits time and memory."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._waiting: deque[Cohort] = deque()

    def submit(self, cohort: Cohort) -> None:
        """Queue a cohort."""
        self._waiting.append(cohort)

    def completed(self) -> Iterator[Outcome]:
        """Outcomes in the order of submission."""
        while self._waiting:
            cohort = self._waiting.popleft()
            results = self._solve(cohort)
            if results[0]["status"] not in ("ok", "diverged") and len(cohort.runs) > 1:
                # One member may have killed the others: each once more, alone.
                self._waiting.extendleft(Cohort((run,), alone=True) for run in reversed(cohort.runs))
                continue
            yield Outcome(cohort, results, {**provenance(self._device), **self._versions(cohort)})

    @staticmethod
    def _versions(cohort: Cohort) -> dict[str, Any]:
        """Those of the method's own interpreter, if it has one that still runs."""
        from dynamark.runners.foreign.child import Died, ForeignError
        from dynamark.runners.foreign.proxy import versions

        try:
            return versions(cohort.method.target) if is_env(cohort.method.target) else {}
        except (Died, ForeignError):
            return {}

    def _solve(self, cohort: Cohort) -> list[dict[str, Any]]:
        from dynamark.runners.execute import scorer, worker

        if cohort.experiment:
            return self._measure(cohort)
        task, seeds = cohort.task, cohort.seeds
        try:
            problems = [task.problem(seed) for seed in seeds]
            entropies = [task.entropy(seed, "method") for seed in seeds]
        except (Exception, SystemExit) as error:
            return failed(cohort, "error", f"the task failed: {worker.failure(error).reason}")
        try:
            worker.seed_everything(entropies)
            answers = worker.solve(
                cohort.method.candidates(),
                problems,
                entropies,
                budget=cohort.budget,
                device=self._device,
                criterion=task.criterion,
                share=halved(cohort.method.fields),
            )
        except (Exception, SystemExit) as error:
            cause = worker.failure(error)
            return failed(cohort, cause.status, cause.reason)
        try:
            return [scorer.score(task, seed, answer) for seed, answer in zip(seeds, answers, strict=True)]
        except (Exception, SystemExit) as error:
            return failed(cohort, "error", f"the task failed: {worker.failure(error).reason}")

    def _measure(self, cohort: Cohort) -> list[dict[str, Any]]:
        from dynamark.runners.execute import scorer, worker

        try:
            experiment = cohort.method.build()
            worker.seed_everything(cohort.entropies)
            return [scorer.measure(experiment, entropy, self._device) for entropy in cohort.entropies]
        except (Exception, SystemExit) as error:
            cause = worker.failure(error)
            return failed(cohort, cause.status, cause.reason)

    def __enter__(self) -> Inline:
        import numpy as np
        import threadpoolctl
        import torch

        from dynamark.runners.execute.worker import steady

        self._threads = torch.get_num_threads()
        self._deterministic = torch.get_deterministic_debug_mode()
        self._generators = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
        self._pools = threadpoolctl.threadpool_limits(1)
        steady()
        return self

    def __exit__(self, *_: object) -> None:
        import numpy as np
        import torch

        python, numpy, own = self._generators
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(own)
        self._pools.restore_original_limits()
        torch.set_num_threads(self._threads)
        torch.set_deterministic_debug_mode(self._deterministic)


def inline(settings: Settings) -> Inline:
    """The engine `inline`."""
    return Inline(settings.device)
