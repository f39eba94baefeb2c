"""How long a million runs take on 1 to 1,000 workers, some of which fail: a simulation, and a real run to hold it against.

    python tests/benchmarks/scale.py                 the simulation with the unit costs below
    python tests/benchmarks/scale.py measure 10000   a real run of so many trivial runs, its unit costs, and its simulation

The command is one server: it plans all runs, then sends each cohort and writes its rows. Each worker runs one cohort at
a time. A worker fails at random, at a rate per hour; its cohort is sent again, and the worker is back after a restart.
"""

from __future__ import annotations

import heapq
import random
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Costs:
    """Seconds. plan, save: of a run, before and after all others; command, worker: of a cohort, beyond the fit itself.

    Measured by `measure 400` on a loaded machine (upper bounds), `worker` by `overhead.py` on an idle one.
    """

    plan: float = 0.44e-3
    save: float = 1.1e-3
    command: float = 0.74e-3
    worker: float = 30e-3
    start: float = 5.0
    fit: float = 10.0


def simulate(
    runs: int, workers: int, costs: Costs, failures_per_hour: float = 0.1, cohort: int = 5, seed: int = 0
) -> tuple[float, float, int]:
    """Seconds until all rows are saved, the part of them in which the command was busy, and the number of failures."""
    rng = random.Random(seed)
    waiting = -(-runs // cohort)
    free_at = runs * costs.plan  # when the command has time
    busy, failures = free_at, 0
    rate = failures_per_hour / 3600
    ready = [(free_at + costs.start, worker) for worker in range(workers)]  # when each worker can begin
    heapq.heapify(ready)
    flying: list[tuple[float, int, bool]] = []
    while waiting or flying:
        while waiting and ready and (not flying or ready[0][0] <= flying[0][0]):
            at, worker = heapq.heappop(ready)
            free_at = max(free_at, at) + costs.command / 2
            busy += costs.command / 2
            takes = costs.worker + costs.fit * cohort
            dies = rng.expovariate(rate) if rate else takes + 1
            failed = dies < takes
            heapq.heappush(flying, (free_at + min(dies, takes), worker, failed))
            waiting -= 1
        at, worker, failed = heapq.heappop(flying)
        if failed:
            failures, waiting = failures + 1, waiting + 1
            heapq.heappush(ready, (at + costs.start, worker))
        else:
            free_at = max(free_at, at) + costs.command / 2
            busy += costs.command / 2
            heapq.heappush(ready, (at, worker))
    end = free_at + runs * costs.save
    return end, (busy + runs * costs.save) / end, failures


def table(costs: Costs, runs: int = 1_000_000) -> None:
    """Print the simulation of a million runs, for fits of ten seconds and for trivial ones."""
    print("| workers | fit of a run | hours | ideal | command busy | failures |")
    print("|---:|---:|---:|---:|---:|---:|")
    for fit in (10.0, 0.1, 0.0):
        for workers in (1, 10, 100, 1000):
            own = replace(costs, fit=fit)
            seconds, busy, failures = simulate(runs, workers, own)
            ideal = runs * (own.fit + own.worker / 5) / workers
            print(f"| {workers} | {fit:g} s | {seconds / 3600:.3g} | {ideal / 3600:.3g} | {busy:.0%} | {failures} |")


def measure(runs: int, workers: int = 2) -> None:
    """Run trivial runs for real; print what each part took, and what the simulation makes of these parts."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from support import LINE, write_suite

    from dynamark.results.store import Store
    from dynamark.runners.plan.cohorts import cohorts
    from dynamark.runners.plan.complete import load_named
    from dynamark.runners.plan.expand import expand
    from dynamark.runners.run import run

    with tempfile.TemporaryDirectory() as folder:
        suite = write_suite(Path(folder) / "s.toml", [LINE], seeds=runs)
        expand(load_named(suite), seeds=1)  # imports
        start = time.perf_counter()
        plan = expand(load_named(suite))
        planned = time.perf_counter() - start
        count = len(cohorts(plan.runs))
        few = max(2, runs // 20)
        walls = []
        for number, name in ((few, "few"), (runs, "all")):
            clock, cpu = time.perf_counter(), time.process_time()
            report = run(suite, seeds=number, store=Path(folder) / name, workers=workers)
            walls.append((time.perf_counter() - clock, time.process_time() - cpu))
            assert report.statuses == {"ok": number}
        store = Store(Path(folder) / "all")
        clock = time.perf_counter()
        rows = store.rows().to_pylist()
        again = Store(Path(folder) / "again")
        again.put(rows)
        saved = (time.perf_counter() - clock) / runs
        (short, _), (wall, cpu) = walls
        each = (wall - short) / (runs - few)  # without what a command costs once
        costs = Costs(
            plan=planned / runs,
            save=saved,
            command=max(0.0, cpu / runs - planned / runs - saved),
            worker=each * workers,
            start=max(0.0, short - each * few),
            fit=0.0,
        )
    seconds, busy, _ = simulate(runs, workers, costs, 0.0, runs // count)
    print(f"{runs} runs on {workers} workers: {wall:.1f} s; simulated {seconds:.1f} s, command busy {busy:.0%}")
    print(costs)
    table(costs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(int(sys.argv[2]))
    else:
        table(Costs())
