"""Seconds and memory of a leaderboard of 1e4, 1e5 and 1e6 rows: `python tests/benchmarks/leaderboard.py`.

Each size runs in a process of its own, so that memory is its peak. Synthetic rows: 40 methods of four families.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Rows: tasks a family, seeds; each family has ten methods of its own.
SIZES = {10_000: (10, 25), 100_000: (50, 50), 1_000_000: (100, 250)}
FAMILIES, METHODS = ("chaos", "koopman", "lds", "sensing"), 10


def write(folder: Path, tasks: int, seeds: int) -> None:
    """A store of such rows, a file a family."""
    from dynamark.results.schema import SCHEMA

    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for family in FAMILIES:
        count = tasks * METHODS * seeds
        method, task, seed = (x.ravel() for x in np.indices((METHODS, tasks, seeds)))
        value = np.exp(rng.standard_normal(count) + 0.3 * method)
        failed = rng.uniform(size=count) < 0.01
        primary = {
            "score": pa.array(["error"] * count),
            "value": pa.array(value),
            "lower_is_better": pa.array(np.ones(count, bool)),
            "log": pa.array(np.ones(count, bool)),
            "floor": pa.array(np.full(count, 1e-6)),
            "baseline": pa.array(np.full(count, 20.0)),
            "oracle": pa.array(np.full(count, 0.05)),
        }
        columns = {
            "key": pa.array([rng.bytes(32).hex() for _ in range(count)]),
            "suite": pa.array(["bench"] * count),
            "family": pa.array([family] * count),
            "task": pa.array([f"{family}/task{i}" for i in task]),
            "tier": pa.array(["standard"] * count),
            "task_version": pa.array(np.ones(count), pa.int32()),
            "task_fields": pa.array([f'{{"n":{i}}}' for i in task]),
            "salt": pa.array([""] * count),
            "method": pa.array([f"{family}-method{i}" for i in method]),
            "method_fields": pa.array(["{}"] * count),
            "seed": pa.array(seed),
            "status": pa.array(np.where(failed, "crashed", "ok").tolist()),
            "primary": pa.StructArray.from_arrays(
                list(primary.values()), fields=list(SCHEMA.field("primary").type), mask=pa.array(failed)
            ),
            "fit_seconds": pa.array(rng.uniform(size=count)),
            "parameters": pa.array(10 * method),
            "finished": pa.array([f"2026-01-01T00:00:00.{i:06}+00:00" for i in range(count)]),
        }
        whole = {f.name: columns.get(f.name, pa.nulls(count, f.type)) for f in SCHEMA}
        pq.write_table(pa.table(whole, schema=SCHEMA), folder / f"bench--{family}.parquet", compression="zstd")


def measure(folder: str) -> None:
    """In a process of its own: seconds and peak memory of each part."""
    from dynamark.leaderboards.formats import render
    from dynamark.leaderboards.rows import gathered, prepare
    from dynamark.leaderboards.table import tables

    start = time.perf_counter()
    frame = prepare(gathered([folder], published=False))
    read = time.perf_counter()
    all_tables = tables(frame)
    counted = time.perf_counter()
    render(all_tables, "terminal")
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    times = (read - start, counted - read, end - start, time.process_time())
    print(f"{len(frame):>9} " + " ".join(f"{t:>9.2f}" for t in times) + f" {peak:>9.2f}")


def main() -> None:
    """Print a line a size."""
    print(f"{'rows':>9} {'read, s':>9} {'tables, s':>9} {'all, s':>9} {'CPU, s':>9} {'GiB':>9}", flush=True)
    for count, (tasks, seeds) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "store", tasks, seeds)
            assert len(FAMILIES) * METHODS * tasks * seeds == count
            subprocess.run([sys.executable, __file__, str(Path(folder) / "store")], check=True)


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
