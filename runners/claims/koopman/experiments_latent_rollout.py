"""Latent dynamics with inputs: what a forward and backward pass costs, and how gradients depend on the horizon."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from dynamark.methods.koopman.latent_dynamics import Bilinear, Dense, Diagonal, Gated, Residual
from dynamark.methods.koopman.networks import seeded
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["LatentGradients", "RolloutCost"]


@dataclass(frozen=True)
class RolloutCost:
    """Time of a forward and backward pass of latent dynamics over 200 steps: 64 trajectories, 256 real latent states.

    The diagonal dynamics are one convolution; a network (z + W_2 gelu(W_1 [z, l])), a gated unit and a dense matrix of the same
    width are stepped. Processor time of one thread, the least of `repeats` passes, after one pass that is not counted.
    Scores: `diagonal`, `network`, `gated` and `dense`, seconds; `network_ratio`, `gated_ratio` and `dense_ratio`, over diagonal.
    Source: Mondal et al., Efficient dynamics modeling in interactive environments with Koopman theory, 2024, table 3.
    """

    time: int = 200
    batch: int = 64
    modes: int = 128
    repeats: int = 2

    def measure(self, run: Run) -> Scores:
        """Random weights and inputs."""
        size = 2 * self.modes
        with seeded(run):
            dynamics: dict[str, nn.Module] = {
                "diagonal": Diagonal(0.02, torch.pi * torch.arange(self.modes) / (2 * self.modes)),
                "network": Residual(size),
                "gated": Gated(size),
                "dense": Dense(size),
            }
            start, drive = torch.randn(self.batch, size), torch.randn(self.batch, self.time, size)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            seconds = {name: self._least(module, start, drive) for name, module in dynamics.items()}
        finally:
            torch.set_num_threads(threads)
        ratios = {f"{name}_ratio": seconds[name] / seconds["diagonal"] for name in ("network", "gated", "dense")}
        return Scores(seconds | ratios)

    def _least(self, module: nn.Module, start: Tensor, drive: Tensor) -> float:
        def once() -> None:
            module(start.requires_grad_(), drive.requires_grad_()).square().mean().backward()

        once()
        return min(_processor_time(once) for _ in range(self.repeats))


def _processor_time(call: Callable[[], None]) -> float:
    """Seconds of processor time, which do not count what other processes use."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


@dataclass(frozen=True)
class LatentGradients:
    """d z_T / d z_0 of driven latent dynamics by automatic differentiation, T = `time` steps, float64.

    dynamics: `diagonal`, lambda z + l, where the derivative is lambda^T in each mode, whatever the inputs; `bilinear`,
    lambda z + (1 + w z) l, where it depends on them.
    Scores: `error`, the largest relative difference of |d z_T/d z_0| and |lambda|^T; `growth`, the largest |d z_T/d z_0|;
    `dense_growth`, the largest over t <= T of |d z_t/d z_0|, the spectral norm, of dense dynamics with the spectral radius
    |lambda| and a random, non-normal matrix.
    Source: Mondal et al., Efficient dynamics modeling in interactive environments with Koopman theory, 2024, section 3.2.
    """

    dynamics: Literal["diagonal", "bilinear"] = "diagonal"
    time: int = 200
    modes: int = 32
    decay: float = 0.02

    def measure(self, run: Run) -> Scores:
        """Random angles, initial states and inputs."""
        draw = run.numpy
        module = (Diagonal if self.dynamics == "diagonal" else Bilinear)(
            self.decay, torch.from_numpy(draw.uniform(0, np.pi, self.modes))
        ).double()
        if isinstance(module, Bilinear):
            module.weight.data += torch.from_numpy(0.1 * draw.standard_normal(2 * self.modes))
        start = torch.from_numpy(draw.standard_normal((1, 2 * self.modes))).requires_grad_()
        drive = torch.from_numpy(draw.standard_normal((1, self.time, 2 * self.modes)))
        last = module(start, drive)[0, -1]
        real = torch.autograd.grad(last[: self.modes].sum(), start)[0][0]
        # Re z_T of a mode depends on Re z_0 and Im z_0 of that mode: d z_T/d z_0 is the complex number of both derivatives.
        size = real.view(2, self.modes).square().sum(0).sqrt().numpy()
        expected = np.exp(-self.decay * self.time)
        return Scores(
            {
                "error": float(np.abs(size / expected - 1).max()),
                "growth": float(size.max()),
                "dense_growth": self._dense(draw),
            }
        )

    def _dense(self, draw: np.random.Generator) -> float:
        matrix = draw.standard_normal((2 * self.modes, 2 * self.modes))
        matrix *= np.exp(-self.decay) / np.abs(np.linalg.eigvals(matrix)).max()
        power, largest = np.eye(len(matrix)), 0.0
        for _ in range(self.time):
            power = power @ matrix
            largest = max(largest, float(np.linalg.norm(power, 2)))
        return largest
