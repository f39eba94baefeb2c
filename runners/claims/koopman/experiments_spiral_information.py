"""Mutual information of the two fields of a reaction-diffusion spiral, early and late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.koopman.fields import ReactionDiffusion, spiral
from dynamark.tasks.problems import Run

__all__ = ["SpiralInformation", "mutual_information", "reacted"]

# d1, d2, beta, length; arms of the spiral.
_REGIMES = {"stable": ((0.1, 0.1, 1.0, 20.0), 1), "turbulent": ((0.03, 0.2, 0.65, 50.0), 4)}


@dataclass(frozen=True)
class SpiralInformation:
    """I(u; v) = H(u) + H(v) - H(u, v) over the pixels of a spiral, and by which part of itself it falls until t = 200.

    u' = d1 lap u + (1 - a) u + beta a v, v' = d2 lap v + (1 - a) v - beta a u, a = u^2 + v^2, periodic, on points x points
    pixels; the start is the usual spiral (one arm, turbulent: four) with (u, v) rotated by a random angle. Strang splitting,
    step 0.1, both parts exact. Entropies are those of histograms with `bins` intervals of equal width between the least and the
    largest value. Scores: `fall`, (I(5) - I(200))/I(5); `coarse_fall`, with `coarse` bins; `late_fall`, from `transient` on;
    `early` and `end`, I(5) and I(200) in bits, `coarse_early` and `coarse_end` with `coarse` bins.

    With b bins and n pixels a histogram overestimates I by up to (b - 1)^2/(2 n ln 2) bits: with 128 x 128 pixels by 0.43
    for b = 100, and by 0.01 for b = 16. Only grids of one size can be compared.
    Source: Herho et al., rd-spiral, 2025; the bias is Miller 1955.
    """

    regime: Literal["stable", "turbulent"] = "stable"
    points: int = 128
    bins: int = 100
    coarse: int = 16
    first: float = 5.0
    transient: float = 20.0
    time: float = 200.0
    step: float = 0.1

    def measure(self, run: Run) -> Scores:
        """One solution; the seed turns the spiral's phase."""
        parameters, arms = _REGIMES[self.regime]
        equation = ReactionDiffusion(*parameters, self.points, h=self.step)
        u, v = spiral(*equation.grid(), arms)
        start = (u + 1j * v) * np.exp(1j * run.numpy.uniform(0, 2 * np.pi))
        wanted = [round(t / self.step) for t in (self.first, self.transient, self.time)]
        states = {n: z for n, z in enumerate(solution(equation, start, wanted[-1])) if n in wanted}
        early, late, end = (mutual_information(states[n], self.bins) for n in wanted)
        coarse_early, coarse_end = (mutual_information(states[n], self.coarse) for n in (wanted[0], wanted[-1]))
        return Scores(
            {
                "fall": 1 - end / early,
                "coarse_fall": 1 - coarse_end / coarse_early,
                "late_fall": 1 - end / late,
                "early": early,
                "end": end,
                "coarse_early": coarse_early,
                "coarse_end": coarse_end,
            }
        )


def mutual_information(z: Complex[ndarray, "n n"], bins: int) -> float:
    """I(Re z; Im z) in bits, by the histogram of all pixels with bins x bins cells."""
    counts = np.histogram2d(z.real.ravel(), z.imag.ravel(), bins)[0]
    return _entropy(counts.sum(axis=0)) + _entropy(counts.sum(axis=1)) - _entropy(counts)


def _entropy(counts: Float[ndarray, "*cell"]) -> float:
    """-sum p log2 p, p the share of each cell."""
    p = counts[counts > 0] / counts.sum()
    return float(-p @ np.log2(p))


def solution(
    equation: ReactionDiffusion, start: Complex[ndarray, "n n"], steps: int
) -> Iterator[Complex[ndarray, "n n"]]:
    """z = u + i v after 0, 1, ..., steps time steps: half a step of reaction, one of diffusion, half a step of reaction."""
    k = 2 * np.pi / equation.length * equation.n * np.fft.fftfreq(equation.n)
    square = k[:, None] ** 2 + k[: equation.n // 2 + 1] ** 2
    factor = np.exp(-equation.h * square * np.array([equation.d1, equation.d2])[:, None, None])
    z = start
    yield z
    for _ in range(steps):
        z = reacted(z, equation.h / 2, equation.beta)
        u, v = np.fft.irfft2(np.fft.rfft2(np.stack([z.real, z.imag])) * factor, z.shape)
        z = reacted(u + 1j * v, equation.h / 2, equation.beta)
        yield z


def reacted(z: Complex[ndarray, "n n"], time: float, beta: float) -> Complex[ndarray, "n n"]:
    """z' = (1 - |z|^2) z - i beta |z|^2 z after `time`, exactly: z e^time g^(-(1 + i beta)/2), g = 1 + |z|^2 (e^{2 time} - 1)."""
    g = 1 + (z.real**2 + z.imag**2) * np.expm1(2 * time)
    size, angle = np.exp(time) / np.sqrt(g), -beta / 2 * np.log(g)
    return z * (size * np.cos(angle) + 1j * size * np.sin(angle))
