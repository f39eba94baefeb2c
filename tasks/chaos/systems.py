"""The chaotic systems: vector fields, sampling, initial states, and Lyapunov exponents.

States have shape [dim, batch]: each coordinate of all orbits is one contiguous row, and every operation is elementwise, in a
fixed order, and writes to preallocated arrays. An orbit is therefore bitwise independent of the others in its batch, and a step
costs a few dozen calls for any number of orbits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from dynamark.tasks.numerics import exact
from dynamark.tasks.numerics.integrators import BoundField, bind_rk4

__all__ = [
    "BURSTING",
    "CHUA",
    "LORENZ63",
    "LORENZ96_10",
    "LORENZ96_20",
    "MACKEY_GLASS",
    "ROSSLER",
    "System",
    "flow",
    "orbits",
    "settle",
]

# A sampler is bound to an array of states [dim, batch]; each call advances them by one sample.
Sampler = Callable[[ndarray], Callable[[], None]]


@dataclass(frozen=True)
class System:
    """A dynamical system sampled every dt; initial states are center + spread N(0, 1).

    lyapunov: the leading Lyapunov exponents per unit of time, in descending order. A test recomputes the largest within 1 %.
    transient: samples discarded before an orbit counts as on the attractor; at least 10 Lyapunov times for every chaotic system.
    period: the period of a periodic system; None for a chaotic system.
    dips: for a system with several attractors, (coordinate, value): on the intended attractor this coordinate falls below
        the value once per period; on the other attractors it never does.
    confined: whether the bounding box of the attractor extends beyond its basin of attraction, so that some initial states in
        the box diverge or converge to another attractor.
    """

    bind: Sampler
    dt: float
    center: tuple[float, ...]
    lyapunov: tuple[float, ...]
    spread: float | tuple[float, ...] = 1.0
    common: bool = False  # one random number for all coordinates: a constant initial history
    observed: tuple[int, ...] | None = None  # indices of the observed coordinates; None: all
    transient: int = 2000
    period: float | None = None
    dips: tuple[int, float] | None = None
    confined: bool = False

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.center)

    @property
    def unit(self) -> float:
        """The time unit of forecasts: one Lyapunov time, or one period for a periodic system."""
        return self.period or 1 / self.lyapunov[0]

    def starts(self, count: int, rng: np.random.Generator) -> ndarray:
        """Random initial states [dim, batch]."""
        noise = rng.standard_normal((count, 1 if self.common else self.dim))
        return np.array((np.array(self.center) + np.array(self.spread) * noise).T, order="C")


def flow(field: BoundField, dt: float, substeps: int) -> Sampler:
    """x' = f(x), each sample computed by `substeps` steps of the classical fourth-order Runge-Kutta method."""

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


def lorenz96(state: ndarray, out: ndarray) -> Callable[[], None]:
    """x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + 8, cyclic; computed on a copy padded periodically."""
    n, eight = len(state), np.array(8.0)
    ring = np.empty((n + 3, state.shape[1]))
    inner, before, two_before, after = ring[2 : n + 2], ring[1 : n + 1], ring[:n], ring[3:]

    def evaluate() -> None:
        inner[:] = state
        ring[:2] = state[-2:]
        ring[-1] = state[0]
        np.subtract(after, two_before, out)
        np.multiply(out, before, out)
        np.subtract(out, state, out)
        np.add(out, eight, out)

    return evaluate


def chua(state: ndarray, out: ndarray) -> Callable[[], None]:
    """x' = 9 (y - x - f), y' = x - y + z, z' = -100/7 y, f = -5/7 x - 3/14 (|x + 1| - |x - 1|)."""
    (x, y, z), (dx, dy, dz), work = state, out, np.empty_like(state[0])
    nine, one, inner, outer, back = (np.array(c) for c in (9.0, 1.0, 3.0 / 14.0, -2.0 / 7.0, -100.0 / 7.0))

    def evaluate() -> None:
        # y - x - f = y - 2/7 x + 3/14 (|x + 1| - |x - 1|)
        np.add(x, one, dx)
        np.abs(dx, dx)
        np.subtract(x, one, work)
        np.abs(work, work)
        np.subtract(dx, work, dx)
        np.multiply(dx, inner, dx)
        np.multiply(x, outer, work)
        np.add(dx, work, dx)
        np.add(dx, y, dx)
        np.multiply(dx, nine, dx)
        np.subtract(x, y, dy)
        np.add(dy, z, dy)
        np.multiply(y, back, dz)

    return evaluate


def bursting(state: ndarray, out: ndarray) -> Callable[[], None]:
    """6 V' = -8 (V + 80) - 20 m (V - 60) - (10 n + 25 h)(V + 90) - 10.2 V g, n' = n* - n, h' = (h* - h)/200; time in ms.

    m, n*, h* = 1/(1 + exp((V0 - V)/k)) with (V0, k) = (-20, 15), (-25, 5), (-15, 5), and g = 1/(1 + 0.33 exp(-V/16)).
    """
    (v, n, h), (dv, dn, dh) = state, out
    middle, width, share = (
        np.array(c)[:, None] for c in ((-20.0, -25.0, -15.0, 0.0), (15.0, 5.0, 5.0, 16.0), (1.0, 1.0, 1.0, 0.33))
    )

    def evaluate() -> None:
        m, resting_n, resting_h, g = 1.0 / (1.0 + share * exact.exp((middle - v) / width))
        current = 8.0 * (v + 80.0) + 20.0 * m * (v - 60.0) + (10.0 * n + 25.0 * h) * (v + 90.0) + 10.2 * v * g
        np.divide(current, -6.0, dv)
        np.subtract(resting_n, n, dn)
        np.divide(resting_h - h, 200.0, dh)

    return evaluate


