"""Layers inside a stack: CPU milliseconds per update of a cohort, forward and backward.

Five seeds, eight sequences of 1,024 samples each, width 32, GELU, in one thread.

Run: OMP_NUM_THREADS=1 PYTHONPATH=src python tests/benchmarks/wide_layers.py [METHOD...]
"""

from __future__ import annotations

import dataclasses
import sys
import time

import torch

from dynamark.methods.cohort import Stacked
from dynamark.methods.sequence.convolutional import LRU, S4D, S5, STU
from dynamark.methods.sequence.gru import GRU
from dynamark.methods.sequence.mamba import Mamba
from dynamark.methods.sequence.s4 import S4
from dynamark.methods.sequence.stack import SequenceMethod, Stack

METHODS: dict[str, SequenceMethod] = {
    "stu": STU(),
    "s4d": S4D(),
    "s4": S4(),
    "s5": S5(),
    "lru": LRU(),
    "gru": GRU(),
    "mamba": Mamba(),
}
SEEDS, BATCH, TIME = 5, 8, 1024


def milliseconds(method: SequenceMethod, repeats: int = 4) -> float:
    """The least CPU time of a few updates, after one that compiles."""
    draw = torch.Generator().manual_seed(0)
    cohort = Stacked([Stack(method, 1, 1, TIME, draw) for _ in range(SEEDS)])
    x, y = torch.randn(2, SEEDS, BATCH, TIME, 1, generator=draw)
    taken = []
    for _ in range(repeats + 1):
        start = time.process_time()
        losses = cohort.each(lambda network, x, y: (network(x) - y).square().mean(), x, y)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        taken.append(time.process_time() - start)
    return 1e3 * min(taken[1:])


def main() -> None:
    """A line a method."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or METHODS:
        method = dataclasses.replace(METHODS[name], activation="gelu")
        print(f"{name}: {milliseconds(method):.0f} ms of CPU per update", flush=True)


if __name__ == "__main__":
    main()
