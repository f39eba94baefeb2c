"""A step of gradient descent for matrix sensing against the ceilings of the machine, all measured in one run.

Prints, for symmetric Gaussian sensing with r = 2 and m = 10 n r: milliseconds a step and seed of cohorts that share the operator,
the bytes a step reads of the operator over the bandwidth of a plain sum, and its floating-point operations over those of a square
matrix product. Run with one thread: OMP_NUM_THREADS=1 python tests/benchmarks/sensing_step.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from dynamark.methods.sensing.measurements import measure
from dynamark.tasks.sensing.tasks import PositiveSensing


def seconds(work: Callable[[], object], repeats: int = 5, least: float = 0.05) -> float:
    """The least time of a call, over repeats of at least `least` seconds each."""
    work()
    start = time.perf_counter()
    work()
    count = max(1, int(least / max(time.perf_counter() - start, 1e-9)))
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(count):
            work()
        best = min(best, (time.perf_counter() - start) / count)
    return best


def ceilings() -> tuple[float, float]:
    """Bytes a second of a sum over 200 MB, and floating-point operations a second of a 1024 x 1024 matrix product."""
    long, square = torch.ones(25_000_000, dtype=torch.float64), torch.ones(1024, 1024, dtype=torch.float64)
    return 8 * len(long) / seconds(long.sum), 2 * 1024**3 / seconds(lambda: square @ square)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("   n  seeds   ms/step/seed   of bandwidth   of product   against one seed")
    for n in (20, 50, 100):
        single = 0.0
        bandwidth, product = ceilings()  # anew for each size: a loaded machine changes from minute to minute
        print(f"ceilings: {bandwidth / 1e9:.1f} GB/s, {product / 1e9:.0f} GFLOP/s")
        for count in (1, 4, 8, 32):
            shared = count > 1
            task = PositiveSensing.at("tiny", rows=n, columns=n, measurements=20 * n, share=32 if shared else 1)
            measurements = measure([task.problem(seed) for seed in range(count)])
            x = torch.randn(count, n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

            def step(measurements: object = measurements, x: torch.Tensor = x) -> torch.Tensor:
                return x - 0.1 * (measurements.normal(x @ x.mT)[1] @ x)  # type: ignore[attr-defined]

            taken = seconds(step)
            single = single or taken
            entries = 20 * n * n * (n + 1) // 2
            print(
                f"{n:4d} {count:6d} {1e3 * taken / count:14.3f} {2 * 8 * entries / taken / bandwidth:14.2f}"
                f" {4 * entries * count / taken / product:12.2f} {single * count / taken:14.1f}"
            )


if __name__ == "__main__":
    main()
