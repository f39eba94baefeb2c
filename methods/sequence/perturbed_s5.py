"""S5 from a perturbed LegS: the state matrix is diagonalized after a small real perturbation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Complex
from numpy import ndarray
from torch import nn

from dynamark.methods.fields import Positive, SearchSpace, Size
from dynamark.methods.sequence.convolutional import S5, _S5Layer
from dynamark.tasks.numerics.hippo import legs
from dynamark.tasks.numerics.perturbation import condition_of, drawn_perturbations, optimized_perturbation

__all__ = ["S5PTD", "perturbed_modes"]

Perturbation = Literal["draw", "best_of_ten", "optimized"]


def perturbed_modes(
    states: int, size: float, perturbation: Perturbation, rng: np.random.Generator
) -> tuple[Complex[ndarray, " slot"], Complex[ndarray, "state slot"], Complex[ndarray, "slot state"]]:
    """L, V and rows of V^{-1} with A + E = V diag(L) V^{-1} = 2 Re sum over slots, A of LegS, E real, |E|_2 = size |A|_2.

    perturbation: E is Gaussian, or the one of ten Gaussian ones with the best-conditioned V, or from there optimized for it
    (`optimized_perturbation`). One of each conjugate pair is returned; the rows of real eigenvalues have weight 1/2. The
    states/2 + 2 slots are padded with zeros. Raises ValueError if every draw has more than four real eigenvalues.
    """
    a, _ = legs(states)
    slots = states // 2 + 2
    draws = (e for _ in range(100) for e in drawn_perturbations(a, size, rng))
    fitting = (e for e in draws if _upper(np.linalg.eigvals(a + e)).sum() <= slots)
    chosen = [e for e, _ in zip(fitting, range(1 if perturbation == "draw" else 10), strict=False)]
    if not chosen:
        raise ValueError(f"every perturbation of size {size} leaves more than {slots} modes: use a larger size")
    best = min(chosen, key=lambda e: condition_of(a + e))
    if perturbation == "optimized":
        optimum = optimized_perturbation(a, best, size)
        best = optimum if _upper(np.linalg.eigvals(a + optimum)).sum() <= slots else best
    values, vectors = np.linalg.eig(a + best)
    chosen_modes = _upper(values)
    inverse = np.linalg.inv(vectors) * np.where(values.imag == 0, 0.5, 1.0)[:, None]
    spare = slots - int(chosen_modes.sum())
    return (
        np.concatenate([values[chosen_modes], np.full(spare, -1.0 + 0j)]),
        np.pad(vectors[:, chosen_modes].astype(complex), ((0, 0), (0, spare))),
        np.pad(inverse[chosen_modes].astype(complex), ((0, spare), (0, 0))),
    )


def _upper(values: Complex[ndarray, " state"]) -> ndarray:
    """The real eigenvalues and those of positive imaginary part."""
    return np.asarray(values.imag >= 0)


class _PerturbedLayer(_S5Layer):
    """S5 in the eigenbasis of A + E, where B and C are initialized in the basis of A."""

    def __init__(self, method: S5PTD, channels: int, dim: int, draw: torch.Generator) -> None:
        super().__init__(method, channels, dim, draw)
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=draw)))
        states = 2 * method.states
        parts = perturbed_modes(states, method.size, method.perturbation, rng)
        poles, vectors, inverse = (torch.from_numpy(part) for part in parts)
        low, high = (math.log(bound) for bound in method.steps_range)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(len(poles), generator=draw))
        self.decay = nn.Parameter(poles.real.float())
        self.frequency = nn.Parameter(poles.imag.float())
        b = torch.randn(states, channels, generator=draw).to(inverse) / max(1, channels) ** 0.5
        c = torch.randn(dim, states, generator=draw).to(vectors) / states**0.5
        self.b = nn.Parameter(torch.view_as_real((inverse @ b).mT.contiguous()).float())
        self.c = nn.Parameter(torch.view_as_real(2 * c @ vectors).float())


@dataclass(frozen=True)
class S5PTD(S5):
    """S5 from a perturbed LegS: A + E = V L V^{-1}, x_t = Abar x_{t-1} + Bbar u_t, y_t = 2 Re(C V x_t) + D u_t, B as V^{-1} B.

    A has 2 `states` rows, few enough that A + E stays stable at this size. One mode of each conjugate pair is computed; the few
    real ones are weighted by 1/2. |E|_2 = size |A|_2; perturbation: how E is chosen, see `perturbed_modes`. B ~ N(0, 1/channels),
    C ~ N(0, 1/(2 states)), D ~ N(0, 1), each mode with its own step, log-uniform in `steps_range`; zero-order hold. Real parts
    are clipped at -1e-4. The learning rate of poles and steps is `rate` / 4.

    Differs from the paper, which minimizes the condition number of V (`perturbation` "optimized") and uses sizes from 0.01 to 1.

    key: yu2024, smith2023
    """

    states: Size = 32
    size: Positive = 1e-3
    perturbation: Perturbation = "best_of_ten"
    search_space: ClassVar[SearchSpace] = {
        "rate": (1e-2, 3e-3, 1e-3, 3e-2),
        "activation": ("none", "gelu"),
        "size": (1e-3, 1e-4),
    }

    def layer(self, channels: int, dim: int, length: int, draw: torch.Generator) -> nn.Module:
        """One S5 layer in the eigenbasis of the perturbed matrix."""
        return _PerturbedLayer(self, channels, dim, draw)
