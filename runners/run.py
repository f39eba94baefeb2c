"""Running a suite: plan, skip what is done, run the rest, journal, compact."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from dynamark.errors import UserError
from dynamark.results.journal import Journal
from dynamark.results.provenance import provenance
from dynamark.results.schema import Row
from dynamark.results.store import Store, default_store
from dynamark.runners.cohorts import cohorts
from dynamark.runners.executor import Executor, Inline, Limits, Outcome
from dynamark.runners.plan import Plan, expand, pending
from dynamark.runners.suite import Suite, load_suite

__all__ = ["Report", "run"]


@dataclass
class Report:
    """What a command did: its plan, how many runs it skipped, and the statuses of those that it ran."""

    plan: Plan
    store: Path
    skipped: int
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[Row] = field(default_factory=list)

    @property
    def keys(self) -> set[str]:
        """The keys of all planned runs."""
        return {run.key for run in self.plan.runs}


def run(
    suite: str | Suite,
    *,
    task: Sequence[str] = (),
    method: Sequence[str] = (),
    seeds: int | Sequence[int] | None = None,
    tier: str | None = None,
    store: Path | str | None = None,
    workers: int | None = None,
    timeout: float = 600.0,
    memory_gb: float = 8.0,
    engine: Literal["local", "inline"] = "local",
    device: Literal["cpu", "cuda"] = "cpu",
    force: bool = False,
    retry_failed: bool = False,
    salt: str = "",
    shard: tuple[int, int] = (1, 1),
    progress: bool = False,
) -> Report:
    """Run a suite and keep its rows; runs that the store holds already are skipped.

    suite: the name of a shipped suite, the path of a TOML file, or a `Suite`.
    task, method: globs of tasks and specs of methods that narrow the suite; a method that the suite does not list is put to
        all its tasks.
    seeds: so many, counted from 0, or a list of them; by default the suite's own number.
    tier: replaces the suite's own.
    store: folder of the rows; by default $DYNAMARK_STORE, else results/runs below the current folder.
    workers: cohorts at a time; by default the number of cores.
    timeout, memory_gb: limits of one run; a cohort has the time of its members together.
    engine: `local` isolates every cohort in a process, `inline` stays in this one, without limits.
    salt: another word makes all data anew, for a held-out comparison.
    shard: (i, n) runs the i-th of n parts, counted from 1.
    """
    _check(timeout, memory_gb, workers, shard, device)
    home = Store(store if store is not None else default_store())
    plan = expand(
        suite if isinstance(suite, Suite) else load_suite(suite),
        task=task,
        method=method,
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
                journal.write(rows)
                report.statuses.update(row["status"] for row in rows)
                report.failures += [row for row in rows if row["status"] not in ("ok", "diverged")]
                bar.set_postfix_str(outcome.cohort.label, refresh=False)
                bar.update(len(rows))
    finally:
        home.compact()
    return report


def _check(timeout: float, memory_gb: float, workers: int | None, shard: tuple[int, int], device: str) -> None:
    for name, value in (("--timeout", timeout), ("--memory-gb", memory_gb), ("--workers", workers)):
        if value is not None and not value > 0:
            raise UserError(f"{name} {value} is not positive; give a number above 0")
    if not 1 <= shard[0] <= shard[1]:
        raise UserError(f"--shard {shard[0]}/{shard[1]} is not a part of a whole; write i/n with 1 <= i <= n")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UserError("no CUDA device is available to torch; use --device cpu")


def _executor(engine: str, workers: int | None, limits: Limits, device: str) -> Executor:
    if engine == "inline":
        return Inline(device)
    from dynamark.runners.local import Local

    return Local(workers or os.cpu_count() or 1, limits, device)


def _bar(total: int, progress: bool) -> Any:
    from tqdm import tqdm

    # disable=None: quiet off a terminal.
    return tqdm(total=total, unit="run", disable=None if progress else True)


def _rows(outcome: Outcome) -> list[Row]:
    cohort = outcome.cohort
    finished = datetime.now(UTC).isoformat(timespec="microseconds")
    return [
        {**run.row, **result, "cohort_size": len(cohort.runs), "finished": finished}
        for run, result in zip(cohort.runs, outcome.results, strict=True)
    ]
