"""What `run` does when there may be something to do: plan, execute what the store lacks, and save the results."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dynamark.errors import UserError
from dynamark.folders import cache_folder
from dynamark.results.environment import Elsewhere, made_elsewhere
from dynamark.results.journal import Journal
from dynamark.results.provenance import provenance
from dynamark.results.schema import LOST, Row, refuse_unfit
from dynamark.results.store import Store, default_store
from dynamark.runners.execute.engines import Engine, find_engine
from dynamark.runners.execute.executor import Limits, Outcome, Settings
from dynamark.runners.execute.sandbox import works
from dynamark.runners.execute.secrets import closed_process
from dynamark.runners.plan.cohorts import cohorts
from dynamark.runners.plan.expand import Plan, pending
from dynamark.runners.plan.hours import Seconds
from dynamark.runners.plan.recall import Stamp, remember
from dynamark.runners.progress import Progress
from dynamark.runners.report import Report

_log = logging.getLogger("dynamark.runners.run")

__all__ = ["Conduct", "conduct"]

# From so many cohorts on, their seconds are predicted: reading the published rows takes a third of a second.
_MANY = 12


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How the runs of a plan are executed: the arguments of `run` by these names."""

    timeout: float
    memory_gb: float
    workers: int | None
    engine: str
    address: str | None
    device: str
    salt: str
    force: bool
    retry_failed: bool
    refresh: str | None
    shard: tuple[int, int]
    progress: bool
    dry_run: bool
    sandbox: bool | None


def conduct(planned: Callable[[], Plan], stamp: Stamp | None, home: Store, wanted: Conduct) -> Report:
    """Plan, skip cached runs, execute the others, and save the results; the plan is kept under its stamp."""
    device, shard = wanted.device, wanted.shard
    chosen = find_engine(wanted.engine, address=wanted.address)
    plan = planned()
    refuse_unfit([run.row for run in plan.runs])
    home.compact()
    # Shards partition the whole plan, not the pending runs: a shard stays the same while other shards fill the store.
    batches = cohorts(plan.runs)
    remember(stamp, plan, batches)
    part = [run for cohort in batches[shard[0] - 1 :: shard[1]] for run in cohort.runs]
    todo = pending(part, home.status(), force=wanted.force, retry_failed=wanted.retry_failed)
    elsewhere = _elsewhere(home, {run.key for run in part} - {run.key for run in todo}, device)
    if wanted.refresh == "environment" and elsewhere.keys:
        again = elsewhere.keys | {run.key for run in todo}
        todo, elsewhere = [run for run in part if run.key in again], Elsewhere()
    report = Report(plan, home.folder, len(part) - len(todo), elsewhere=elsewhere)
    if wanted.dry_run:
        return replace(report, to_do=len(todo), hours=Seconds().hours(todo) if todo else 0.0)
    mine = cohorts(todo)
    _log.info("%d runs planned, %d cached, %d to do in %d batches", len(part), report.skipped, len(todo), len(mine))
    if not mine:
        return report
    seconds = Seconds() if len(mine) >= _MANY else None
    if seconds is not None:
        mine = seconds.longest_first(mine)
    hidden = _hidden(wanted.sandbox, wanted.salt, chosen, device, home.folder)
    limits = Limits(wanted.timeout, int(wanted.memory_gb * 2**30))
    report.sandbox = hidden is not None
    try:
        with (
            closed_process(bool(wanted.salt)),
            Journal(home.journals, provenance(device)) as journal,
            chosen.start(Settings(wanted.workers, limits, device, hidden)) as executor,
            Progress(mine, wanted.progress, seconds, wanted.workers) as bar,
        ):
            journal.write([])  # fail before the work, not after it, if the store is not writable
            for cohort in mine:
                executor.submit(cohort)
            for outcome in executor.completed():
                rows = _rows(outcome)
                # A lost run is not a result: the next command runs it again.
                journal.write([row for row in rows if row["status"] != LOST], outcome.provenance)
                report.statuses.update(row["status"] for row in rows)
                report.failures += [row for row in rows if row["status"] not in ("ok", "diverged")]
                spent = sum(row.get("fit_seconds") or 0.0 for row in rows)
                _log.info("%s: %s, fit %.2f s", outcome.cohort.label, _counted(rows), spent)
                bar.update(outcome.cohort)
    finally:
        home.compact()
    return report


def _counted(rows: Sequence[Row]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(Counter(row["status"] for row in rows).items()))


def _elsewhere(home: Store, cached: set[str], device: str) -> Elsewhere:
    """Of the cached runs, those that other versions of the libraries made."""
    if not cached:
        return Elsewhere()
    return made_elsewhere(home.rows(["key", "provenance"]), cached, provenance(device))


def _hidden(sandbox: bool | None, salt: str, engine: Engine, device: str, store: Path) -> tuple[str, ...] | None:
    """The folders that workers do not see; None without a sandbox."""
    if sandbox is False or (sandbox is None and not salt):
        return None
    possible = engine.sandboxes and device == "cpu" and works()
    if possible:
        return tuple(str(folder.absolute()) for folder in (cache_folder() / "data", store, default_store()))
    if sandbox:
        raise UserError(
            "a sandbox needs engine local or ray, device cpu and a Linux kernel that lets users make namespaces"
        )
    return None


def _rows(outcome: Outcome) -> list[Row]:
    cohort = outcome.cohort
    finished = datetime.now(UTC).isoformat(timespec="microseconds")
    return [
        {**run.row, **result, "cohort_size": len(cohort.runs), "finished": finished}
        for run, result in zip(cohort.runs, outcome.results, strict=True)
    ]
