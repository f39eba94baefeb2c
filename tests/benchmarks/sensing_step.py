"""A step of gradient descent for matrix sensing against the ceilings of the machine, all measured in one run.

Prints, for symmetric Gaussian sensing with r = 2 and m = 10 n r: milliseconds a step and seed, of one instance (at first, and
late in a run) and of cohorts that share the operator; the time of a step over that of one reading of the operator (a product with
a vector); and its floating-point operations over those of a square matrix product. Ceilings and steps take turns, and the least
time of each counts, so that a machine with other work is fair to both. Run with one thread:
OMP_NUM_THREADS=1 python tests/benchmarks/sensing_step.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from dynamark.methods.sensing.measurements import measure
from dynamark.tasks.sensing.tasks import PositiveSensing


def least(works: Mapping[str, Callable[[], object]], rounds: int = 15) -> dict[str, float]:
    """The least seconds of each, over rounds in which all take turns."""
    actual = dict.fromkeys(works, float("inf"))
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            actual[name] = min(actual[name], time.perf_counter() - start)
    return actual


def stepper(n: int, count: int, passes: int = 0) -> tuple[Callable[[], torch.Tensor], torch.Tensor]:
    """A step of a cohort of so many seeds after so many passes, and the operator of its first member."""
    task = PositiveSensing.at("tiny", rows=n, columns=n, measurements=20 * n, share=64 if count > 1 else 1)
    problems = [task.problem(seed) for seed in range(count)]
    measurements = measure(problems)
    measurements.passes = passes
    x = torch.randn(count, n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) / n

    def step() -> torch.Tensor:
        return x - 0.1 * (measurements.gradient(x, x)[1] @ x)

    return step, problems[0].operator.rows


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    square = torch.ones(1024, 1024, dtype=torch.float64)
    print("   n  seeds   ms/step/seed   of one reading   of product   against one seed")
    for n in (50, 100):
        steps, rows = {}, None
        for count in (1, 4, 16, 64):
            steps[str(count)], rows = stepper(n, count)
        # A long run compiles its reading, where numba is installed and the operator is larger than the cache.
        steps["1 long"] = stepper(n, 1, passes=10**9)[0]
        vector = torch.ones(rows.shape[1], dtype=torch.float64)
        works = {"read": lambda r=rows, v=vector: r @ v, "product": lambda: square @ square, **steps}
        result = least(works)
        size = 8 * rows.numel()
        print(
            f"ceilings: {size / 1e6:.0f} MB read in {1e3 * result['read']:.2f} ms ({size / result['read'] / 1e9:.1f} GB/s), "
            f"{2 * 1024**3 / result['product'] / 1e9:.0f} GFLOP/s"
        )
        for name in steps:
            taken, count = result[name], int(name.split()[0])
            share = 4 * rows.numel() * count / taken * result["product"] / (2 * 1024**3)
            print(
                f"{n:4d} {name:>6s} {1e3 * taken / count:14.3f} {taken / result['read']:16.2f} {share:12.2f}"
                f" {result['1'] * count / taken:14.1f}"
            )


if __name__ == "__main__":
    main()
