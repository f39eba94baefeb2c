"""Microseconds a step of a roll-out of a sequence network on its own outputs, and by whole passes, which costs time^2.

Run: OMP_NUM_THREADS=1 PYTHONPATH=src python tests/benchmarks/sequence_rollouts.py. CPU time, median of five; whole passes once.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from unittest.mock import patch

import torch

from dynamark.methods.sequence.cfc import CfC
from dynamark.methods.sequence.convolutional import LRU, S4D, S5, STU
from dynamark.methods.sequence.gru import GRU
from dynamark.methods.sequence.lstm import LSTM
from dynamark.methods.sequence.ltc import LTC
from dynamark.methods.sequence.mamba import Mamba
from dynamark.methods.sequence.s4 import S4
from dynamark.methods.sequence.stack import SequenceMethod, SequenceModel, Sight, Stack
from dynamark.tasks.problems import Trajectories

LENGTHS, WHOLE, REPEATS = (250, 1000), 250, 5
METHODS: tuple[SequenceMethod, ...] = (
    S4D(), S4(), S5(), LRU(), STU(filters=24), GRU(), GRU(depth=2, activation="gelu"), LSTM(), CfC(), LTC(), Mamba(),
)  # fmt: skip


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """A line a method."""
    torch.set_num_threads(1)
    for method in METHODS:
        network = Stack(method, 1 + int(method.timed), 1, max(LENGTHS), torch.Generator().manual_seed(0))
        model = SequenceModel(network, Sight(True, timed=method.timed))
        context = Trajectories(torch.randn(1, 1, 1, dtype=torch.float64))
        model.forecast(context, 2)
        micros = []
        for length in LENGTHS:
            times = [seconds(lambda n=length, m=model, c=context: m.forecast(c, n)) for _ in range(REPEATS)]
            micros.append(1e6 * statistics.median(times) / length)
        with patch.object(SequenceModel, "_steps", lambda _: None):
            whole = 1e6 * seconds(lambda m=model, c=context: m.forecast(c, WHOLE)) / WHOLE
        name = f"{type(method).__name__}, depth {method.depth}"
        print(
            f"{name:16} {micros[0]:6.1f} us a step of {LENGTHS[0]}, {micros[1]:6.1f} of {LENGTHS[1]}; "
            f"whole {whole:8.0f} of {WHOLE}"
        )


if __name__ == "__main__":
    main()
