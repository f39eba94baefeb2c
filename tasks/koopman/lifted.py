"""Systems of two or three dimensions observed in 64: a pendulum through a random frame, a cylinder wake as pixels."""

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
# Time step and number of steps with which the oracle samples the orbit, at least once around.
_ORBIT = (0.005, 800)


def swing(start: Float[ndarray, "batch 2"], dt: float, steps: int) -> Float[ndarray, "batch states 2"]:
    """The flow of theta'' = -9.81 sin theta, integrated with the additional states s = sin theta and c = cos theta.

    With s' = c nu, c' = -s nu the system is polynomial: sines are evaluated at the initial state only.
    """

    def rates(x: ndarray) -> ndarray:
        _, nu, s, c = x
        return np.stack([nu, -GRAVITY * s, c * nu, -s * nu])

    theta, nu = start.T
    return dop853(rates, np.stack([theta, nu, sin(theta), cos(theta)], axis=1), dt, steps, 4)[..., :2]


@dataclass(frozen=True, kw_only=True)
class LiftedPendulum(FlowTask):
    """One trajectory of theta'' = -9.81 sin theta from rest, sampled every 0.1, observed through an orthonormal 64 x 2 frame.

    The frame is random. Noise is added to (theta, theta') before the frame is applied; one affine map takes the noisy training
    data to [-1, 1]. Of 2200 states the first 600 are training data and the next 200 validation data; forecasts of 1000 steps
    start at 30 of the following 400 states. Source: Azencot et al. 2020, section 5.1.

    key: azencot2020
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
        """The flow of (theta, theta')."""
        return swing

    @property
    def starts(self) -> Sampler:
        """The pendulum at rest at `angle`."""
        return lambda rng, count: np.array([[self.angle, 0.0]] * count)

    @property
    def primary_horizon(self) -> int:
        """All test steps, as in the paper."""
        return self.test_steps

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Segments of one observed trajectory, with the frame and the range that is mapped to [-1, 1]."""
        train_length = self.steps + 1
        first = train_length + self.held
        rng = self.rng(seed, "data", 0)
        path = swing(self.starts(rng, 1), self.dt, first + self.starting + self.test_steps - 1)[0]
        frame = orthonormal(rng.standard_normal((self.pixels, 2)))
        noise = contract(self.noise * rng.standard_normal(path.shape), frame.T)
        clean = contract(path, frame.T)
        train = (clean + noise)[:train_length]
        low, high = train.min(), train.max()
        clean, noise = (2 * clean - low - high) / (high - low), 2 * noise / (high - low)
        begins = first + np.arange(self.test) * self.starting // self.test
        pieces = {"train": slice(train_length), "validation": slice(train_length, first)}
        data = {name: clean[None, piece] for name, piece in pieces.items()}
        data |= {f"{name}_noise": noise[None, piece] for name, piece in pieces.items()}
        data["test"] = clean[begins[:, None] + np.arange(self.test_steps + 1)]
        data["test_noise"] = noise[begins, None]
        return data | {"frame": frame, "range": np.array([low, high])} | self.shuffles(self.rng(seed, "data", 3))

    def oracle(self, seed: int) -> float:
        """The score of the exact flow from the point of the orbit that is nearest to the noisy state; 0 without noise.

        From the noisy state itself, the exact flow would score worse than the mean, because its period differs.
        """
        data = self.data(seed)
        if not self.noise:
            return 0.0
        (low, high), frame = data["range"], data["frame"]
        noisy = ((data["test"][:, 0] + data["test_noise"][:, 0]) * (high - low) + low + high) / 2 @ frame
        orbit = swing(self.starts(self.rng(seed), 1), *_ORBIT)[0]
        nearest = np.square(noisy[:, None] - orbit).sum(axis=2).argmin(axis=1)
        forecast = (2 * swing(orbit[nearest], self.dt, self.test_steps)[:, 1:] @ frame.T - low - high) / (high - low)
        return float(metrics.nrmse(self._deviation(data, forecast).error)[: self.primary_horizon].mean())


def wave_modes(pixels: int) -> Float[ndarray, "pixel 3"]:
    """Two waves of two periods with a phase difference of pi/2, and the constant: orthonormal columns on the grid."""
    angle = 4 * np.pi * np.arange(pixels) / pixels
    waves = np.stack([cos(angle), sin(angle), np.full(pixels, np.sqrt(0.5))], axis=1)
    return np.sqrt(2 / pixels) * waves


@dataclass(frozen=True, kw_only=True)
class WakePixels(Wake):
    """The mean-field model of a cylinder wake, observed as 64 pixels: x and y weight a traveling wave, z the mean flow."""

    pixels: int = 64
    train: int = 60
    validation: int = 10
    test: int = 40
    steps: int = 300

    tiers = sized(10, 3, 8, large=300, steps=100, test_steps=100)

    @property
    def flow(self) -> Flow:
        """The flow in pixels: the amplitudes are extracted, integrated and mapped back."""
        inner, modes = super().flow, wave_modes(self.pixels)
        return lambda start, dt, steps: contract(inner(contract(start, modes), dt, steps), modes.T)

    @property
    def starts(self) -> Sampler:
        """The initial states of the amplitudes, as pixels."""
        inner, modes = super().starts, wave_modes(self.pixels)
        return lambda rng, count: contract(inner(rng, count), modes.T)

    def eigenfunctions(self, states: ndarray) -> ndarray:
        """The eigenfunctions of the amplitudes, at states in pixels [point, pixel]."""
        return super().eigenfunctions(states @ wave_modes(self.pixels))
