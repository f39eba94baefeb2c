"""Microseconds a step of free runs and of Lyapunov spectra of models fitted to Lorenz-63: calls a step, and compiled.

Run: OMP_NUM_THREADS=1 PYTHONPATH=src python tests/benchmarks/free_runs.py. CPU time, the median of five; calls once.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch

from dynamark.methods.recurrent import gated, neural_ode
from dynamark.methods.recurrent.ngrc import NextGenerationReservoir
from dynamark.methods.recurrent.reservoir import EchoStateNetwork
from dynamark.methods.recurrent.sindy import SparseIdentification
from dynamark.tasks.chaos.instances import Lorenz63
from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.lyapunov import lyapunov_spectrum
from dynamark.tasks.problems import Run, Trajectories

COMPILED, CALLS, REPEATS = 5000, 500, 5


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def models() -> dict[str, Any]:
    """Three fitted, three as they are drawn: training does not change the cost of a step."""
    problem, g = Lorenz63(tier="tiny").problem(0), torch.Generator().manual_seed(0)
    methods = {"sindy": SparseIdentification(), "ngrc": NextGenerationReservoir(), "echo state": EchoStateNetwork()}
    out: dict[str, Any] = {name: method.fit_forecaster(problem, Run((0,))) for name, method in methods.items()}
    for cell in ("lstm", "gru"):
        out[cell] = gated.GatedModel.of(gated._Network(gated.GatedNetwork(cell), 3, g))
    field = neural_ode._Field((3, 64, 64, 64, 3), g)
    out["neural ode"] = neural_ode.NeuralODEModel(*(tuple(p.detach().double() for p in part) for part in field.parts()))
    return out


def main() -> None:
    """A line a model."""
    torch.set_num_threads(1)
    context = Trajectories(0.1 * torch.randn(1, 5, 3, dtype=torch.float64))
    for name, model in models().items():
        result = [f"{name:10}"]
        kinds: dict[str, Callable[[int], object]] = {
            "free run": lambda n, m=model: m.forecast(context, n),
            "exponents": lambda n, m=model: lyapunov_spectrum(m, context, n, burn_in=0, starts=1),
        }
        for kind, run in kinds.items():
            run(10)
            compiled = statistics.median(seconds(lambda r=run: r(COMPILED)) for _ in range(REPEATS)) / COMPILED
            with patch.object(compiling, "available", lambda: False):
                calls = seconds(lambda r=run: r(CALLS)) / CALLS
            result.append(f"{kind} {1e6 * calls:7.1f} -> {1e6 * compiled:6.2f} us ({calls / compiled:.0f}x)")
        print("; ".join(result))


if __name__ == "__main__":
    main()
