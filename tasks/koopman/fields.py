"""Partial differential equations on periodic domains: Kuramoto-Sivashinsky, and reaction-diffusion with spiral waves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics.etdrk4 import ETDRK4, kept_modes, wavenumbers
from dynamark.tasks.numerics.exact import arctan, contract, cos, exp, sin
from dynamark.tasks.numerics.fourier import fourier, inverse_fourier, packed, unpacked

__all__ = ["KuramotoSivashinsky", "ReactionDiffusion", "smooth_field", "spiral"]


@dataclass(frozen=True)
class KuramotoSivashinsky:
    """u_t = -u u_x - u_xx - u_xxxx on [0, length), periodic, n grid points, time step h; states are values on the grid.

    n = m 2^p with m odd and at most 15, as the Fourier transform of this package requires.
    """

    length: float = 22.0
    n: int = 64
    h: float = 0.25

    def __call__(self, start: Float[ndarray, "batch n"], dt: float, steps: int) -> Float[ndarray, "batch states n"]:
        """The states at 0, dt, ..., steps dt; dt is a multiple of h. Each transform processes two trajectories."""
        k, mask = wavenumbers(self.n, self.length)[:, None], kept_modes(self.n)[:, None]

        def nonlinear(modes: ndarray) -> ndarray:
            # -u u_x = -(u^2)_x / 2: the transform of u^2 times -i k/2
            u = inverse_fourier(modes)
            re, im = mask * fourier(u * u)
            return np.stack([k * im, -k * re]) / 2

        square = k * k
        stepper, substeps = ETDRK4(square - square * square, nonlinear, self.h), round(dt / self.h)
        modes, out = fourier(packed(start.T)) * mask, [start.T]
        for _ in range(steps):
            modes = stepper.run(modes, substeps)
            out.append(unpacked(inverse_fourier(modes), len(start)))
        return np.ascontiguousarray(np.stack(out).transpose(2, 0, 1))

    def starts(self, rng: np.random.Generator, count: int, discard: float = 100.0) -> Float[ndarray, "batch n"]:
        """The five lowest modes with coefficients N(0, 0.1^2), integrated over a transient of `discard` units of time."""
        x = 2 * np.pi * np.arange(self.n) / self.n
        a, b = 0.1 * rng.standard_normal((2, count, 5))
        wave = np.arange(1, 6)[:, None] * x
        return self(contract(a, cos(wave)) + contract(b, sin(wave)), discard, 1)[:, -1]


@dataclass(frozen=True)
class ReactionDiffusion:
    """u' = d1 lap u + (1-a) u + beta a v, v' = d2 lap v + (1-a) v - beta a u, a = u^2 + v^2, on [-length/2, length/2)^2.

    States [batch, 2, n, n] are values on the grid; h is the time step. If d1 = d2, rotating (u, v) by any angle is a symmetry.
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
        """The states at 0, dt, ..., steps dt; dt is a multiple of h. Each transform processes two trajectories."""
        k, mask_1d = wavenumbers(self.n, self.length), kept_modes(self.n)
        squared = (k * k)[:, None] + k * k
        mask = (mask_1d[:, None] * mask_1d)[..., None, None]
        linear = 1 - squared[..., None, None] * np.array([[self.d1], [self.d2]])

        def nonlinear(modes: ndarray) -> ndarray:
            u, v = np.moveaxis(_inverse_plane(modes), -2, 0)
            a = u * u + v * v
            return mask * _plane(np.stack([a * (self.beta * v - u), -a * (self.beta * u + v)], axis=-2))

        stepper, substeps = ETDRK4(linear, nonlinear, self.h), round(dt / self.h)
        grid = start.transpose(2, 3, 1, 0)
        modes, out = _plane(packed(grid)) * mask, [grid]
        for _ in range(steps):
            modes = stepper.run(modes, substeps)
            out.append(unpacked(_inverse_plane(modes), len(start)))
        return np.ascontiguousarray(np.stack(out).transpose(4, 0, 3, 1, 2))

    def grid(self) -> tuple[Float[ndarray, "n 1"], Float[ndarray, " n"]]:
        """The coordinates x and y of the grid points."""
        axis = self.length * (np.arange(self.n) / self.n - 0.5)
        return axis[:, None], axis


def _plane(x: Float[ndarray, "2 n n *batch"]) -> Float[ndarray, "2 n n *batch"]:
    """The Fourier transform along both axes of the plane."""
    return fourier(fourier(x).swapaxes(1, 2)).swapaxes(1, 2)


def _inverse_plane(x: Float[ndarray, "2 n n *batch"]) -> Float[ndarray, "2 n n *batch"]:
    return inverse_fourier(inverse_fourier(x).swapaxes(1, 2)).swapaxes(1, 2)


def spiral(x: ndarray, y: ndarray, arms: int = 1) -> Float[ndarray, "2 n n"]:
    """tanh(r) (cos, sin)(arms theta - r): the usual initial field, discontinuous across the periodic boundary."""
    r = np.sqrt(x * x + y * y)
    # theta = 2 arctan(y/(x + r)), the tangent of half the angle; on the negative axis theta = pi.
    theta = np.where((y == 0) & (x < 0), np.pi, 2 * arctan(y / np.where(x + r == 0, 1.0, x + r)))
    exponential = exp(2 * r)
    return (exponential - 1) / (exponential + 1) * np.stack([cos(arms * theta - r), sin(arms * theta - r)])


def smooth_field(x: ndarray, y: ndarray, length: float) -> Float[ndarray, "2 n n"]:
    """.8 (sin ax e^{.3 cos ay}, sin ay e^{.3 cos ax}), a = 2 pi/length: an analytic, periodic initial field."""
    a = 2 * np.pi / length
    return 0.8 * np.stack([sin(a * x) * exp(0.3 * cos(a * y)), sin(a * y) * exp(0.3 * cos(a * x))])
