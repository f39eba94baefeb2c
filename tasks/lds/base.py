"""Base class of the tasks on linear systems: fields, sequences, and errors of predictions."""

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

# Errors below this are rounding errors.
NMSE_FLOOR = 1e-12
# Predictions are clipped to +- this value; outputs have mean square 1.
_BOUND = 1e6


@dataclass(frozen=True, kw_only=True)
class LinearSystemTask(Task):
    """x_t = A x_{t-1} + B u_t + w_t, y_t = C x_t + D u_t + v_t: one system per seed, sequences of `length` steps.

    spectrum: one of `systems.SPECTRA`; beta, coupling, direct: its parameters (see `systems.Shape`). inputs: `white`, `ou` or
    `blocks`; without inputs `none` (driven by process noise) or `start` (starts from x_0 ~ N(0, I)). noise: `n0`, `nv`, `nw+nv`
    or `heavy` (see `data.excitation`); level: standard deviation of the measurement noise.
    Outputs are scaled to an expected mean square of 1. Systems and sequences are drawn from separate random streams.
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
        for field, value, choices in (
            ("spectrum", self.spectrum, SPECTRA),
            ("noise", self.noise, NOISES),
            ("inputs", self.inputs, INPUTS),
        ):
            if value not in choices:
                raise unknown(field, value, list(choices))
        if self.spectrum == "nonnormal" and self.order % 8:
            raise UserError(
                f"order = {self.order}: the nonnormal spectrum has blocks of 8 states; give a multiple of 8"
            )

    @property
    def burn_in(self) -> int:
        """Number of initial steps that are not scored: min(64, T/16)."""
        return min(64, self.length // 16)

    @property
    def criterion(self) -> Mapping[str, Any]:
        """Mean squared error / mean square of the target, after the burn-in."""
        return {"name": "relative_error", "start": self.burn_in}

    def system(self, seed: int) -> System:
        """The true system of a seed, outputs scaled to mean square 1."""
        channels = 0 if self.inputs in ("none", "start") else self.channels
        shape = Shape(self.order, self.length, channels, self.dim, self.beta, self.coupling, self.direct)
        return normalized(draw(self.spectrum, shape, self.rng(seed, "system")), self.length, self.inputs)

    def excitation(self, system: System) -> Excitation:
        """Noise and initial state of the system."""
        return excitation(system, self.noise, self.inputs, self.level)

    def sequences(self, system: System, seed: int) -> dict[str, ndarray]:
        """Inputs `u`, outputs `y` and noise-free outputs `clean` (G * u) of training, validation and test sequences."""
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
        """Outputs and inputs of a part: `train`, `validation` or `test`."""
        data = self.data(seed)
        return trajectories(data[f"{part}.y"], data[f"{part}.u"])


def trajectories(y: Float[ndarray, "sequence time dim"], u: Float[ndarray, "sequence steps channel"]) -> Trajectories:
    """Outputs and inputs copied to tensors; `inputs` is None if u has no channels."""
    return Trajectories(torch.from_numpy(y.copy()), torch.from_numpy(u.copy()) if u.shape[2] else None)


def bounded(answer: ndarray, shape: tuple[int, ...]) -> ndarray:
    """Predictions in float64, clipped to +-1e6; NaN becomes 1e6. Raises ValueError for a wrong shape."""
    if answer.shape != shape:
        raise ValueError(f"predictions of shape {answer.shape}, expected {shape}")
    return np.clip(np.nan_to_num(answer.astype(float), nan=_BOUND, posinf=_BOUND, neginf=-_BOUND), -_BOUND, _BOUND)


def relative(error: Float[ndarray, "sequence time dim"], truth: Float[ndarray, "sequence time dim"]) -> float:
    """NMSE = mean |error|^2 / mean |truth|^2, averaged over sequences and time."""
    return float(np.mean(np.sum(error**2, axis=-1)) / np.mean(np.sum(truth**2, axis=-1)))
