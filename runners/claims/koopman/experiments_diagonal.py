"""Diagonal Koopman models with inputs: all steps at once by a padded convolution, superposition of inputs, stability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["DiagonalRollout", "rollout", "stepwise"]


@dataclass(frozen=True)
class DiagonalRollout:
    """z_{t+1} = lambda z_t + l(u_t), so z_t = lambda^t z_0 + sum_{j<t} lambda^{t-1-j} l(u_j): a convolution in time.

    lambda_i = exp(0.1 (decay + i b_i)), b_i = pi i/(2 modes); l is a random network of u_t alone, 2-32-32-2 modes without
    biases, so l(0) = 0. `convolution`: FFT of length 2 T (`padded`), or of length T (`circular`), where the end of the inputs
    acts on the beginning. `features`: l(u_t), or (1 + z_t) l(u_t) (`states`), which is stepped.
    Scores, relative to the largest |z|: `difference`, of the convolution and the steps; `superposition`, of z(u) + z(u') - z(0)
    and the path with l(u) + l(u') - l(0), where l(0) = 0, in place of l;
    `growth`, the largest |z_t|/|z_0| of a component for u = 0.
    Source: Mondal et al., Efficient dynamics modeling in interactive environments with Koopman theory, 2024, section 3.
    """

    precision: Literal["float32", "float64"] = "float64"
    convolution: Literal["padded", "circular"] = "padded"
    features: Literal["inputs", "states"] = "inputs"
    decay: float = -0.2
    modes: int = 32
    time: int = 200
    batch: int = 16

    def measure(self, run: Run) -> Scores:
        """Random inputs, initial states and networks."""
        real = torch.float32 if self.precision == "float32" else torch.float64
        frequency = np.pi * np.arange(self.modes) / (2 * self.modes)
        factors = torch.exp(torch.from_numpy(0.1 * (self.decay + 1j * frequency))).to(real.to_complex())

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=run.generator, dtype=torch.float64).to(real)

        widths = ((2, 32), (32, 32), (32, 2 * self.modes))
        weights = [normal(*shape) / shape[0] ** 0.5 for shape in widths]
        u, other = normal(2, self.batch, self.time, 2)
        start = torch.view_as_complex(normal(self.batch, self.modes, 2))
        first, second = (_features(weights, inputs) for inputs in (u, other))
        zero = torch.zeros_like(first)

        def path(drive: Tensor) -> Tensor:
            if self.features == "states":
                return stepwise(factors, start, drive, bilinear=True)
            return rollout(factors, start, drive, padded=self.convolution == "padded")

        driven, free = path(first), path(zero)
        apart = driven - stepwise(factors, start, first, bilinear=self.features == "states")
        superposed = driven + path(second) - free - path(first + second)
        scale = float(driven.abs().max())
        return Scores(
            {
                "difference": float(apart.abs().max()) / scale,
                "superposition": float(superposed.abs().max()) / scale,
                "growth": float((free.abs() / start.abs()[:, None]).max()),
            }
        )


def _features(weights: list[Tensor], inputs: Float[Tensor, "batch time 2"]) -> Complex[Tensor, "batch time mode"]:
    hidden = inputs
    for weight in weights[:-1]:
        hidden = torch.nn.functional.gelu(hidden @ weight)
    return torch.view_as_complex((hidden @ weights[-1]).reshape(*inputs.shape[:-1], -1, 2))


def rollout(
    factors: Complex[Tensor, " mode"],
    start: Complex[Tensor, "batch mode"],
    drive: Complex[Tensor, "batch time mode"],
    padded: bool = True,
) -> Complex[Tensor, "batch states mode"]:
    """z_0 ... z_T by one convolution along time."""
    time = drive.shape[1]
    powers = factors ** torch.arange(time + 1)[:, None]
    length = 2 * time if padded else time
    spectrum = torch.fft.fft(powers[:-1], length, dim=0) * torch.fft.fft(drive, length, dim=1)
    driven = torch.fft.ifft(spectrum, dim=1)[:, :time]
    path = powers * start[:, None]
    return torch.cat([path[:, :1], path[:, 1:] + driven], dim=1)


def stepwise(
    factors: Complex[Tensor, " mode"],
    start: Complex[Tensor, "batch mode"],
    drive: Complex[Tensor, "batch time mode"],
    bilinear: bool = False,
) -> Complex[Tensor, "batch states mode"]:
    """z_0 ... z_T step by step; `bilinear`: (1 + z_t) times the drive."""
    states = [start]
    for t in range(drive.shape[1]):
        added = drive[:, t] * (1 + states[-1]) if bilinear else drive[:, t]
        states.append(factors * states[-1] + added)
    return torch.stack(states, dim=1)
