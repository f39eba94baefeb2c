"""What dynamark adds to a run: 1,000 trivial runs in this process, 1,000 in processes of their own, and a resume of 1,000.

    OMP_NUM_THREADS=1 python tests/benchmarks/overhead.py

The method's own work (persistence-like, microseconds) is not subtracted. Imports are done before the clock starts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import LINE, write_suite

from dynamark.runners.run import run

RUNS = 1000


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        suite = write_suite(base / "s.toml", [LINE], seeds=RUNS)
        run(suite, store=base / "warm", seeds=2, engine="inline")  # imports, and the digest of the method's source
        inline, report = timed(lambda: run(suite, store=base / "inline", engine="inline"))
        assert report.statuses == {"ok": RUNS}
        print(f"in this process      {1e3 * inline / RUNS:8.2f} ms a run")
        for workers in (1, 2):
            local, report = timed(lambda w=workers: run(suite, store=base / f"local{w}", workers=w))
            assert report.statuses == {"ok": RUNS}
            print(f"isolated, {workers} at a time {1e3 * local / RUNS:8.2f} ms a run (start of the processes included)")
        resume, report = timed(lambda: run(suite, store=base / "inline", engine="inline"))
        assert report.skipped == RUNS
        print(f"resume of {RUNS} runs  {resume:8.3f} s")
    cpu = sorted(_cpu_of_help() for _ in range(11))[5]
    print(f"dynamark --help      {1e3 * cpu:8.0f} ms of CPU, median of 11 processes")


def _cpu_of_help() -> float:
    """Seconds of CPU of a whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "dynamark", "--help"], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
