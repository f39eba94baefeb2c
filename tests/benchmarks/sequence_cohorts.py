"""How much a cohort of eight costs, relative to eight fits: a hand-written GRU against fused `nn.GRU`, S4D against itself.

Prints medians of five repetitions on one thread. Run: PYTHONPATH=src python tests/benchmarks/sequence_cohorts.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from dynamark.methods.sequence.convolutional import S4D
from dynamark.methods.sequence.gru import GRU
from dynamark.methods.sequence.stack import SequenceMethod, Stack
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Run

MEMBERS, BATCH, TIME, STEPS, REPEATS = 8, 16, 256, 6, 5


class Fused(nn.Module):
    """The same network around PyTorch's fused GRU."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.gru = nn.GRU(1, units, batch_first=True)
        self.outputs = nn.Linear(units, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The outputs [batch, time, 1]."""
        return self.outputs(self.gru(x)[0])


def loss(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean squared error."""
    return (network(x) - y).square().mean()


def cohort(method: SequenceMethod, members: int) -> Callable[[], object]:
    """`STEPS` training steps of so many members by the house's loop."""
    runs = [Run((k,)) for k in range(members)]
    networks = [Stack(method, 1, 1, TIME, run.generator) for run in runs]
    x, y = torch.randn(2, BATCH, TIME, 1)
    return lambda: train(networks, loss, lambda i, run: (x, y), runs, Recipe(steps=STEPS))


def fused(units: int) -> Callable[[], object]:
    """`STEPS` training steps of one fused GRU, by a plain loop."""
    network = Fused(units)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    x, y = torch.randn(2, BATCH, TIME, 1)

    def fit() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            loss(network, x, y).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()

    return fit


def seconds(fit: Callable[[], object]) -> float:
    """Seconds of one fit."""
    start = time.process_time()
    fit()
    return time.process_time() - start


def compare(name: str, together: Callable[[], object], one: Callable[[], object]) -> None:
    """Print the ratio; the two alternate, so that both meet the same load."""
    together(), one()
    pairs = [(seconds(together), MEMBERS * seconds(one)) for _ in range(REPEATS)]
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"{name:24s} cohort of {MEMBERS} {a / STEPS * 1e3:7.1f} ms a step, {MEMBERS} fits {b / STEPS * 1e3:7.1f}: {a / b:.2f}"
    )


def main() -> None:
    """All ratios."""
    torch.set_num_threads(1)
    for units in (32, 64):
        compare(f"GRU {units} / nn.GRU", cohort(GRU(units=units), MEMBERS), fused(units))
        compare(f"GRU {units} / itself", cohort(GRU(units=units), MEMBERS), cohort(GRU(units=units), 1))
    compare("S4D / itself", cohort(S4D(), MEMBERS), cohort(S4D(), 1))


if __name__ == "__main__":
    main()
