"""Tasks on maps of the torus: a rotation, whose spectrum consists of eigenvalues, and a skew product, which has few."""

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

# Angles of the rotation, in full turns.
_TURNS = (torus.GOLDEN, math.sqrt(2.0) - 1)
# Largest order of a character in the list of true eigenvalues; number of points that represent a spectrum on the unit circle.
_ORDER, _CIRCLE = 6, 720


@dataclass(frozen=True, kw_only=True)
class TorusMap(FlowTask):
    """(x, y) -> (x + omega, y + sqrt(2) - 1) mod 1 or, if `skew`, (x + omega, y + x) mod 1.

    States are (cos 2 pi x, sin 2 pi x, cos 2 pi y, sin 2 pi y): they do not jump where x or y passes 1, and monomials are sums of
    characters e^{2 pi i k.(x, y)}. Training pairs start on a grid, whose mean integrates products of characters exactly; other
    initial states are uniform. The rotation is linear: every character is an eigenfunction, with eigenvalue
    e^{2 pi i k.(omega, sqrt(2) - 1)}; the list of true eigenvalues contains |k_1|, |k_2| <= 6. For the skew product only
    characters of x are eigenfunctions; the rest of its spectrum is the unit circle, which the list represents by 720 points. No
    finite dictionary makes it linear, although the map is quadratic. There is no skill, only ranks and spectra.
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
            raise UserError(
                f"{type(self).__name__}: train={self.train} is not a square number; training states form a square grid, so "
                f"use one such as {math.isqrt(self.train) ** 2}"
            )

    @property
    def flow(self) -> Flow:
        """The iterated map, as products of complex numbers of modulus 1."""

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
        return lambda rng, count: _observed(rng.uniform(size=(count, 2)))

    def generate(self, seed: int) -> dict[str, ndarray]:
        """As in `FlowTask`, with training trajectories that start on the grid."""
        grid = _observed(torus.grid(math.isqrt(self.train)))
        return {**super().generate(seed), "train": self.flow(grid, self.dt, self.steps)}

    @property
    def spectrum(self) -> tuple[ndarray, ndarray]:
        """The eigenvalues of characters; the leading ones are those of the constant and of order 1."""
        rates, reach = [2j * math.pi * turn / self.dt for turn in _TURNS], range(-_ORDER, _ORDER + 1)
        if self.skew:
            circle = np.exp(2j * np.pi * np.arange(_CIRCLE) / _CIRCLE)
            discrete = lattice(rates[:1], [(k,) for k in reach], self.dt)
            return np.concatenate([discrete, circle]), lattice(rates[:1], [(0,), (1,), (-1,)], self.dt)
        first = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
        return lattice(rates, [(j, k) for j in reach for k in reach], self.dt), lattice(rates, first, self.dt)

    def eigenfunctions(self, states: ndarray) -> ndarray:
        """The characters of the leading eigenvalues at states [point, 4]."""
        x, y = states[:, 0] + 1j * states[:, 1], states[:, 2] + 1j * states[:, 3]
        characters = [np.ones_like(x), x, x.conj()] + ([] if self.skew else [y, y.conj()])
        return np.stack(characters, axis=1)

    def oracle(self, seed: int) -> None:
        """None: every dictionary solves the rotation and none the skew product, so skill would not tell methods apart."""
        return


def _circle(turns: Float[ndarray, "*any"]) -> Float[ndarray, "*any 2"]:
    """cos and sin of 2 pi turns."""
    angle = 2 * np.pi * turns
    return np.stack([cos(angle), sin(angle)], axis=-1)


def _observed(points: Float[ndarray, "point 2"]) -> Float[ndarray, "point 4"]:
    """The cosine and sine of 2 pi times both coordinates."""
    return _circle(points).reshape(-1, 4)


def _product(a: Float[ndarray, "*any 2"], b: Float[ndarray, "*#any 2"]) -> Float[ndarray, "*any 2"]:
    """Complex products, in real arithmetic so that they are bitwise reproducible."""
    return np.stack(
        [a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1], a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]], axis=-1
    )
