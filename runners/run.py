"""Running a suite: plan the runs, skip cached ones, execute the others, and save the results."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from dynamark.errors import UserError, unknown
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
from dynamark.runners.objects import Given, specs_of
from dynamark.runners.plan.cohorts import cohorts
from dynamark.runners.plan.complete import load_named
from dynamark.runners.plan.expand import Plan, expand, pending
from dynamark.runners.plan.hours import Seconds
from dynamark.runners.plan.suite import Suite
from dynamark.runners.progress import Progress

_log = logging.getLogger(__name__)

__all__ = ["Device", "Refresh", "Report", "run"]

Device = Literal["cpu", "cuda"]
Refresh = Literal["environment"]

# From so many cohorts on, their seconds are predicted: reading the published rows takes a third of a second.
_MANY = 12

# The number of failures that a report lists; further ones are only counted.
_SHOWN = 5


@dataclass(repr=False)
class Report:
    """The outcome of `run`: the plan, the results folder, and what became of the runs.

    plan: all planned runs, and the combinations of task and method that were skipped.
    store: the results folder.
    skipped: number of cached runs.
    statuses: number of executed runs by status, for example {"ok": 4}.
    failures: the rows of failed runs.
    to_do, hours: of a dry run, the number of runs that are not cached, and their predicted hours on two cores (None if no
        published result allows a prediction).
    sandbox: whether the methods ran in a sandbox.
    elsewhere: of the cached runs, those that other versions of torch, NumPy, SciPy or numba made.
    """

    plan: Plan
    store: Path
    skipped: int
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[Row] = field(default_factory=list)
    to_do: int | None = None
    hours: float | None = None
    sandbox: bool = False
    elsewhere: Elsewhere = field(default_factory=Elsewhere)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data: what `--json` prints."""
        named = ("status", "method", "task", "tier", "seed", "reason", "key")
        return {
            "store": str(self.store),
            "planned": len(self.plan.runs),
            "cached": self.skipped,
            "statuses": dict(sorted(self.statuses.items())),
            "failures": [{name: row[name] for name in named} for row in self.failures],
            "skipped": [dict(zip(("task", "method", "reason"), s, strict=True)) for s in self.plan.not_applicable],
            "to_do": self.to_do,
            "hours": self.hours,
            "sandbox": self.sandbox,
            "warning": self.warning or None,
            "keys": sorted(self.keys),
        }

    @property
    def keys(self) -> set[str]:
        """The keys of all planned runs, cached ones included."""
        return {run.key for run in self.plan.runs}

    def __repr__(self) -> str:
        lines = [*self.failed[:_SHOWN], *([self.warning] if self.warning else [])]
        return "\n".join([f"Report({self.summary})", *(f"  {line}" for line in lines), *self._more])

    @property
    def summary(self) -> str:
        """One line: the number of runs by status, the number of cached runs, and the results folder."""
        if self.to_do is not None:
            hours = "" if self.hours is None else f", about {self.hours:.2g} hours on two cores"
            return f"{self.to_do} runs to do{hours}; {self.skipped} cached; results in {self.store}"
        words = {"ok": "succeeded"}
        done = [f"{count} {words.get(status, status)}" for status, count in sorted(self.statuses.items())]
        return f"{', '.join(done) or 'nothing to do'}; {self.skipped} cached; results in {self.store}"

    @property
    def warning(self) -> str:
        """One line if other versions of the libraries made some of the cached runs; else empty."""
        if not self.elsewhere.keys:
            return ""
        return (
            f"{len(self.elsewhere.keys)} cached runs come from another environment ({'; '.join(self.elsewhere.changes)}); "
            "re-run them with --refresh environment"
        )

    @property
    def failed(self) -> list[str]:
        """One line per failed run: status, method, task, seed and reason."""
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
    engine: str = "local",
    address: str | None = None,
    device: Device = "cpu",
    force: bool = False,
    retry_failed: bool = False,
    refresh: Refresh | None = None,
    salt: str = "",
    shard: tuple[int, int] = (1, 1),
    progress: bool = False,
    dry_run: bool = False,
    sandbox: bool | None = None,
) -> Report:
    """Run a suite and save the results. Runs whose results are already in the results folder are skipped.

    suite: name of a suite or board (see `dynamark list suites`, `dynamark list boards`), path of a TOML file, or a `Suite`.
    task: run only these tasks: a name or glob, a class, an instance, or a list of these. A task not in the suite (given as
        `path/tasks.py:Class`, a class or an instance) runs with all methods of the suite.
    method: run only these methods: a name, `path/mine.py:Mine`, a class, an instance, or a list of these. A method not in the
        suite runs on all its tasks.
    seeds: number of seeds (5 means seeds 0 to 4), or a list of seeds. Default: set by the suite.
    tier: "tiny", "standard" or "large". Default: set by the suite.
    store: results folder. Default: $DYNAMARK_STORE, else results/runs in the current folder.
    workers: number of parallel workers. Default: the number of cores.
    timeout: time limit per run, in seconds. Seeds that are fitted together share the sum of their limits.
    memory_gb: memory limit per worker, in GiB.
    engine: "local" runs methods in isolated processes with limits; "inline" runs them in this process, without limits. Other
        packages may add engines (see docs/cluster.md). Options of an engine stand in parentheses.
    address: of the cluster, for an engine that has one.
    device: "cpu" or "cuda".
    force: re-run cached runs.
    retry_failed: re-run failed runs.
    refresh: "environment" re-runs cached runs that other versions of torch, NumPy, SciPy or numba made. The new result replaces
        the old one wherever results are read. Default: such runs are only counted (`Report.warning`).
    salt: any string; regenerates all data from other seeds (held-out evaluation).
    shard: (i, n) runs only the i-th of n parts, 1 <= i <= n.
    progress: show a progress bar.
    sandbox: run methods without access to the cache, the results folder, other processes and the network (Linux, CPU). Default:
        with a salt, if this machine allows it.
    dry_run: run nothing; the report has the number of runs and their predicted hours.

    Returns a `Report`. Raises `UserError` for invalid arguments. A run that fails does not raise: see `Report.failures`.
    """
    _check(timeout, memory_gb, workers, shard, device)
    if refresh not in (None, *get_args(Refresh)):
        raise unknown("refresh", str(refresh), list(get_args(Refresh)))
    chosen = find_engine(engine, address=address)
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
    refuse_unfit([run.row for run in plan.runs])
    home.compact()
    # Shards partition the whole plan, not the pending runs: a shard stays the same while other shards fill the store.
    part = [run for cohort in cohorts(plan.runs)[shard[0] - 1 :: shard[1]] for run in cohort.runs]
    todo = pending(part, home.status(), force=force, retry_failed=retry_failed)
    elsewhere = _elsewhere(home, {run.key for run in part} - {run.key for run in todo}, device)
    if refresh == "environment" and elsewhere.keys:
        again = elsewhere.keys | {run.key for run in todo}
        todo, elsewhere = [run for run in part if run.key in again], Elsewhere()
    report = Report(plan, home.folder, len(part) - len(todo), elsewhere=elsewhere)
    if dry_run:
        return replace(report, to_do=len(todo), hours=Seconds().hours(todo) if todo else 0.0)
    mine = cohorts(todo)
    _log.info("%d runs planned, %d cached, %d to do in %d batches", len(part), report.skipped, len(todo), len(mine))
    if not mine:
        return report
    seconds = Seconds() if len(mine) >= _MANY else None
    if seconds is not None:
        mine = seconds.longest_first(mine)
    hidden = _hidden(sandbox, salt, chosen, device, home.folder)
    report.sandbox = hidden is not None
    try:
        with (
            closed_process(bool(salt)),
            Journal(home.journals, provenance(device)) as journal,
            chosen.start(Settings(workers, Limits(timeout, int(memory_gb * 2**30)), device, hidden)) as executor,
            Progress(mine, progress, seconds, workers) as bar,
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


def _check(timeout: float, memory_gb: float, workers: int | None, shard: tuple[int, int], device: str) -> None:
    for name, value, most in (("timeout", timeout, 1e9), ("memory_gb", memory_gb, 1e6), ("workers", workers, 1000)):
        if value is not None and not 0 < value <= most:
            shown = value if abs(value) < 1e18 else "a very large number"
            raise UserError(f"invalid {name} = {shown}: expected a number greater than 0, at most {most:g}")
    if not 1 <= shard[0] <= shard[1]:
        raise UserError(f"invalid shard {shard[0]}/{shard[1]}: expected I/N with 1 <= I <= N")
    if device not in get_args(Device):
        raise unknown("device", device, list(get_args(Device)))
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UserError("PyTorch finds no CUDA device; use device cpu")


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
