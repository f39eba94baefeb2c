"""The chaotic systems: vector fields, sampling, starts, and their Lyapunov exponents.

States are laid out [dim, batch]: a coordinate of all orbits is one contiguous row, and every operation is elementwise, in a
fixed order, into arrays made once. An orbit's bits therefore do not depend on its neighbours, and a step costs a few dozen
calls whatever the number of orbits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from dynamark.tasks.numerics.integrators import BoundField, bind_rk4

__all__ = ["LORENZ63", "ROSSLER", "System", "flow", "orbits"]

# A sampler is bound to an array of states [dim, batch]; each call moves them on by one sample.
Sampler = Callable[[ndarray], Callable[[], None]]


@dataclass(frozen=True)
class System:
    """A system sampled every dt; starts are centre + spread N(0, 1)."""

    bind: Sampler
    dt: float
    centre: tuple[float, ...]
    lyapunov: tuple[float, ...]  # exponents per unit of time
    spread: float = 1.0

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.centre)


def flow(field: BoundField, dt: float, substeps: int) -> Sampler:
    """x' = f(x), one sample by `substeps` steps of the classical Runge-Kutta method."""

    def bind(state: ndarray) -> Callable[[], None]:
        step = bind_rk4(field, state, dt / substeps)

        def sample() -> None:
            for _ in range(substeps):
                step()

        return sample

    return bind


def lorenz63(state: ndarray, out: ndarray) -> Callable[[], None]:
    """x' = 10 (y - x), y' = x (28 - z) - y, z' = x y - 8/3 z."""
    (x, y, z), (dx, dy, dz), work = state, out, np.empty_like(state[0])
    ten, ratio, rayleigh = np.array(10.0), np.array(8.0 / 3.0), np.array(28.0)

    def evaluate() -> None:
        np.subtract(y, x, dx)
        np.multiply(dx, ten, dx)
        np.subtract(rayleigh, z, dy)
        np.multiply(dy, x, dy)
        np.subtract(dy, y, dy)
        np.multiply(x, y, dz)
        np.multiply(z, ratio, work)
        np.subtract(dz, work, dz)

    return evaluate


def rossler(state: ndarray, out: ndarray) -> Callable[[], None]:
    """x' = -y - z, y' = x + 0.2 y, z' = 0.2 + z (x - 5.7)."""
    (x, y, z), (dx, dy, dz) = state, out
    fifth, minus, c = np.array(0.2), np.array(-1.0), np.array(5.7)

    def evaluate() -> None:
        np.add(y, z, dx)
        np.multiply(dx, minus, dx)
        np.multiply(y, fifth, dy)
        np.add(dy, x, dy)
        np.subtract(x, c, dz)
        np.multiply(dz, z, dz)
        np.add(dz, fifth, dz)

    return evaluate


LORENZ63 = System(flow(lorenz63, 0.01, 2), 0.01, (0.0, 0.0, 25.0), (0.9056, 0.0, -14.572))
ROSSLER = System(flow(rossler, 0.08, 4), 0.08, (0.0, 0.0, 0.0), (0.0709, 0.0, -5.394))

# Samples that are discarded before an orbit counts as on the attractor (11 Lyapunov times of the slowest system or more),
# and the size at which a start has escaped.
_TRANSIENT, _ESCAPED = 2000, 1e3


def orbits(system: System, groups: Mapping[str, tuple[int, int]], rng: np.random.Generator) -> dict[str, ndarray]:
    """Independent orbits on the attractor, by group: name -> (count, steps) gives name -> [count, steps, dim].

    All advance together; the groups that are done drop out. Starts that escape are drawn again.
    """
    ordered = sorted(groups, key=lambda name: -groups[name][1])
    ends = np.cumsum([groups[name][0] for name in ordered])
    state = _on_attractor(system, int(ends[-1]), rng)
    pieces: dict[str, list[ndarray]] = {name: [] for name in groups}
    done = 0
    for last in reversed(range(len(ordered))):
        steps = groups[ordered[last]][1]
        state = np.array(state[:, : ends[last]], order="C")
        recorded = _record(system, state, steps - done)
        done = steps
        for name, end in zip(ordered[: last + 1], ends, strict=False):
            pieces[name].append(recorded[end - groups[name][0] : end])
    return {name: np.ascontiguousarray(np.concatenate(parts, axis=1)) for name, parts in pieces.items()}


def _record(system: System, state: ndarray, steps: int) -> ndarray:
    """The next samples [batch, steps, dim]; `state` moves on."""
    kept = np.empty((steps, *state.shape))
    sample = system.bind(state)
    for place in kept:
        sample()
        place[:] = state
    return kept.transpose(2, 0, 1)


def _on_attractor(system: System, count: int, rng: np.random.Generator) -> ndarray:
    """States [dim, batch] at the end of the transient."""
    found = np.empty((system.dim, count))
    missing = np.arange(count)
    while len(missing):
        start = np.array(system.centre) + system.spread * rng.standard_normal((len(missing), system.dim))
        state = np.ascontiguousarray(start.T)
        sample = system.bind(state)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(_TRANSIENT):
                sample()
        kept = np.isfinite(state).all(axis=0) & (np.abs(state) <= _ESCAPED).all(axis=0)
        found[:, missing[kept]] = state[:, kept]
        missing = missing[~kept]
    return found
