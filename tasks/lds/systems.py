"""Linear systems x_t = A x_{t-1} + B u_t + w_t, y_t = C x_t + sum_i D_i u_{t-i} + v_t, and random spectra.

A is block diagonal with blocks of one size: 1 for real poles, 2 (a scaled rotation) for complex pairs, 8 for nonnormal
systems, d for a dense A. A change of basis does not alter outputs, so none is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.numerics.exact import contract, cos, inner, log, power, settled, sin

__all__ = ["SPECTRA", "Shape", "System", "draw"]


@dataclass(frozen=True)
class System:
    """The matrices of a system with d = block * size states.

    blocks: diagonal blocks of A. spread: norm |b_i| of the input row of each state's mode, which scales process noise.
    taps: direct terms D_i by lag i.
    """

    blocks: Float[ndarray, "block size size"]
    b: Float[ndarray, "state channel"]
    c: Float[ndarray, "dim state"]
    spread: Float[ndarray, " state"]
    taps: Mapping[int, Float[ndarray, "dim channel"]] = field(default_factory=dict)

    @property
    def order(self) -> int:
        """Number of states."""
        return self.b.shape[0]

    def advance(
        self, x: Float[ndarray, "state column"], product: Callable[[ndarray, ndarray], ndarray] = contract
    ) -> Float[ndarray, "state column"]:
        """A x, block by block; by default with the reproducible product `exact.contract`, for generating data."""
        count, size, _ = self.blocks.shape
        if size == 1:
            return self.blocks[:, 0] * x
        return product(self.blocks, x.reshape(count, size, -1)).reshape(x.shape)

    def read(self, x: Float[ndarray, "state column"]) -> Float[ndarray, "dim column"]:
        """C x."""
        return inner(self.c[:, None], x.T[None])

    def response(self, start: Float[ndarray, "state column"], length: int) -> Float[ndarray, "length dim column"]:
        """C A^i start for i = 0 .. length-1."""
        out = np.empty((length, len(self.c), start.shape[1]))
        for i in range(length):
            out[i] = self.read(start)
            start = self.advance(start)
        return out

    def markov(self, length: int) -> Float[ndarray, "length dim channel"]:
        """G_i = C A^i B plus the direct terms: the impulse response."""
        g = self.response(self.b, length)
        for lag, gain in self.taps.items():
            if lag < length:
                g[lag] += gain
        return g

    def scaled(self, factor: float) -> System:
        """The system with outputs multiplied by `factor`."""
        return replace(self, c=self.c * factor, taps={lag: gain * factor for lag, gain in self.taps.items()})


@dataclass(frozen=True)
class Shape:
    """Sizes of a system, and parameters of single spectra.

    order: number of states. length: steps of a sequence. channels: inputs. dim: outputs. beta: largest |arg lambda| of `asym`.
    coupling: superdiagonal entry of `nonnormal`. direct: whether there is a direct term D.
    """

    order: int
    length: int
    channels: int
    dim: int
    beta: float = np.pi
    coupling: float = 0.5
    direct: bool = False


def draw(spectrum: str, shape: Shape, rng: np.random.Generator) -> System:
    """A random system of this spectrum, outputs not normalized."""
    return SPECTRA[spectrum](shape, rng)


def _radii(shape: Shape, count: int, rng: np.random.Generator) -> ndarray:
    """Radii 1 - 10^{-U(0, log10(T) + 1)}: time constants log-uniform from one step to 10 T."""
    return 1 - power(10.0, -rng.uniform(0, log(10.0 * shape.length) / log(10.0), count))


def _gains(shape: Shape, rows: int, rng: np.random.Generator) -> tuple[ndarray, ndarray, dict[int, ndarray]]:
    """B_ij, C_ij ~ N(0, 1/d), and D_ij ~ N(0, 1/m) if `shape.direct`."""
    unit = np.sqrt(rows)
    b = rng.standard_normal((rows, shape.channels)) / unit
    c = rng.standard_normal((shape.dim, rows)) / unit
    direct = rng.standard_normal((shape.dim, shape.channels)) / np.sqrt(max(1, shape.channels))
    return b, c, {0: direct} if shape.direct else {}


def _real(poles: ndarray, shape: Shape, rng: np.random.Generator) -> System:
    b, c, taps = _gains(shape, len(poles), rng)
    return System(poles[:, None, None], b, c, _norm(b), taps)


def _pairs(radius: ndarray, angle: ndarray, shape: Shape, rng: np.random.Generator) -> System:
    """Conjugate pairs: G_i = 2 Re(c lambda^i b), c with a random phase, as rotation blocks with inputs in the first row."""
    b, c, taps = _gains(shape, len(radius), rng)
    phase = rng.uniform(0, 2 * np.pi, c.shape)
    x, y = radius * cos(angle), radius * sin(angle)
    blocks = np.array([[x, -y], [y, x]]).transpose(2, 0, 1)
    rows = np.stack([b, np.zeros_like(b)], axis=1).reshape(2 * len(b), -1)
    columns = 2 * np.stack([c * cos(phase), -c * sin(phase)], axis=2).reshape(len(c), -1)
    return System(blocks, rows, columns, np.repeat(_norm(b), 2), taps)


def _norm(b: ndarray) -> ndarray:
    """Row norms of B; 1 without inputs."""
    return np.sqrt(np.sum(b**2, axis=1)) if b.shape[1] else np.ones(len(b))


def _sym_pos(shape: Shape, rng: np.random.Generator) -> System:
    return _real(_radii(shape, shape.order, rng), shape, rng)


def _sym(shape: Shape, rng: np.random.Generator) -> System:
    return _real(_radii(shape, shape.order, rng) * rng.choice([-1.0, 1.0], shape.order), shape, rng)


def _stu_paper(shape: Shape, rng: np.random.Generator) -> System:
    """Four poles +-0.9999; B, C and a diagonal D of N(0, 1) (Agarwal et al. 2023, section 5)."""
    b = rng.standard_normal((4, shape.channels))
    c = rng.standard_normal((shape.dim, 4))
    direct = np.eye(shape.dim, shape.channels) * rng.standard_normal(shape.channels)
    poles = 0.9999 * rng.choice([-1.0, 1.0], 4)
    return System(poles[:, None, None], b, c, _norm(b), {0: direct})


def _spectralds(shape: Shape, rng: np.random.Generator) -> System:
    poles = rng.standard_normal(shape.order)
    return _real(poles / np.abs(poles).max() * (1 - 1e-3), shape, rng)


def _asym(shape: Shape, rng: np.random.Generator) -> System:
    count = shape.order // 2
    return _pairs(_radii(shape, count, rng), rng.uniform(-shape.beta, shape.beta, count), shape, rng)


def _rot(shape: Shape, rng: np.random.Generator) -> System:
    count = shape.order // 2
    return _pairs(1 - power(10.0, -rng.uniform(2, 4, count)), rng.uniform(0, np.pi, count), shape, rng)


def _nonnormal(shape: Shape, rng: np.random.Generator) -> System:
    """Blocks 0.95 I + coupling * shift of size 8: stable, with transient growth."""
    block = 0.95 * np.eye(8) + shape.coupling * np.eye(8, k=1)
    b, c, taps = _gains(shape, shape.order, rng)
    return System(np.tile(block, (shape.order // 8, 1, 1)), b, c, _norm(b), taps)


def _dense_ginibre(shape: Shape, rng: np.random.Generator) -> System:
    """A dense Gaussian matrix scaled to spectral radius 0.99, to nine digits."""
    a = rng.standard_normal((shape.order, shape.order))
    b, c, taps = _gains(shape, shape.order, rng)
    return System((a * (0.99 / settled(np.abs(np.linalg.eigvals(a)).max())))[None], b, c, _norm(b), taps)


def _delay(shape: Shape, rng: np.random.Generator) -> System:
    """sym_pos of half the order plus u_{t-T/4}, each with half of the output's mean square."""
    half = _sym_pos(replace(shape, order=shape.order // 2), rng)
    lag, weight = shape.length // 4, shape.length - np.arange(shape.length)
    echo = np.eye(shape.dim, shape.channels)
    slow = np.sum(weight * np.sum(half.markov(shape.length) ** 2, axis=(1, 2)))
    gain = np.sqrt(slow / (weight[lag] * np.sum(echo**2)))
    return replace(half, taps={**half.taps, lag: gain * echo})


SPECTRA: dict[str, Callable[[Shape, np.random.Generator], System]] = {
    "sym_pos": _sym_pos,
    "sym": _sym,
    "stu_paper": _stu_paper,
    "spectralds": _spectralds,
    "asym": _asym,
    "rot": _rot,
    "nonnormal": _nonnormal,
    "dense_ginibre": _dense_ginibre,
    "delay": _delay,
}
