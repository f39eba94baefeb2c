"""Sequence layers: CPU milliseconds per update of a cohort, forward and backward, of a layer alone and of one inside a stack.

Five seeds, eight sequences of 1,024 samples each with two channels, in one thread; the stack has width 32 and GELU.

Run: OMP_NUM_THREADS=1 PYTHONPATH=src python tests/benchmarks/wide_layers.py [--against CHECKOUT] [METHOD...]
With --against, this checkout and the other one are measured in turn, twice, and the ratio of the smaller times is printed.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import torch

from dynamark.methods.cohort import Stacked
from dynamark.methods.sequence.cfc import CfC
from dynamark.methods.sequence.controlled import SLiCE
from dynamark.methods.sequence.convolutional import LRU, S4D, S5, STU
from dynamark.methods.sequence.gru import GRU
from dynamark.methods.sequence.lstm import LSTM
from dynamark.methods.sequence.mamba import Mamba
from dynamark.methods.sequence.s4 import S4
from dynamark.methods.sequence.stack import SequenceMethod, Stack

METHODS: dict[str, SequenceMethod] = {
    "stu": STU(),
    "s4d": S4D(),
    "s4": S4(),
    "s4_legt": S4(basis="legt"),
    "s5": S5(),
    "lru": LRU(),
    "gru": GRU(),
    "lstm": LSTM(),
    "cfc": CfC(),
    "mamba": Mamba(),
    "slice": SLiCE(),
}
SEEDS, BATCH, TIME = 5, 8, 1024
PLACES = {"alone": "none", "in a stack": "gelu"}


def milliseconds(method: SequenceMethod, repeats: int = 3) -> float:
    """The least CPU time of a few updates, after one that compiles."""
    draw = torch.Generator().manual_seed(0)
    channels = 2 + int(method.timed)
    cohort = Stacked([Stack(method, channels, 1, TIME, draw) for _ in range(SEEDS)])
    x, y = (torch.randn(SEEDS, BATCH, TIME, k, generator=draw) for k in (channels, 1))
    if method.timed:
        x[..., -1] = 1  # the gap
    taken = []
    for _ in range(repeats + 1):
        start = time.process_time()
        losses = cohort.each(lambda network, x, y: (network(x) - y).square().mean(), x, y)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        taken.append(time.process_time() - start)
    return 1e3 * min(taken[1:])


def against(other: Path, names: list[str]) -> None:
    """Measure both checkouts in turn, A B A B, and print the smaller times and their ratio."""
    times: dict[str, dict[Path, float]] = {}
    here = Path(__file__).parents[2]
    for checkout in (other, here) * 2:
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        # This file measures both, so that they do the same work.
        output = subprocess.run(
            [sys.executable, __file__, *names], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for name, taken in re.findall(r"(.+): ([\d.]+) ms", output):
            own = times.setdefault(name, {})
            own[checkout] = min(float(taken), own.get(checkout, float("inf")))
    for name, own in times.items():
        print(f"{name}: {own[other]:.1f} ms before, {own[here]:.1f} ms now, ratio {own[other] / own[here]:.2f}")


def main() -> None:
    """A line for each method and place."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path)
    parser.add_argument("method", nargs="*")
    arguments = parser.parse_args()
    names = arguments.method or list(METHODS)
    if arguments.against is not None:
        against(arguments.against, names)
        return
    torch.set_num_threads(1)
    for name in names:
        for place, activation in PLACES.items():
            method = dataclasses.replace(METHODS[name], activation=activation)
            print(f"{name} {place}: {milliseconds(method):.1f} ms of CPU per update", flush=True)


if __name__ == "__main__":
    main()
