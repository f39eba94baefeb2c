"""Running a suite: plan the runs, skip cached ones, execute the others, and save the results."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from dynamark.errors import UserError, unknown
from dynamark.results.environment import Elsewhere, made_elsewhere
from dynamark.results.provenance import library_versions
from dynamark.results.schema import FAILED
from dynamark.results.store import Store, default_store
from dynamark.runners.plan.recall import Recalled, recall, stamp_of
from dynamark.runners.report import Report

if TYPE_CHECKING:
    from dynamark.runners.objects import Given
    from dynamark.runners.plan.suite import Suite

_log = logging.getLogger(__name__)

__all__ = ["Device", "Refresh", "Report", "run"]

Device = Literal["cpu", "cuda"]
Refresh = Literal["environment"]

# Engines of which a command with nothing to do need not know more than the name.
_PLAIN = ("local", "inline")


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
    home = Store(store if store is not None else default_store())
    plan = functools.partial(_planned, suite, task, method, seeds=seeds, tier=tier, device=device, salt=salt)
    stamp = stamp_of(suite, task, method, seeds=seeds, tier=tier, device=device, salt=salt)
    if engine in _PLAIN and address is None and device == "cpu" and not force:
        recalled = recall(stamp, plan)
        report = recalled and _nothing_to_do(recalled, home, shard, retry_failed, refresh, dry_run)
        if report:
            return report
    from dynamark.runners.conduct import Conduct, conduct

    wanted = Conduct(
        timeout=timeout,
        memory_gb=memory_gb,
        workers=workers,
        engine=engine,
        address=address,
        device=device,
        salt=salt,
        force=force,
        retry_failed=retry_failed,
        refresh=refresh,
        shard=shard,
        progress=progress,
        dry_run=dry_run,
        sandbox=sandbox,
    )
    return conduct(plan, stamp, home, wanted)


def _planned(suite: str | Path | Suite, task: Any, method: Any, **more: Any) -> Any:
    """Plan the runs."""
    from dynamark.runners.objects import specs_of
    from dynamark.runners.plan.complete import load_named
    from dynamark.runners.plan.expand import expand

    loaded = load_named(str(suite)) if isinstance(suite, str | Path) else suite
    return expand(loaded, task=specs_of(task, "task"), method=specs_of(method, "method"), **more)


def _nothing_to_do(
    plan: Recalled, home: Store, shard: tuple[int, int], retry_failed: bool, refresh: str | None, dry_run: bool
) -> Report | None:
    """The report where every run is cached; else None."""
    home.compact()
    part = [key for batch in plan.batches[shard[0] - 1 :: shard[1]] for key in batch]
    done, again = home.status(), set(FAILED) if retry_failed else set()
    if any(key not in done or done[key] in again for key in part):
        return None
    elsewhere = made_elsewhere(home.rows(["key", "provenance"]), part, library_versions()) if part else Elsewhere()
    if refresh is not None and elsewhere.keys:
        return None
    _log.info("%d runs planned, %d cached, nothing to do", len(part), len(part))
    report = Report(plan, home.folder, len(part), elsewhere=elsewhere)
    if dry_run:
        report.to_do, report.hours = 0, 0.0
    return report


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
