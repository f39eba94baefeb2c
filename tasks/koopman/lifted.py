"""Systems of two or three dimensions seen in 64: a pendulum through a random frame, a wake in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.koopman import metrics
from dynamark.tasks.koopman.flows import FlowTask, sized
from dynamark.tasks.koopman.systems import Flow, Sampler
from dynamark.tasks.koopman.waves import Wake
from dynamark.tasks.numerics.exact import contract, cos, orthonormal, sin
from dynamark.tasks.numerics.integrators import dop853

__all__ = ["LiftedPendulum", "WakePixels", "swing", "wave_modes"]

GRAVITY = 9.81
# Time step and steps by which the oracle walks around an orbit, once at least.
_ORBIT = (0.005, 800)


def swing(start: Float[ndarray, "batch 2"], dt: float, steps: int) -> Float[ndarray, "batch states 2"]:
    """The flow of theta'' = -9.81 sin theta, with s = sin theta and c = cos theta as states, which makes it polynomial.

    s' = c nu, c' = -s nu: no sine is taken after the start.
    """

    def rates(x: ndarray) -> ndarray:
        _, nu, s, c = x
        return np.stack([nu, -GRAVITY * s, c * nu, -s * nu])

    theta, nu = start.T
    return dop853(rates, np.stack([theta, nu, sin(theta), cos(theta)], axis=1), dt, steps, 4)[..., :2]


@dataclass(frozen=True, kw_only=True)
class LiftedPendulum(FlowTask):
    """One trajectory of theta'' = -9.81 sin theta from rest, every 0.1, through a random orthonormal 64 x 2 frame.

    Noise is added to (theta, theta') before the lift; one affine map takes the noisy training data to [-1, 1]. The first 600 of
    2200 states are shown, 200 more for validation; forecasts of 1000 steps start at 30 of the following 400 states. Source:
    Azencot et al. 2020, section 5.1.
    """

    angle: float = 2.4
    noise: float = 0.08
    pixels: int = 64
    train: int = 1
    validation: int = 1
    test: int = 30
    steps: int = 599
    held: int = 200
    starting: int = 400
    test_steps: int = 1000

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"steps": 199, "held": 50, "starting": 50, "test": 10, "test_steps": 100},
        "standard": {},
        "large": {"test": 400},
    }

    @property
    def flow(self) -> Flow:
        """In angle and velocity."""
        return swing

    @property
    def starts(self) -> Sampler:
        """At rest."""
        return lambda rng, count: np.array([[self.angle, 0.0]] * count)

    @property
    def primary_horizon(self) -> int:
        """All steps, as the paper averages."""
        return self.test_steps

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Pieces of one lifted trajectory, with the frame and the range that is mapped to [-1, 1]."""
        shown = self.steps + 1
        first = shown + self.held
        rng = self.rng(seed, "data", 0)
        path = swing(self.starts(rng, 1), self.dt, first + self.starting + self.test_steps - 1)[0]
        frame = orthonormal(rng.standard_normal((self.pixels, 2)))
        noise = contract(self.noise * rng.standard_normal(path.shape), frame.T)
        clean = contract(path, frame.T)
        seen = (clean + noise)[:shown]
        low, high = seen.min(), seen.max()
        clean, noise = (2 * clean - low - high) / (high - low), 2 * noise / (high - low)
        begins = first + np.arange(self.test) * self.starting // self.test
        pieces = {"train": slice(shown), "validation": slice(shown, first)}
        data = {name: clean[None, piece] for name, piece in pieces.items()}
        data |= {f"{name}_noise": noise[None, piece] for name, piece in pieces.items()}
        data["test"] = clean[begins[:, None] + np.arange(self.test_steps + 1)]
        data["test_noise"] = noise[begins, None]
        return data | {"frame": frame, "range": np.array([low, high])} | self.shuffles(self.rng(seed, "data", 3))

    def oracle(self, seed: int) -> float:
        """The exact flow from the point of the one orbit that is nearest to the noisy state.

        From the noisy state itself the exact flow would do worse than the mean: it swings with another period.
        """
        data = self.data(seed)
        if not self.noise:
            return 0.0
        (low, high), frame = data["range"], data["frame"]
        shown = ((data["test"][:, 0] + data["test_noise"][:, 0]) * (high - low) + low + high) / 2 @ frame
        orbit = swing(self.starts(self.rng(seed), 1), *_ORBIT)[0]
        nearest = np.square(shown[:, None] - orbit).sum(axis=2).argmin(axis=1)
        forecast = (2 * swing(orbit[nearest], self.dt, self.test_steps)[:, 1:] @ frame.T - low - high) / (high - low)
        return float(metrics.nrmse(self._deviation(data, forecast).error)[: self.primary_horizon].mean())


def wave_modes(pixels: int) -> Float[ndarray, "pixel 3"]:
    """Two waves a quarter turn apart, two periods long, and the constant: orthonormal on the grid."""
    angle = 4 * np.pi * np.arange(pixels) / pixels
    waves = np.stack([cos(angle), sin(angle), np.full(pixels, np.sqrt(0.5))], axis=1)
    return np.sqrt(2 / pixels) * waves


@dataclass(frozen=True, kw_only=True)
class WakePixels(Wake):
    """The mean-field model of a wake seen as 64 pixels: x and y are the amplitudes of a traveling wave, z of the mean flow."""

    pixels: int = 64
    train: int = 60
    validation: int = 10
    test: int = 40
    steps: int = 300

    tiers = sized(10, 3, 8, large=300, steps=100, test_steps=100)

    @property
    def flow(self) -> Flow:
        """In pixels, by way of the amplitudes."""
        inner, modes = super().flow, wave_modes(self.pixels)
        return lambda start, dt, steps: contract(inner(contract(start, modes), dt, steps), modes.T)

    @property
    def starts(self) -> Sampler:
        """Those of the amplitudes, lifted."""
        inner, modes = super().starts, wave_modes(self.pixels)
        return lambda rng, count: contract(inner(rng, count), modes.T)

    def eigenfunctions(self, states: ndarray) -> ndarray:
        """Those of the amplitudes."""
        return super().eigenfunctions(states @ wave_modes(self.pixels))
