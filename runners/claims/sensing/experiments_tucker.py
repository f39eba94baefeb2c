"""Adapters of a convolution kernel: a Tucker core against two factors of one unfolding, at about as many parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.runners.claims.sensing.relative import relative_loss
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["TuckerAdapters", "expanded", "tucker_gradients", "tucker_kernel", "unfolded"]

# The mode whose unfolding two factors adapt: input channels, 16 x 72.
_MODE = 1

Parameters = list[ndarray]


def unfolded(kernel: ndarray, mode: int = _MODE) -> Float[ndarray, "size rest"]:
    """The unfolding along one mode."""
    return np.moveaxis(kernel, mode, 0).reshape(kernel.shape[mode], -1)


def expanded(core: ndarray, factors: Sequence[ndarray | None]) -> ndarray:
    """G x_1 U_1 .. x_N U_N, without the product of a mode whose factor is None."""
    for factor in factors:
        # The leading axis is multiplied and goes last: after all modes the order is the old one.
        moved = core if factor is None else (factor @ core.reshape(len(core), -1)).reshape(-1, *core.shape[1:])
        core = np.moveaxis(moved, 0, -1)
    return core


def tucker_gradients(error: ndarray, parameters: Parameters) -> Parameters:
    """Gradients of <E, G x_1 U_1 .. x_N U_N> in G and each U_i."""
    core, *factors = parameters
    by_factor = []
    for mode in range(len(factors)):
        others: list[ndarray | None] = list(factors)
        others[mode] = None
        by_factor.append(unfolded(error, mode) @ unfolded(expanded(core, others), mode).T)
    return [expanded(error, [factor.T for factor in factors]), *by_factor]


def tucker_kernel(rng: np.random.Generator, shape: Sequence[int], ranks: Sequence[int]) -> ndarray:
    """A kernel of norm 1 and of these Tucker ranks: Gaussian core, orthonormal factors."""
    core = rng.standard_normal(tuple(ranks))
    factors = [orthonormal(rng, size, rank) for size, rank in zip(shape, ranks, strict=True)]
    return expanded(core / np.linalg.norm(core), factors)


def _adam(parameters: Parameters, gradients: Callable[[Parameters], Parameters], step: float, steps: int) -> Parameters:
    """Adam (.9, .999, 1e-8) at the rate step (1 + cos(pi t/steps))/2."""
    first, second = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    for t in range(steps):
        rate = step * (1 + math.cos(math.pi * t / steps)) / 2 / (1 - 0.9 ** (t + 1))
        correction = (1 - 0.999 ** (t + 1)) ** 0.5
        for i, gradient in enumerate(gradients(parameters)):
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            parameters[i] = parameters[i] - rate * first[i] / (np.sqrt(second[i]) / correction + 1e-8)
    return parameters


@dataclass(frozen=True)
class TuckerAdapters:
    """dW = scale G x_1 U_1 .. x_N U_N (FLoRA) against dW = B A on the unfolding along input channels (LoRA).

    Start G = 0, U_i ~ N(0, 2/(4 r_i)) and scale 4 (B = 0, A ~ N(0, 1/r)); Adam at the rate `step` with a cosine, loss
    |dW - D|^2/|D|^2. The change D has the Tucker ranks of the FLoRA (`low`), or matrix rank 1 on the unfolding and full Tucker
    ranks otherwise (`control`). Scores: `flora_low`, `lora_low_r` (LoRA of rank r) and `tail_r` = sum_{i > r} s_i^2/|D|^2 of the
    unfolding, `flora_control`, `lora_control_1`; parameters `size_flora`, `size_lora_r`.
    Source: Si, Wang, Yang, Xu, Li, Dai, Qiao, Yang and Shen, FLoRA: Low-Rank Core Space for N-dimension, 2024.
    """

    shape: tuple[int, ...] = (8, 16, 3, 3)
    ranks: tuple[int, ...] = (2, 3, 2, 2)
    scale: float = 4.0
    step: float = 0.01
    steps: int = 3000

    def measure(self, run: Run) -> Scores:
        """Two targets; FLoRA and LoRA of rank 1 on both, LoRA of each rank up to that of the unfolding on the first."""
        rng = run.numpy
        low, control = tucker_kernel(rng, self.shape, self.ranks), self._rank_one(rng)
        s = np.linalg.svd(unfolded(low), compute_uv=False)
        top = self.ranks[_MODE]
        values = {f"tail_{r}": float(np.sum(s[r:] ** 2) / np.sum(s**2)) for r in range(1, top + 1)}
        # The least of several values is learned last: LoRA of full rank gets twice the steps.
        values |= {f"lora_low_{r}": self._lora(rng, low, r, 2 if r == top else 1) for r in range(1, top + 1)}
        values |= {"flora_low": self._flora(rng, low), "flora_control": self._flora(rng, control)}
        values["lora_control_1"] = self._lora(rng, control, 1)
        values |= {f"size_lora_{r}": float(r * sum(unfolded(low).shape)) for r in range(1, top + 1)}
        size = math.prod(self.ranks) + sum(d * r for d, r in zip(self.shape, self.ranks, strict=True))
        return Scores(values | {"size_flora": float(size)})

    def _rank_one(self, rng: np.random.Generator) -> ndarray:
        """u v' on the unfolding, of norm 1."""
        rest = [size for mode, size in enumerate(self.shape) if mode != _MODE]
        kernel = np.multiply.outer(rng.standard_normal(self.shape[_MODE]), rng.standard_normal(rest))
        return np.moveaxis(kernel / np.linalg.norm(kernel), 0, _MODE)

    def _flora(self, rng: np.random.Generator, target: ndarray) -> float:
        sizes = zip(self.shape, self.ranks, strict=True)
        factors = [(2 / (4 * rank)) ** 0.5 * rng.standard_normal((size, rank)) for size, rank in sizes]

        def gradients(p: Parameters) -> Parameters:
            return tucker_gradients(2 * self.scale * (self.scale * expanded(p[0], p[1:]) - target), p)

        core, *factors = _adam([np.zeros(self.ranks), *factors], gradients, self.step, self.steps)
        return relative_loss(self.scale * expanded(core, factors), target)

    def _lora(self, rng: np.random.Generator, target: ndarray, rank: int, longer: int = 1) -> float:
        matrix = unfolded(target)
        start = [np.zeros((len(matrix), rank)), rank**-0.5 * rng.standard_normal((rank, matrix.shape[1]))]

        def gradients(p: Parameters) -> Parameters:
            error = 2 * (p[0] @ p[1] - matrix)
            return [error @ p[1].T, p[0].T @ error]

        b, a = _adam(start, gradients, self.step, longer * self.steps)
        return relative_loss(b @ a, matrix)
