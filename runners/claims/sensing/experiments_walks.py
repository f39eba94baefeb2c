"""Principal components of random walks in high dimension: shares of variance, cosines, and walks that are held back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.problems import Run

__all__ = ["HeldWalks", "WalkComponents", "walk_shares"]

Path = Float[ndarray, "time dim"]


def walk_shares(steps: int) -> Float[ndarray, " component"]:
    """Shares of 1/(4 sin^2(pi k/2 T)), k = 1 ... T - 1, the eigenvalues of a centered walk of T steps: 6/(pi k)^2 at large T."""
    values = 1 / (4 * np.sin(np.pi * np.arange(1, steps) / (2 * steps)) ** 2)
    return values / values.sum()


def _components(path: Path) -> tuple[Float[ndarray, " component"], Float[ndarray, "time component"]]:
    """Shares of variance of the principal components, the largest first, and the scores of the path up to length."""
    centered = path - path.mean(axis=0)
    if path.shape[1] < len(path):
        u, s, _ = np.linalg.svd(centered, full_matrices=False)
        return s**2 / np.sum(s**2), u
    values, vectors = np.linalg.eigh(centered @ centered.T)
    return values[::-1] / values.sum(), vectors[:, ::-1]


def _autoregression(noise: Path, decay: float) -> Path:
    """x_t = decay x_{t-1} + xi_t from 0."""
    path = np.empty_like(noise)
    state = np.zeros(noise.shape[1])
    for t, xi in enumerate(noise):
        state = decay * state + xi
        path[t] = state
    return path


@dataclass(frozen=True)
class WalkComponents:
    """The principal components of a walk of T steps in d >> T dimensions have the shares of `walk_shares` and are cosines.

    Scores: `share_1` ... `share_3` and `share_error`, their largest relative difference to 0.608, 0.152, 0.068; `exact_error`,
    the same to the shares at finite T; `momentum_error`, the same with steps v <- 0.9 v + xi; `cosine`, the least
    |correlation| of the scores of components 1, 2, 3 and 5 with cos(pi j (t + 1/2)/T); `small_error`, `share_error` in three
    dimensions.
    Source: Antognini and Sohl-Dickstein, PCA of high dimensional random walks with comparison to neural network training,
    2018, equation 9 and section 2.
    """

    steps: int = 1000
    dim: int = 4000
    momentum: float = 0.9

    def measure(self, run: Run) -> Scores:
        """Walk, walk with momentum, and a walk in three dimensions."""
        noise = run.numpy.standard_normal((self.steps, self.dim))
        limit, exact = 6 / (np.pi * np.arange(1, 4)) ** 2, walk_shares(self.steps)[:3]
        shares, vectors = _components(np.cumsum(noise, axis=0))
        momentum, _ = _components(np.cumsum(_autoregression(noise, self.momentum), axis=0))
        small, _ = _components(np.cumsum(run.numpy.standard_normal((self.steps, 3)), axis=0))
        time = np.arange(self.steps)
        cosines = [
            abs(np.corrcoef(vectors[:, j - 1], np.cos(np.pi * j * (time + 0.5) / self.steps))[0, 1])
            for j in (1, 2, 3, 5)
        ]
        return Scores(
            {
                **{f"share_{j + 1}": float(shares[j]) for j in range(3)},
                "share_error": float(np.abs(shares[:3] / limit - 1).max()),
                "exact_error": float(np.abs(shares[:3] / exact - 1).max()),
                "momentum_error": float(np.abs(momentum[:3] / exact - 1).max()),
                "cosine": float(min(cosines)),
                "small_error": float(np.abs(small[:3] / exact - 1).max()),
            },
            (Curve("share_by_component", np.arange(1.0, 21), shares[:20]),),
        )


@dataclass(frozen=True)
class HeldWalks:
    """x <- (1 - a) x + xi in d dimensions stays at distance sqrt(d/(1 - (1 - a)^2)) from 0, and its components become flat.

    Scores: over the second half of the path, `radius_error`, the largest relative difference of the mean distance for a = 0.01
    and 0.1, and `radius_spread`, the largest standard deviation over mean; `free_spread`, the same of the walk a = 0;
    `flat_share`, the share of the first component at a = 0.1, and `free_share`, at a = 0; `drift_share`, that of a walk with
    drift 0.1 a coordinate.
    Source: Antognini and Sohl-Dickstein 2018, section 2.4.
    """

    steps: int = 1000
    dim: int = 4000
    decays: tuple[float, float] = (0.01, 0.1)
    drift: float = 0.1

    def measure(self, run: Run) -> Scores:
        """Run all walks with the same noise, and compute their principal components."""
        noise = run.numpy.standard_normal((self.steps, self.dim))
        errors, spreads, path = [], [], noise
        for a in self.decays:
            path = _autoregression(noise, 1 - a)
            distance, spread = _distance(path)
            errors.append(abs(distance / np.sqrt(self.dim / (1 - (1 - a) ** 2)) - 1))
            spreads.append(spread)
        walk = np.cumsum(noise, axis=0)
        drifting = walk + self.drift * np.arange(1, self.steps + 1)[:, None]
        return Scores(
            {
                "radius_error": float(max(errors)),
                "radius_spread": float(max(spreads)),
                "free_spread": float(_distance(walk)[1]),
                "flat_share": float(_components(path)[0][0]),
                "free_share": float(_components(walk)[0][0]),
                "drift_share": float(_components(drifting)[0][0]),
            }
        )


def _distance(path: Path) -> tuple[float, float]:
    """Mean and relative standard deviation of |x| over the second half."""
    distance = np.linalg.norm(path[len(path) // 2 :], axis=1)
    return float(distance.mean()), float(distance.std() / distance.mean())
