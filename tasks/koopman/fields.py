"""Partial differential equations on periodic domains: Kuramoto-Sivashinsky and the spiral waves of reaction and diffusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics.etdrk4 import Etdrk4, kept_modes, wavenumbers

__all__ = ["KuramotoSivashinsky", "ReactionDiffusion", "smooth_field", "spiral"]


@dataclass(frozen=True)
class KuramotoSivashinsky:
    """u_t = -u u_x - u_xx - u_xxxx on [0, length), n points, step h; states are values on the grid."""

    length: float = 22.0
    n: int = 64
    h: float = 0.25

    def __call__(self, start: Float[ndarray, "batch n"], dt: float, steps: int) -> Float[ndarray, "batch states n"]:
        """The states at 0, dt, ..., steps dt; dt is a multiple of h."""
        k, kept = wavenumbers(self.n, self.length, half=True), kept_modes(self.n, half=True)

        def nonlinear(modes: ndarray) -> ndarray:
            # -u u_x = -(u^2)_x / 2
            return -0.5j * k * kept * np.fft.rfft(np.fft.irfft(modes, self.n) ** 2)

        stepper, substeps = Etdrk4(k**2 - k**4, nonlinear, self.h), round(dt / self.h)
        modes, out = np.fft.rfft(start) * kept, [start]
        for _ in range(steps):
            modes = stepper.run(modes, substeps)
            out.append(np.fft.irfft(modes, self.n))
        return np.stack(out, axis=1)

    def starts(self, rng: np.random.Generator, count: int, discard: float = 100.0) -> Float[ndarray, "batch n"]:
        """Five random low modes of size 0.1, after the transient."""
        x = 2 * np.pi * np.arange(self.n) / self.n
        a, b = 0.1 * rng.standard_normal((2, count, 5))
        wave = np.arange(1, 6)[:, None] * x
        return self(a @ np.cos(wave) + b @ np.sin(wave), discard, 1)[:, -1]


@dataclass(frozen=True)
class ReactionDiffusion:
    """u' = d1 lap u + (1-a) u + beta a v, v' = d2 lap v + (1-a) v - beta a u, a = u^2 + v^2, on [-length/2, length/2)^2.

    States [batch, 2, n, n] are values on the grid. With d1 = d2 a rotation of (u, v) by any angle is a symmetry.
    """

    d1: float = 0.1
    d2: float = 0.1
    beta: float = 1.0
    length: float = 20.0
    n: int = 128
    h: float = 0.05

    def __call__(
        self, start: Float[ndarray, "batch 2 n n"], dt: float, steps: int
    ) -> Float[ndarray, "batch states 2 n n"]:
        """The states at 0, dt, ..., steps dt; dt is a multiple of h."""
        kx, ky = wavenumbers(self.n, self.length), wavenumbers(self.n, self.length, half=True)
        kept = kept_modes(self.n)[:, None] * kept_modes(self.n, half=True)
        squared = kx[:, None] ** 2 + ky**2
        linear = np.stack([1 - self.d1 * squared, 1 - self.d2 * squared])

        def nonlinear(modes: ndarray) -> ndarray:
            u, v = np.moveaxis(np.fft.irfft2(modes, (self.n, self.n)), -3, 0)
            a = u * u + v * v
            return kept * np.fft.rfft2(np.stack([a * (self.beta * v - u), -a * (self.beta * u + v)], axis=-3))

        stepper, substeps = Etdrk4(linear, nonlinear, self.h), round(dt / self.h)
        modes, out = np.fft.rfft2(start) * kept, [start]
        for _ in range(steps):
            modes = stepper.run(modes, substeps)
            out.append(np.fft.irfft2(modes, (self.n, self.n)))
        return np.stack(out, axis=1)

    def grid(self) -> tuple[Float[ndarray, "n 1"], Float[ndarray, " n"]]:
        """x and y."""
        axis = self.length * (np.arange(self.n) / self.n - 0.5)
        return axis[:, None], axis


def spiral(x: ndarray, y: ndarray, arms: int = 1) -> Float[ndarray, "2 n n"]:
    """tanh(r) (cos, sin)(arms theta - r): the usual start, which jumps where the domain is closed periodically."""
    r, phase = np.hypot(x, y), arms * np.arctan2(y, x) - np.hypot(x, y)
    return np.tanh(r) * np.stack([np.cos(phase), np.sin(phase)])


def smooth_field(x: ndarray, y: ndarray, length: float) -> Float[ndarray, "2 n n"]:
    """.8 (sin ax e^{.3 cos ay}, sin ay e^{.3 cos ax}), a = 2 pi/length: analytic and periodic."""
    a = 2 * np.pi / length
    return 0.8 * np.stack([np.sin(a * x) * np.exp(0.3 * np.cos(a * y)), np.sin(a * y) * np.exp(0.3 * np.cos(a * x))])
