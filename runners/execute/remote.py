"""An executor over machines that may vanish: what every engine for clusters shares.

Such an engine only says how a parcel is started and how its answer arrives (a `Pool`). A cohort whose machine is gone is started
again elsewhere; after several times its runs are `lost`. What a method did (an error, a crash, a timeout) is never tried again.
Rows are written by the command alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dynamark.errors import one_line
from dynamark.results.provenance import provenance
from dynamark.results.schema import LOST
from dynamark.runners.execute.executor import Needs, Outcome, Settings, failed
from dynamark.runners.execute.parcel import outcomes_in, parcel
from dynamark.runners.plan.cohorts import Cohort

__all__ = ["Gone", "Pool", "Remote"]

_LOSSES = 5  # times that a cohort is started again before its runs count as lost
_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Gone:
    """What comes instead of an answer: the machine that had the parcel is gone, or cannot solve it."""

    reason: str


@runtime_checkable
class Pool(Protocol):
    """Machines that solve parcels (by `Node.solve`), behind whatever reaches them."""

    def room(self) -> int:
        """How many more parcels may be started now."""
        ...

    def start(self, parcel: str, needs: Needs) -> Hashable:
        """Start a parcel on some machine; what it is called in `answers`."""
        ...

    def answers(self, seconds: float) -> Sequence[tuple[Hashable, str | Gone]]:
        """What has arrived, waiting for at most so many seconds if nothing has."""
        ...

    def close(self) -> None:
        """Stop what is running, and let go of the machines."""
        ...


class Remote:
    """Sends cohorts to a pool of machines."""

    def __init__(self, pool: Pool, settings: Settings, needs: Needs) -> None:
        self._pool, self._settings, self._needs = pool, settings, needs
        self._waiting: deque[Cohort] = deque()
        self._flying: dict[Hashable, Cohort] = {}
        self._losses: Counter[tuple[str, ...]] = Counter()

    def submit(self, cohort: Cohort) -> None:
        """Queue a cohort."""
        self._waiting.append(cohort)

    def completed(self) -> Iterator[Outcome]:
        """Outcomes as they come, until nothing is queued or running."""
        while self._waiting or self._flying:
            while self._waiting and self._pool.room() > 0:
                cohort = self._waiting.popleft()
                self._flying[self._pool.start(parcel(cohort, self._settings), self._needs)] = cohort
            for name, answer in self._pool.answers(_WAIT_SECONDS):
                yield from self._settled(self._flying.pop(name), answer)

    def _settled(self, cohort: Cohort, answer: str | Gone) -> Iterator[Outcome]:
        if isinstance(answer, Gone):
            yield from self._again(cohort, answer.reason)
            return
        try:
            outcomes = outcomes_in(answer, cohort)
        except ValueError as error:
            yield from self._again(cohort, f"an answer cannot be read: {error}")
            return
        for outcome in outcomes:
            if outcome.results[0]["status"] == LOST:
                yield from self._again(outcome.cohort, str(outcome.results[0].get("reason")))
            else:
                yield outcome

    def _again(self, cohort: Cohort, reason: str) -> Iterator[Outcome]:
        key = tuple(run.key for run in cohort.runs)
        self._losses[key] += 1
        if self._losses[key] < _LOSSES:
            self._waiting.appendleft(cohort)
        else:
            yield Outcome(cohort, failed(cohort, LOST, one_line(reason, 600)), provenance())

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()