def mackey_glass(steps: int) -> Sampler:
    """x' = 0.2 x(t-17) / (1 + x(t-17)^10) - 0.1 x, sampled every 1 in `steps` steps; the state is the last 17 units of time.

    Classical Runge-Kutta; the delayed value at a midpoint is the mean of its two neighbors. The last coordinate is the newest.
    """
    h = 1.0 / steps

    def slope(x: ndarray, past: ndarray) -> ndarray:
        square = past * past
        fourth = square * square
        return 0.2 * past / (1.0 + fourth * fourth * square) - 0.1 * x

    def bind(state: ndarray) -> Callable[[], None]:
        size = len(state)  # 17 * steps + 1 values, one step apart

        def sample() -> None:
            path = np.concatenate([state, np.empty((steps, state.shape[1]))])
            for t in range(steps):
                x, past, ahead = path[size + t - 1], path[t], path[t + 1]
                middle = 0.5 * (past + ahead)
                k1 = slope(x, past)
                k2 = slope(x + (h / 2) * k1, middle)
                k3 = slope(x + (h / 2) * k2, middle)
                path[size + t] = x + (h / 6) * (k1 + 2.0 * (k2 + k3) + slope(x + h * k3, ahead))
            state[:] = path[steps:]

        return sample

    return bind


LORENZ63 = System(flow(lorenz63, 0.01, 2), 0.01, (0.0, 0.0, 25.0), (0.9056, 0.0, -14.572))
ROSSLER = System(flow(rossler, 0.08, 4), 0.08, (0.0, 0.0, 0.0), (0.0714, 0.0, -5.394))
LORENZ96_10 = System(flow(lorenz96, 0.04, 2), 0.04, (8.0,) * 10, (1.184, 0.701, 0.090, 0.0, -0.437, -0.874))
LORENZ96_20 = System(flow(lorenz96, 0.04, 2), 0.04, (8.0,) * 20, (1.552, 1.226, 0.934, 0.671, 0.416, 0.155))
CHUA = System(flow(chua, 0.05, 10), 0.05, (0.0, 0.0, 0.0), (0.327, 0.0, -2.522), spread=0.1, confined=True)
# Half of the initial states converge to a cycle of single spikes, which stays above -53 mV; the bursting cycle falls to -67 mV.
BURSTING = System(
    flow(bursting, 0.5, 5),
    0.5,
    (-50.0, 0.1, 0.053),
    (0.0, -0.0699, -0.5582),
    spread=(15.0, 0.1, 0.006),
    transient=600,
    period=148.1,
    dips=(0, -60.0),
    confined=True,
)
MACKEY_GLASS = System(mackey_glass(10), 1.0, (1.0,) * 171, (0.0051,), spread=0.5, common=True, observed=(170,))

# An orbit with a coordinate larger than this has diverged.
_DIVERGED = 1e3


def orbits(system: System, groups: Mapping[str, tuple[int, int]], rng: np.random.Generator) -> dict[str, ndarray]:
    """Independent orbits on the attractor: maps each group name -> (count, steps) to name -> [count, steps, dim].

    All orbits advance together; groups leave the batch when they are complete. Initial states that diverge are redrawn.
    """
    ordered = sorted(groups, key=lambda name: -groups[name][1])
    ends = np.cumsum([groups[name][0] for name in ordered])
    state = _on_attractor(system, int(ends[-1]), rng)
    pieces: dict[str, list[ndarray]] = {name: [] for name in groups}
    done = 0
    for last in reversed(range(len(ordered))):
        steps = groups[ordered[last]][1]
        state = np.array(state[:, : ends[last]], order="C")
        samples = _record(system, state, steps - done)
        done = steps
        for name, end in zip(ordered[: last + 1], ends, strict=False):
            pieces[name].append(samples[end - groups[name][0] : end])
    return {name: np.ascontiguousarray(np.concatenate(parts, axis=1)) for name, parts in pieces.items()}


def _record(system: System, state: ndarray, steps: int) -> ndarray:
    """The next samples [batch, steps, dim]; `state` is advanced in row."""
    coordinates = slice(None) if system.observed is None else list(system.observed)
    samples = np.empty((steps, *state[coordinates].shape))
    sample = system.bind(state)
    for row in samples:
        sample()
        row[:] = state[coordinates]
    return samples.transpose(2, 0, 1)


def _on_attractor(system: System, count: int, rng: np.random.Generator) -> ndarray:
    """States [dim, batch] after the transient, all of them on the attractor."""
    states = np.empty((system.dim, count))
    missing = np.arange(count)
    while len(missing):
        state, on_attractor = settle(system, system.starts(len(missing), rng))
        states[:, missing[on_attractor]] = state[:, on_attractor]
        missing = missing[~on_attractor]
    return states


def settle(
    system: System, starts: Float[ndarray, "dim batch"]
) -> tuple[Float[ndarray, "dim batch"], Bool[ndarray, " batch"]]:
    """The states after the transient, and whether each is on the attractor rather than diverged or on another attractor."""
    state = np.array(starts, order="C")
    sample = system.bind(state)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(system.transient):
            sample()
        on_attractor = np.isfinite(state).all(axis=0) & (np.abs(state) <= _DIVERGED).all(axis=0)
        if system.dips is not None and system.period is not None:
            coordinate, value = system.dips
            lowest = state[coordinate].copy()
            for _ in range(round(system.period / system.dt)):
                sample()
                np.fmin(lowest, state[coordinate], lowest)
            on_attractor &= lowest < value
    return state, on_attractor
