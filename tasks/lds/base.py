"""What all tasks on linear systems share: the fields of an instance, its sequences, and errors of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError, unknown
from dynamark.tasks.base import Task
from dynamark.tasks.lds.data import INPUTS, NOISES, Excitation, excitation, input_sequences, normalized, simulate
from dynamark.tasks.lds.systems import SPECTRA, Shape, System, draw
from dynamark.tasks.problems import Trajectories

__all__ = ["NMSE_FLOOR", "LinearSystemTask", "bounded", "relative", "trajectories"]

# Errors below this are rounding.
NMSE_FLOOR = 1e-12
# Answers beyond this count as this much: outputs have unit power.
_BOUND = 1e6


@dataclass(frozen=True, kw_only=True)
class LinearSystemTask(Task):
    """x_t = A x_{t-1} + B u_t + w_t, y_t = C x_t + D u_t + v_t: one system a seed, sequences of `length` steps.

    spectrum: one of `systems.SPECTRA`; beta, coupling, direct: its parameters. inputs: `white`, `ou`, `blocks`, or none of
    them: `none` (driven by process noise), `start` (from x_0 ~ N(0, I)). noise: `n0`, `nv`, `nw+nv`, `heavy`;
    level: standard deviation of measurement noise.
    Outputs have time-averaged power 1 by the true system. Systems and sequences come from separate streams of seeds.
    """

    spectrum: str = "sym_pos"
    beta: float = float(np.pi)
    coupling: float = 0.5
    direct: bool = False
    noise: str = "n0"
    level: float = 0.3
    inputs: str = "white"
    length: int = 1024
    order: int = 128
    channels: int = 1
    dim: int = 1
    train: int = 64
    validation: int = 16
    test: int = 64

    version: ClassVar[int] = 2
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"length": 256, "order": 16, "train": 16, "validation": 4, "test": 8},
        "standard": {},
        "large": {"length": 8192, "order": 1024, "train": 256, "validation": 32, "test": 128},
    }

    def __post_init__(self) -> None:
        for what, value, known in (
            ("spectrum", self.spectrum, SPECTRA),
            ("noise", self.noise, NOISES),
            ("inputs", self.inputs, INPUTS),
        ):
            if value not in known:
                raise unknown(what, value, list(known))
        if self.spectrum == "nonnormal" and self.order % 8:
            raise UserError(
                f"order = {self.order}: the nonnormal spectrum has blocks of 8 states; give a multiple of 8"
            )

    @property
    def burn_in(self) -> int:
        """Steps at the start that do not count: min(64, T/16)."""
        return min(64, self.length // 16)

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The squared error over the power, after the burn-in."""
        return {"name": "relative_error", "start": self.burn_in}

    def system(self, seed: int) -> System:
        """The instance's system, outputs of unit power."""
        channels = 0 if self.inputs in ("none", "start") else self.channels
        shape = Shape(self.order, self.length, channels, self.dim, self.beta, self.coupling, self.direct)
        return normalized(draw(self.spectrum, shape, self.rng(seed, "system")), self.length, self.inputs)

    def excitation(self, system: System) -> Excitation:
        """What drives it besides the inputs."""
        return excitation(system, self.noise, self.inputs, self.level)

    def sequences(self, system: System, seed: int) -> dict[str, ndarray]:
        """Inputs, outputs and clean outputs (G * u) of training, validation and test sequences."""
        data = {}
        for path, (part, count) in enumerate(
            (("train", self.train), ("validation", self.validation), ("test", self.test))
        ):
            if not count:
                continue
            rng = self.rng(seed, "data", path)
            u = input_sequences(self.inputs, count, self.length, self.channels, rng)
            data[f"{part}.u"] = u
            data[f"{part}.y"], data[f"{part}.clean"] = simulate(system, u, self.excitation(system), rng)
        return data

    def paths(self, seed: int, part: str) -> Trajectories:
        """The sequences of a part, as a method sees them."""
        data = self.data(seed)
        return trajectories(data[f"{part}.y"], data[f"{part}.u"])


def trajectories(y: Float[ndarray, "sequence time dim"], u: Float[ndarray, "sequence steps channel"]) -> Trajectories:
    """Copies of outputs and inputs as tensors; no channels, no inputs."""
    return Trajectories(torch.from_numpy(y.copy()), torch.from_numpy(u.copy()) if u.shape[2] else None)


def bounded(answer: ndarray, shape: tuple[int, ...]) -> ndarray:
    """Answers in float64, NaN and infinity and everything larger as +-1e6."""
    if answer.shape != shape:
        raise ValueError(f"answers of shape {answer.shape}, wanted {shape}")
    return np.clip(np.nan_to_num(answer.astype(float), nan=_BOUND, posinf=_BOUND, neginf=-_BOUND), -_BOUND, _BOUND)


def relative(error: Float[ndarray, "sequence time dim"], truth: Float[ndarray, "sequence time dim"]) -> float:
    """Nmse = mean |error|^2 / mean |truth|^2, means over sequences and time."""
    return float(np.mean(np.sum(error**2, axis=-1)) / np.mean(np.sum(truth**2, axis=-1)))
