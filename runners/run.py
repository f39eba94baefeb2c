"""Running a suite: plan, skip what is done, run the rest, journal, compact."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from dynamark.errors import UserError, unknown
from dynamark.results.journal import Journal
from dynamark.results.provenance import provenance
from dynamark.results.schema import LOST, Row
from dynamark.results.store import Store, default_store
from dynamark.runners.execute.executor import Executor, Inline, Limits, Outcome
from dynamark.runners.objects import Given, specs_of
from dynamark.runners.plan.board import load_named
from dynamark.runners.plan.cohorts import cohorts
from dynamark.runners.plan.expand import Plan, expand, pending
from dynamark.runners.plan.hours import Seconds
from dynamark.runners.plan.suite import Suite

__all__ = ["Device", "Engine", "Report", "run"]

Engine = Literal["local", "inline"]
Device = Literal["cpu", "cuda"]

# Failures that a report shows; more of them are counted.
_SHOWN = 5


@dataclass(repr=False)
class Report:
    """What a command did: its plan, how many runs were cached, and the statuses of those that it ran."""

    plan: Plan
    store: Path
    skipped: int
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[Row] = field(default_factory=list)
    to_do: int | None = (
        None  # of a dry run: how many runs are not cached, and their hours on two cores if rows tell them
    )
    hours: float | None = None

    @property
    def keys(self) -> set[str]:
        """The keys of all planned runs."""
        return {run.key for run in self.plan.runs}

    def __repr__(self) -> str:
        return "\n".join([f"Report({self.summary})", *(f"  {line}" for line in self.failed[:_SHOWN]), *self._more])

    @property
    def summary(self) -> str:
        """One line: how many runs ended how, how many were cached, and where the rows are."""
        if self.to_do is not None:
            hours = "" if self.hours is None else f", about {self.hours:.2g} hours on two cores"
            return f"{self.to_do} runs to do{hours}; {self.skipped} cached; results in {self.store}"
        words = {"ok": "succeeded"}
        done = [f"{count} {words.get(status, status)}" for status, count in sorted(self.statuses.items())]
        return f"{', '.join(done) or 'nothing to do'}; {self.skipped} cached; results in {self.store}"

    @property
    def failed(self) -> list[str]:
        """A line a failed run."""
        return [f"{r['status']}: {r['method']} on {r['task']}, seed {r['seed']}: {r['reason']}" for r in self.failures]

    @property
    def _more(self) -> list[str]:
        rest = len(self.failures) - _SHOWN
        return [f"  and {rest} more failures"] if rest > 0 else []


def run(
    suite: str | Path | Suite,
    *,
    task: Given | Iterable[Given] = (),
    method: Given | Iterable[Given] = (),
    seeds: int | Sequence[int] | None = None,
    tier: str | None = None,
    store: Path | str | None = None,
    workers: int | None = None,
    timeout: float = 600.0,
    memory_gb: float = 8.0,
    engine: Engine = "local",
    device: Device = "cpu",
    force: bool = False,
    retry_failed: bool = False,
    salt: str = "",
    shard: tuple[int, int] = (1, 1),
    progress: bool = False,
    dry_run: bool = False,
) -> Report:
    """Run a suite and keep its results; runs that the results folder holds already are skipped.

    suite: the name of a shipped suite, the path of a TOML file, or a `Suite`.
    task: only these tasks: globs of names. A task that the suite does not list, given by `path/tasks.py:Class`, as a class
        or as an instance, is run with all methods of the suite.
    method: only these methods: a name, `path/mine.py:Mine`, a class, an instance, or a list of these. A method that the suite
        does not list is run on all its tasks.
    seeds: number of seeds, counted from 0, or a list of seeds; by default the suite's own number.
    tier: replaces the suite's own.
    store: folder of the results; by default $DYNAMARK_STORE, else results/runs below the current folder.
    workers: cohorts at a time; by default the number of cores.
    timeout, memory_gb: limits of one run, in seconds and GiB; a cohort has the time of its members together.
    engine: `local` isolates every cohort in a process, `inline` runs in this process, without limits.
    salt: any string regenerates all data from other seeds, for a held-out evaluation.
    shard: (i, n) runs the i-th of n parts, counted from 1.
    dry_run: only count the runs, and predict their hours from the seconds of published rows.
    """
    _check(timeout, memory_gb, workers, shard, device, engine)
    home = Store(store if store is not None else default_store())
    plan = expand(
        suite if isinstance(suite, Suite) else load_named(str(suite)),
        task=specs_of(task, "task"),
        method=specs_of(method, "method"),
        seeds=seeds,
        tier=tier,
        device=device,
        salt=salt,
    )
    home.compact()
    # Parts are cut from the plan, not from what is left of it: they stay the same while other shards fill the store.
    part = [run for cohort in cohorts(plan.runs)[shard[0] - 1 :: shard[1]] for run in cohort.runs]
    todo = pending(part, home.status(), force=force, retry_failed=retry_failed)
    report = Report(plan, home.folder, len(part) - len(todo))
    if dry_run:
        return replace(report, to_do=len(todo), hours=Seconds().hours(todo) if todo else 0.0)
    mine = cohorts(todo)
    if not mine:
        return report
    try:
        with (
            Journal(home.journals, provenance(device)) as journal,
            _executor(engine, workers, Limits(timeout, int(memory_gb * 2**30)), device) as executor,
            _bar(sum(len(cohort.runs) for cohort in mine), progress) as bar,
        ):
            journal.write([])  # a store that cannot be written is refused before the work, not after
            for cohort in mine:
                executor.submit(cohort)
            for outcome in executor.completed():
                rows = _rows(outcome)
                # What is lost is no result: the next command takes it up again.
                journal.write([row for row in rows if row["status"] != LOST], outcome.provenance)
                report.statuses.update(row["status"] for row in rows)
                report.failures += [row for row in rows if row["status"] not in ("ok", "diverged")]
                bar.set_postfix_str(outcome.cohort.label, refresh=False)
                bar.update(len(rows))
    finally:
        home.compact()
    return report


def _check(
    timeout: float, memory_gb: float, workers: int | None, shard: tuple[int, int], device: str, engine: str
) -> None:
    for name, value in (("timeout", timeout), ("memory_gb", memory_gb), ("workers", workers)):
        if value is not None and not value > 0:
            raise UserError(f"{name} = {value} is not positive; give a number above 0")
    if not 1 <= shard[0] <= shard[1]:
        raise UserError(f"invalid shard {shard[0]}/{shard[1]}: expected I/N with 1 <= I <= N")
    for name, word, allowed in (("engine", engine, get_args(Engine)), ("device", device, get_args(Device))):
        if word not in allowed:
            raise unknown(name, word, list(allowed))
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UserError("no CUDA device is available to torch; use device cpu")


def _executor(engine: str, workers: int | None, limits: Limits, device: str) -> Executor:
    if engine == "inline":
        return Inline(device)
    from dynamark.runners.execute.local import Local

    return Local(workers or os.cpu_count() or 1, limits, device)


def _bar(total: int, progress: bool) -> Any:
    from tqdm import tqdm

    # disable=None: quiet off a terminal; a notebook is none, and shows the bar all the same.
    return tqdm(total=total, unit="run", disable=(False if _in_notebook() else None) if progress else True)


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


def _rows(outcome: Outcome) -> list[Row]:
    cohort = outcome.cohort
    finished = datetime.now(UTC).isoformat(timespec="microseconds")
    return [
        {**run.row, **result, "cohort_size": len(cohort.runs), "finished": finished}
        for run, result in zip(cohort.runs, outcome.results, strict=True)
    ]
