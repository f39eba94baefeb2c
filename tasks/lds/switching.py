"""Online prediction of a system that changes at unknown times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.tasks.lds.data import input_sequences, normalized
from dynamark.tasks.lds.online import Regret
from dynamark.tasks.lds.systems import Shape, System, draw
from dynamark.tasks.numerics import exact

__all__ = ["Switching"]


@dataclass(frozen=True, kw_only=True)
class Switching(Regret):
    """x_t = A_r x_{t-1} + B_r u_t, y_t = C_r x_t + v_t in regime r: (A, B, C) are drawn anew at each switch, x is continuous.

    regimes: their number; distance: minimum number of steps of a regime. Switching times are uniform under that constraint and
    unknown to the method. Regret is against the true system with known switching times: without process noise, its simulation.
    noise: `n0`, `nv` or `heavy`.
    """

    spectrum: str = "asym"
    beta: float = 1.0
    order: int = 8
    noise: str = "nv"
    level: float = 0.1
    regimes: int = 4
    distance: int = 300

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"length": 2048, "order": 4},
        "standard": {"length": 4096},
        "large": {"length": 65536, "order": 64, "distance": 5000},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.regimes * self.distance > self.length:
            raise UserError(
                f"{self.regimes} regimes of at least {self.distance} steps do not fit {self.length}: lower one of them"
            )
        if self.noise == "nw+nv":
            raise UserError("noise = 'nw+nv': a switching system has measurement noise only; give n0, nv or heavy")

    def systems(self, seed: int) -> list[System]:
        """The systems of the regimes, each with outputs scaled to mean square 1."""
        shape = Shape(self.order, self.length, self.channels, self.dim, self.beta, self.coupling)
        return [
            normalized(draw(self.spectrum, shape, self.rng(seed, "system", r)), self.length, self.inputs)
            for r in range(self.regimes)
        ]

    def cuts(self, seed: int) -> ndarray:
        """First steps of the regimes, starting with 0."""
        spare = self.length - self.regimes * self.distance
        inner = np.sort(self.rng(seed, "cuts").integers(0, spare + 1, self.regimes - 1))
        return np.concatenate([[0], inner + self.distance * np.arange(1, self.regimes)])

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Inputs `u`, outputs `y`, the noise-free response `clean`, and first steps `cuts` of the regimes."""
        systems, cuts, rng = self.systems(seed), self.cuts(seed), self.rng(seed)
        u = input_sequences(self.inputs, 1, self.length, self.channels, rng)
        clean, x = np.empty((1, self.length, self.dim)), np.zeros((self.order, 1))
        for system, start, end in zip(systems, cuts, [*cuts[1:], self.length], strict=True):
            for t in range(start, end):
                x = system.advance(x) + exact.contract(system.b, u[0, t, :, None])
                clean[0, t] = exact.contract(system.c, x)[:, 0]
        noise = self.level if self.noise != "n0" else 0.0
        samples = (
            rng.standard_t(3, clean.shape) / np.sqrt(3) if self.noise == "heavy" else rng.standard_normal(clean.shape)
        )
        return {"u": u, "y": clean + noise * samples, "clean": clean, "cuts": cuts.astype(float)}

    def best(self, seed: int) -> ndarray:
        """The noise-free simulation with known regimes."""
        return self.data(seed)["clean"]
