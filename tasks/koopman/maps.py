"""Maps of the torus as tasks: a rotation with eigenvalues alone, and a skew product that has few."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.tasks.koopman import torus
from dynamark.tasks.koopman.flows import FlowTask, sized
from dynamark.tasks.koopman.spectra import lattice
from dynamark.tasks.koopman.systems import Flow, Sampler
from dynamark.tasks.numerics.exact import cos, sin

__all__ = ["TorusMap"]

# Angles by which the rotation turns, in full turns.
_TURNS = (torus.GOLDEN, math.sqrt(2.0) - 1)
# Largest order of a character in the list of truth, and points that stand for a circle of spectrum.
_ORDER, _CIRCLE = 6, 720


@dataclass(frozen=True, kw_only=True)
class TorusMap(FlowTask):
    """(x, y) -> (x + omega, y + sqrt(2) - 1) mod 1 or, skewed, (x + omega, y + x); seen as cos, sin 2 pi x, cos, sin 2 pi y.

    Training pairs start on a grid, whose mean integrates products of characters exactly; other states are uniform. Seen as
    they are here, states do not jump where x or y passes 1, and monomials are sums of characters. The rotation is linear:
    each character is an eigenfunction, of eigenvalue e^{2 pi i k.omega}; the list of truth holds |k| <= 6. Of the skew product
    only characters of x are, and the rest of its spectrum is the circle without eigenfunctions, in the list as 720 points:
    no finite lift moves linearly, although the map is quadratic. There is no skill, only ranks and spectra.
    Source: Anzai 1951; Colbrook et al. 2024.
    """

    skew: bool = False
    train: int = 64**2
    validation: int = 400
    test: int = 400
    steps: int = 1
    test_steps: int = 100
    dt: float = 1.0

    tiers = sized(16**2, 50, 50, large=128**2)

    def __post_init__(self) -> None:
        if math.isqrt(self.train) ** 2 != self.train:
            raise UserError(f"{type(self).__name__}: train={self.train} is no square, and the states are a square grid")

    @property
    def flow(self) -> Flow:
        """Products of unit complex numbers."""

        def turn(start: ndarray, dt: float, steps: int) -> ndarray:
            x, y = start[:, :2], start[:, 2:]
            first, second = _circle(np.array(_TURNS))
            states = [start]
            for _ in range(steps):
                x, y = _product(x, first), _product(y, x if self.skew else second)
                states.append(np.concatenate([x, y], axis=1))
            return np.stack(states, axis=1)

        return turn

    @property
    def starts(self) -> Sampler:
        """Uniform on the torus."""
        return lambda rng, count: _seen(rng.uniform(size=(count, 2)))

    def generate(self, seed: int) -> dict[str, ndarray]:
        """The training states are the grid."""
        grid = _seen(torus.grid(math.isqrt(self.train)))
        return {**super().generate(seed), "train": self.flow(grid, self.dt, self.steps)}

    @property
    def spectrum(self) -> tuple[ndarray, ndarray]:
        """Characters: the constant's value and those of order 1 should be found."""
        rates, reach = [2j * math.pi * turn / self.dt for turn in _TURNS], range(-_ORDER, _ORDER + 1)
        if self.skew:
            circle = np.exp(2j * np.pi * np.arange(_CIRCLE) / _CIRCLE)
            known = lattice(rates[:1], [(k,) for k in reach], self.dt)
            return np.concatenate([known, circle]), lattice(rates[:1], [(0,), (1,), (-1,)], self.dt)
        first = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
        return lattice(rates, [(j, k) for j in reach for k in reach], self.dt), lattice(rates, first, self.dt)

    def eigenfunctions(self, states: ndarray) -> ndarray:
        """The characters of those eigenvalues."""
        x, y = states[:, 0] + 1j * states[:, 1], states[:, 2] + 1j * states[:, 3]
        known = [np.ones_like(x), x, x.conj()] + ([] if self.skew else [y, y.conj()])
        return np.stack(known, axis=1)

    def oracle(self, seed: int) -> None:
        """None: any lift solves the one map and none the other, so that a scale between ignorance and the flow tells little."""
        return


def _circle(turns: Float[ndarray, "*any"]) -> Float[ndarray, "*any 2"]:
    """cos and sin of 2 pi turns."""
    angle = 2 * np.pi * turns
    return np.stack([cos(angle), sin(angle)], axis=-1)


def _seen(points: Float[ndarray, "point 2"]) -> Float[ndarray, "point 4"]:
    """The cosine and sine of both coordinates."""
    return _circle(points).reshape(-1, 4)


def _product(a: Float[ndarray, "*any 2"], b: Float[ndarray, "*#any 2"]) -> Float[ndarray, "*any 2"]:
    """Complex products, in real arithmetic for the sake of their bits."""
    return np.stack(
        [a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1], a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]], axis=-1
    )
