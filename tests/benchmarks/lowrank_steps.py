"""A training step of low-rank methods over a step of Adam on full matrices, forward and backward pass included.

Five seeds, batches of 128 digits, the network 64-128-128-10 at several ranks. Prints milliseconds of CPU a step and the ratio to
Adam's; all take turns, and the least time of each counts. Refreshes of a projection are part of the steps: a round has as many
steps as lie between two of them. Run with one thread: OMP_NUM_THREADS=1 python tests/benchmarks/lowrank_steps.py [METHOD...]
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch

from dynamark.runners.registry import resolve_method
from dynamark.runners.spec import parse
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.digits import Digits

METHODS = ["lora", "lora_frozen_a", "galore", "online_subspace", "lion", "flora", "sgd_full"]
SEEDS, STEPS, ROUNDS = 5, 50, 4


def seconds(method: Any, rank: int) -> float:
    """CPU seconds of STEPS steps."""
    task = Digits.at("tiny", rank=rank)
    problems = [task.problem(seed) for seed in range(SEEDS)]
    runs = [Run([seed], budget=STEPS) for seed in range(SEEDS)]
    start = time.process_time()
    method.fit_networks(problems, runs)
    return time.process_time() - start


def main() -> None:
    """A line a rank and method."""
    torch.set_num_threads(1)
    names = ["adam", *(sys.argv[1:] or METHODS)]
    methods = {name: resolve_method(parse(name)).build() for name in names}
    for rank in (4, 16, 32):
        least = dict.fromkeys(names, float("inf"))
        for _ in range(ROUNDS):
            for name, method in methods.items():
                least[name] = min(least[name], seconds(method, rank))
        for name, taken in least.items():
            print(
                f"rank {rank:2d} {name:15s} {1e3 * taken / STEPS:6.2f} ms {taken / least['adam']:5.2f} of Adam's",
                flush=True,
            )


if __name__ == "__main__":
    main()
