"""A ring-star network of Chialvo neurons: the spectrum of a synchronous state, and what linear triangles amount to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from dynamark.methods.fields import Count
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["NeuronTriangles", "SynchronousSpectrum", "network_step", "synchronous_state"]

# The other three nodes of the hub, node 0, and of each node of the ring, and the pairs among them: the triangles of a node.
_NODES = 4
_OTHERS = np.array([[j for j in range(_NODES) if j != i] for i in range(_NODES)])
# The part of the weight of a triangle by which it adds to each of its edges.
_TRIANGLES_PER_EDGE = 2.0


def network_step(state: ndarray, hub: float, ring: float, triangle: float) -> ndarray:
    """x_i^2 exp(y_i - x_i) + 0.04 + C_i, 0.89 y_i - 0.6 x_i + 0.28, for states [..., 8], all x before all y; complex, too.

    C_i = sum over the edges {i, j} of w (x_j - x_i), w = hub for edges of node 0, ring for the others, plus triangle times the
    sum over the three triangles {i, j, k} of x_j + x_k - 2 x_i, written out triangle by triangle.
    """
    x, y = state[..., :_NODES], state[..., _NODES:]
    coupling = np.zeros_like(x)
    for i in range(_NODES):
        for j in _OTHERS[i]:
            coupling[..., i] += (hub if 0 in (i, j) else ring) * (x[..., j] - x[..., i])
        for skipped in range(3):
            j, k = np.delete(_OTHERS[i], skipped)
            coupling[..., i] += triangle * (x[..., j] + x[..., k] - 2 * x[..., i])
    return np.concatenate([x * x * np.exp(y - x) + 0.04 + coupling, 0.89 * y - 0.6 * x + 0.28], axis=-1)


def synchronous_state() -> tuple[float, float]:
    """The fixed point x = x^2 exp(y - x) + 0.04, y = (0.28 - 0.6 x)/0.11 of one neuron near 0.146, by Newton's method."""
    x = 0.146
    for _ in range(50):
        y = (0.28 - 0.6 * x) / 0.11
        power = np.exp(y - x)
        slope = 2 * x * power + x * x * power * (-0.6 / 0.11 - 1) - 1
        x -= (x * x * power + 0.04 - x) / slope
    return float(x), float((0.28 - 0.6 * x) / 0.11)


@dataclass(frozen=True)
class SynchronousSpectrum:
    """The 8 eigenvalues at the synchronous fixed point are those of [[(2 x - x^2) e - nu, x^2 e], [-0.6, 0.89]], e = exp(y - x).

    nu in {0, 4 mu + 8 s, mu + 3 sigma + 8 s (twice)} for weights mu of the hub, sigma of the ring, s of triangles, each uniform
    in [-0.2, 0.2]. The Jacobian of the network is taken by complex steps. gap: largest distance of matched eigenvalues over
    `draws` draws; unmatched: the same with nu = 0 in all blocks.
    Source: Nair, Ghosh, Fatoyinbo & Muni 2024.
    """

    draws: Count = 100

    def measure(self, run: Run) -> Scores:
        """All draws of weights."""
        gaps = []
        x, y = synchronous_state()
        state = np.repeat([x, y], _NODES)
        for hub, ring, triangle in run.numpy.uniform(-0.2, 0.2, (self.draws, 3)):
            steps = state + 1e-30j * np.eye(8)
            jacobian = network_step(steps, hub, ring, triangle).imag.T / 1e-30
            own = np.linalg.eigvals(jacobian)
            shifts = (0.0, 4 * hub + 8 * triangle, *(2 * [hub + 3 * ring + 8 * triangle]))
            gaps.append([_distance(own, _blocks(x, y, nu)) for nu in (shifts, (0.0,) * 4)])
        worst = np.max(gaps, axis=0)
        return Scores({"gap": float(worst[0]), "unmatched": float(np.median(np.array(gaps)[:, 1]))})


def _blocks(x: float, y: float, shifts: tuple[float, ...]) -> ndarray:
    e = np.exp(y - x)
    return np.concatenate(
        [np.linalg.eigvals(np.array([[(2 * x - x * x) * e - nu, x * x * e], [-0.6, 0.89]])) for nu in shifts]
    )


def _distance(a: ndarray, b: ndarray) -> float:
    """The largest distance under the matching of least total distance."""
    cost = np.abs(a[:, None] - b[None])
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].max())


@dataclass(frozen=True)
class NeuronTriangles:
    """Linear triangles of weight s on four nodes that are all connected equal edges whose weights are larger by 2 s.

    gap: largest |step with triangles - step of the rescaled network| over (1 + |step|), for `states` states of the chaotic orbit
    (weights -0.1, -0.1, 0) and weights uniform in [-0.2, 0.2]; without: the same for the network without its triangles.
    Source: Nair, Ghosh, Fatoyinbo & Muni 2024.
    """

    states: Count = 1000

    def measure(self, run: Run) -> Scores:
        """One step from each state."""
        orbit = self._orbit(run.numpy)
        gaps = []
        for state, (hub, ring, triangle) in zip(orbit, run.numpy.uniform(-0.2, 0.2, (len(orbit), 3)), strict=True):
            whole = network_step(state, hub, ring, triangle)
            more = _TRIANGLES_PER_EDGE * triangle
            rescaled, without = network_step(state, hub + more, ring + more, 0.0), network_step(state, hub, ring, 0.0)
            size = 1 + np.linalg.norm(whole)
            gaps.append([np.linalg.norm(whole - other) / size for other in (rescaled, without)])
        return Scores({"gap": float(np.max(gaps, axis=0)[0]), "without": float(np.median(np.array(gaps)[:, 1]))})

    def _orbit(self, rng: np.random.Generator) -> Float[ndarray, "state 8"]:
        """States of the chaotic network after as many that are discarded, from a start that does not escape."""
        while True:
            state, out = rng.uniform(0.0, 1.0, 8), np.empty((2 * self.states, 8))
            with np.errstate(over="ignore", invalid="ignore"):
                for t in range(len(out)):
                    state = out[t] = network_step(state, -0.1, -0.1, 0.0)
            if np.isfinite(out).all():
                return out[self.states :]
