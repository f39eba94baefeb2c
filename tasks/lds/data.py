"""Sequences of a linear system: inputs, noise, simulation, and normalization of the outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.lds.systems import System
from dynamark.tasks.numerics.exact import log, power, sin
from dynamark.tasks.numerics.fourier import convolve

__all__ = ["INPUTS", "NOISES", "Excitation", "excitation", "input_sequences", "normalized", "simulate"]

# Standard deviation of process noise in units of System.spread.
_PROCESS = 0.2
NOISES = ("n0", "nv", "nw+nv", "heavy")


@dataclass(frozen=True)
class Excitation:
    """Standard deviations of process noise, of measurement noise and of x_0.

    heavy: whether the measurement noise is Student-t(3) distributed instead of Gaussian.
    """

    process: Float[ndarray, " state"]
    measured: float
    start: float = 0.0
    heavy: bool = False

    @property
    def quiet(self) -> bool:
        """Whether outputs are determined by the inputs: no noise, x_0 = 0."""
        return not self.process.any() and self.measured == 0 and self.start == 0


def excitation(system: System, noise: str, drive: str, level: float = 0.3) -> Excitation:
    """Noise of a kind: `n0` none, `nv` v ~ N(0, level^2), `nw+nv` also w_i ~ N(0, (0.2 |b_i|)^2), `heavy` v ~ Student-t(3).

    Student-t noise is scaled to variance level^2. Without inputs (drive: the kind of inputs) the system is driven by
    w_i ~ N(0, |b_i|^2) (`none`) or starts at x_0 ~ N(0, I) (`start`).
    """
    process = float(drive == "none") + (_PROCESS * _PROCESS if noise == "nw+nv" else 0.0)
    measured = 0.0 if noise == "n0" else level
    return Excitation(np.sqrt(process) * system.spread, measured, float(drive == "start"), noise == "heavy")


def normalized(system: System, length: int, drive: str) -> System:
    """The system with C, D divided by sqrt(P), P = 1/(T p) sum_{t<T} sum_{i<=t} |G_i|_F^2: outputs of mean square 1.

    P is the expected mean square for white inputs. Without inputs the mean square is that of the response to the process noise,
    or to x_0 ~ N(0, I).
    """
    if drive == "start":
        start = system.advance(np.eye(system.order))
        power = float(np.sum(system.response(start, length) ** 2)) / length
    else:
        g = system.response(np.diag(system.spread), length) if drive == "none" else system.markov(length)
        weight = length - np.arange(length)
        power = float(np.sum(weight * np.sum(g**2, axis=(1, 2)))) / length
    return system.scaled(np.sqrt(len(system.c) / power))


def simulate(
    system: System, u: Float[ndarray, "sequence time channel"], noise: Excitation, rng: np.random.Generator
) -> tuple[Float[ndarray, "sequence time dim"], Float[ndarray, "sequence time dim"]]:
    """The outputs y, and the noise-free response to the inputs, G * u.

    G * u is computed by FFT, the response to process noise and x_0 by the recurrence.
    """
    count, time = u.shape[:2]
    dim = len(system.c)
    clean = np.zeros((count, time, dim))
    if u.shape[2]:
        g = system.markov(time)
        for i, j in np.ndindex(dim, u.shape[2]):
            clean[:, :, i] += convolve(u[:, :, j].T, g[:, i, j]).T
    y = clean.copy()
    if noise.process.any() or noise.start:
        x = noise.start * rng.standard_normal((system.order, count))
        for t in range(time):
            x = system.advance(x) + noise.process[:, None] * rng.standard_normal(x.shape)
            y[:, t] += system.read(x).T
    if noise.heavy:  # Student-t(3) has variance 3
        y += noise.measured / np.sqrt(3) * rng.standard_t(3, y.shape)
    elif noise.measured:
        y += noise.measured * rng.standard_normal(y.shape)
    return y, clean


def input_sequences(
    kind: str, count: int, time: int, channels: int, rng: np.random.Generator
) -> Float[ndarray, "sequence time channel"]:
    """Input sequences of a kind listed in `INPUTS`."""
    return INPUTS[kind](count, time, channels, rng)


def _white(count: int, time: int, channels: int, rng: np.random.Generator) -> ndarray:
    return rng.standard_normal((count, time, channels))


def _ou(count: int, time: int, channels: int, rng: np.random.Generator) -> ndarray:
    """u_t = 0.95 u_{t-1} + sqrt(1 - 0.95^2) N(0, 1), stationary."""
    u = rng.standard_normal((count, time, channels))
    for t in range(1, time):
        u[:, t] = 0.95 * u[:, t - 1] + np.sqrt(1 - 0.95 * 0.95) * u[:, t]
    return u


def _blocks(count: int, time: int, channels: int, rng: np.random.Generator) -> ndarray:
    """Segments of 10 to 200 steps: -1, 0 or 1 plus a sinusoid of log-uniform frequency 1e-3 .. 0.5 cycles per step; |u| <= 2."""
    u = np.empty((count, channels, time))
    for channel in u.reshape(-1, time):
        start = 0
        while start < time:
            segment = channel[start : start + int(rng.integers(10, 201))]
            frequency = power(10.0, rng.uniform(-3, log(0.5) / log(10.0)))
            phase = rng.uniform(0, 2 * np.pi)
            segment[:] = rng.integers(-1, 2) + sin(2 * np.pi * frequency * np.arange(len(segment)) + phase)
            start += len(segment)
    return u.transpose(0, 2, 1)


def _nothing(count: int, time: int, channels: int, rng: np.random.Generator) -> ndarray:
    return np.zeros((count, time, 0))


INPUTS: dict[str, Callable[[int, int, int, np.random.Generator], ndarray]] = {
    "white": _white,
    "ou": _ou,
    "blocks": _blocks,
    "none": _nothing,
    "start": _nothing,
}
