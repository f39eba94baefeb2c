"""Spectral filters by quadrature and thin SVD: seconds by length, and against an eigensolver of the Hankel matrix.

Run: OMP_NUM_THREADS=1 PYTHONPATH=src python tests/benchmarks/filters.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import scipy.linalg

from dynamark.tasks.numerics.spectral_filters import hankel, spectral_filters

COUNT = 25
LENGTHS = (1024, 4096, 16384)
COMPARED = 2048


def seconds(job: Callable[[], Any], repeats: int) -> float:
    """The least CPU time of a few calls."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        job()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Print a line a length, one for a cached call, and the ratio."""
    for length in LENGTHS:
        took = seconds(lambda length=length: spectral_filters.__wrapped__(length, COUNT), 2)
        print(f"{COUNT} filters of {length} lags: {took:.2f} s of CPU", flush=True)
    spectral_filters(LENGTHS[0], COUNT)
    print(f"the same once more, cached: {1e6 * seconds(lambda: spectral_filters(LENGTHS[0], COUNT), 5):.0f} us")
    ours = seconds(lambda: spectral_filters.__wrapped__(COMPARED, COUNT), 3)
    last = (COMPARED - COUNT, COMPARED - 1)
    theirs = seconds(lambda: scipy.linalg.eigh(hankel(COMPARED), subset_by_index=last), 3)
    print(
        f"{COMPARED} lags: {theirs / ours:.1f} times as fast as scipy.linalg.eigh, whose filters are noise from the 25th on"
    )


if __name__ == "__main__":
    main()
