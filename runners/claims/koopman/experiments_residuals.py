"""Spectra without ground truth: what residuals say of EDMD on the Duffing oscillator, and what pseudospectra verify."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from dynamark.methods.koopman.dictionaries import Radial, centers
from dynamark.tasks.base import Scores
from dynamark.tasks.koopman.systems import ODE, box, duffing
from dynamark.tasks.numerics.koopman import Compressed, compress, pair_residuals
from dynamark.tasks.problems import Run

__all__ = ["DuffingResiduals", "verified_set"]

_NEAR = 0.25


@dataclass(frozen=True)
class DuffingResiduals:
    """EDMD with exp(-2 |x - c|/l) around `size` centers on 10^4 pairs of the Duffing oscillator, sampled every 0.3.

    States start in [-2, 2]^2, five steps a trajectory; training pairs, held-out pairs and the sample of which k-means takes the
    centers are independent. l is the mean distance to the mean.
    """

    damping: float = 0.0
    size: int = 100
    trajectories: int = 2000

    def measure(self, run: Run) -> Scores:
        """The largest residual of an eigenpair on held-out pairs; size and largest distance of the verified set.

        circle: the largest distance of a point of the unit circle to {z: dist(z) < 0.25}.
        """
        flow, starts = ODE(duffing(self.damping), 4), box((-2.0, -2.0), (2.0, 2.0))
        train, held_out, third = (
            torch.from_numpy(flow(starts(run.numpy, self.trajectories), 0.3, 5)) for _ in range(3)
        )
        sample = third.flatten(0, 1)
        scale = float((sample - sample.mean(0)).norm(dim=1).mean()) / 2
        lift = Radial("exponential", centers(sample, self.size, run.numpy), scale)
        compressed = compress([(lift(_before(train)), lift(_after(train)))])
        values, vectors = torch.linalg.eig(compressed.least_squares())
        at_x, at_y = (lift(part).to(vectors) @ vectors for part in (_before(held_out), _after(held_out)))
        grid, distance = _distances(compressed, preserving=self.damping == 0)
        verified = verified_set(grid, distance)
        near = grid[distance < _NEAR]
        circle = np.exp(1j * np.linspace(-np.pi, np.pi, 721))
        return Scores(
            {
                "residual_max": float(pair_residuals(at_x, at_y, values).max()),
                "verified": float(len(verified)),
                "verified_distance": float(max(distance[verified], default=np.inf)),
                "circle": float(np.abs(circle[:, None] - near).min(axis=1).max()) if len(near) else 2.0,
            }
        )


def _before(paths: Tensor) -> Tensor:
    return paths[:, :-1].flatten(0, 1)


def _after(paths: Tensor) -> Tensor:
    return paths[:, 1:].flatten(0, 1)


def _distances(compressed: Compressed, preserving: bool) -> tuple[ndarray, ndarray]:
    """A grid of step 0.05 on [-1.5, 1.5] + i [-1.5, 1.5] and dist(z), at least |1 - |z|| where a measure is preserved.

    The features are real, so dist is even in the imaginary part.
    """
    real, imaginary = np.arange(-30, 31) / 20, np.arange(31) / 20
    upper = (real + 1j * imaginary[:, None]).ravel()
    distances = compressed.distance(torch.from_numpy(upper)).numpy()
    if preserving:
        distances = np.maximum(distances, np.abs(1 - np.abs(upper)))
    above = upper.imag > 0
    return np.concatenate([upper, upper[above].conj()]), np.concatenate([distances, distances[above]])


def verified_set(grid: ndarray, distance: ndarray) -> ndarray:
    """Places of the grid that are least in the disc |w - z| < 5 dist(z) around some z of the grid with dist(z) < 1.

    Source: Colbrook, Mezic and Stepanenko 2024, the procedure for approximate point spectra.
    """
    distinct = set()
    for place in np.flatnonzero(distance < 1):
        disc = np.flatnonzero(np.abs(grid - grid[place]) < max(5 * distance[place], 1e-12))
        distinct.add(int(disc[np.argmin(distance[disc])]))
    return np.array(sorted(distinct), dtype=int)
