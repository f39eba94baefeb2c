"""Differences of subspaces to second order: zero along a geodesic, large where a signal changes its frequencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["GeodesicDifference", "SubspaceChange", "magnitude", "midpoint"]


def magnitude(a: Float[ndarray, "*batch n r"], b: Float[ndarray, "*batch n r"]) -> Float[ndarray, "*batch"]:
    """2 sum_i (1 - cos theta_i) over the principal angles of the spans of orthonormal a and b."""
    cosines = np.linalg.svd(a.mT @ b, compute_uv=False)
    return np.asarray(2 * np.sum(1 - np.minimum(cosines, 1), axis=-1))


def midpoint(a: Float[ndarray, "*batch n r"], b: Float[ndarray, "*batch n r"]) -> Float[ndarray, "*batch n r"]:
    """The middle of the geodesic between two spans: bisectors (p_i + q_i)/|p_i + q_i| of the principal vectors."""
    u, _, vt = np.linalg.svd(a.mT @ b)
    bisectors = a @ u + b @ vt.mT
    return bisectors / np.linalg.norm(bisectors, axis=-2, keepdims=True)


@dataclass(frozen=True)
class GeodesicDifference:
    """The second-order difference of points S_1, S_2, S_3 of one geodesic: `magnitude` of S_2 and the middle of S_1 and S_3.

    The geodesic X cos(theta t) + Y sin(theta t), 0 <= t <= 1, has random X, Y and principal angles in (0.1, 1.4); every point
    is given in a random basis. Scores: `middle`, for S_2 at t = 1/2, where it is zero; `moved`, for S_2 at t = 0.3;
    `moved_error`, its difference to 2 sum_i (1 - cos(0.2 theta_i)).
    Source: Fukui, Valois, Souza and Kobayashi, Second-order difference subspace, 2024.
    """

    ambient: int = 20
    rank: int = 4

    def measure(self, run: Run) -> Scores:
        """Draw one geodesic and measure points on it in random bases."""
        rng = run.numpy
        frame = orthonormal(rng, self.ambient, 2 * self.rank)
        angles = rng.uniform(0.1, 1.4, self.rank)

        def at(t: float) -> ndarray:
            point = frame[:, : self.rank] * np.cos(angles * t) + frame[:, self.rank :] * np.sin(angles * t)
            return np.asarray(point @ orthonormal(rng, self.rank, self.rank))

        middle = midpoint(at(0), at(1))
        moved = float(magnitude(at(0.3), middle))
        predicted = float(2 * np.sum(1 - np.cos(0.2 * angles)))
        return Scores(
            {"middle": float(magnitude(at(0.5), middle)), "moved": moved, "moved_error": abs(moved - predicted)}
        )


@dataclass(frozen=True)
class SubspaceChange:
    """Two tones of 0.05 and 0.11 cycles a sample with noise 0.05; from sample 1000 of 2000 on the second has `factor` times 0.11.

    Windows of 100 samples, 10 apart; S_k: the `rank` leading left singular vectors of a window's delay matrix (20 delays).
    The curve is the magnitude of the difference of S_k and the middle of S_{k-1} and S_{k+1}, at the window's center.
    Scores: `distance` in samples of its maximum to the jump; `peak`, the maximum over the median at more than 200 samples;
    `spread`, the maximum over the median of all.
    Source: Fukui et al. 2024.
    """

    factor: float = 1.2
    noise: float = 0.05
    window: int = 100
    hop: int = 10
    delays: int = 20
    rank: int = 4
    samples: int = 2000

    def measure(self, run: Run) -> Scores:
        """Random phases; the phase is continuous at the jump."""
        jump = self.samples // 2
        phases = run.numpy.uniform(0, 2 * np.pi, 2)
        frequency = np.where(np.arange(self.samples) < jump, 0.11, 0.11 * self.factor)
        first = np.sin(2 * np.pi * 0.05 * np.arange(self.samples) + phases[0])
        second = np.sin(2 * np.pi * np.cumsum(frequency) + phases[1])
        signal = first + second + self.noise * run.numpy.standard_normal(self.samples)
        windows = sliding_window_view(signal, self.window)[:: self.hop]
        columns = sliding_window_view(windows, self.delays, axis=1).mT
        spans = np.linalg.svd(columns, full_matrices=False)[0][..., : self.rank]
        curve = magnitude(spans[1:-1], midpoint(spans[:-2], spans[2:]))
        center = self.hop * np.arange(1, len(spans) - 1) + self.window / 2
        away = np.abs(center - jump) > 200
        scores = {
            "distance": float(abs(center[np.argmax(curve)] - jump)),
            "peak": float(curve.max() / np.median(curve[away])),
            "spread": float(curve.max() / np.median(curve)),
        }
        return Scores(scores, (Curve("difference", center, curve),))
