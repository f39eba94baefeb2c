"""Microseconds per step of free runs of piecewise linear networks: steps in torch, and the compiled run where installed.

Run it as `python tests/benchmarks/rollouts.py`; set OMP_NUM_THREADS=1. CPU time, the fastest of some runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from dynamark.methods.recurrent import alrnn, compiled, dendritic, shallow
from dynamark.methods.recurrent.forecaster import StateForecaster
from dynamark.tasks.problems import Trajectories

STEPS = 20_000


def models() -> dict[str, Any]:
    g, data = torch.Generator().manual_seed(0), torch.randn(1, 10, 3)
    return {
        "almost linear, 20 units": alrnn.AlmostLinearModel.of(alrnn._Cell(alrnn.AlmostLinearRNN(), 3, g)),
        "shallow, 3 + 50 units": shallow.ShallowModel.of(shallow._Cell(shallow.ShallowPLRNN(), 3, g)),
        "dendritic, 22 x 20": dendritic.DendriticModel.of(dendritic._Cell(dendritic.DendriticPLRNN(), data, g)),
    }


def microseconds(run: Callable[[], Any], repeats: int = 4) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1e6 * min(times) / STEPS


def main() -> None:
    torch.set_num_threads(1)
    context = Trajectories(torch.randn(1, 1, 3, dtype=torch.float64))
    for name, model in models().items():
        by_steps = microseconds(lambda m=model: StateForecaster.forecast(m, context, STEPS))
        result = f"{name:24} torch {by_steps:6.2f} us a step"
        if compiled.available():
            result += f", compiled {microseconds(lambda m=model: m.forecast(context, STEPS)):6.2f} us"
        print(result)


if __name__ == "__main__":
    main()
