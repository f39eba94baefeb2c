"""Reconstruction of the state from a few latent states by several kernels at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.distance import cdist, pdist

from dynamark.methods.koopman.lran import LRAN
from dynamark.tasks.base import Scores
from dynamark.tasks.koopman.waves import Wake
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["KernelReconstruction", "MultiKernel", "centers_of"]

# Penalties that compete by generalized cross-validation, as multiples of the largest squared singular value.
_PENALTIES = np.logspace(-14, 2, 33)


@dataclass(frozen=True)
class KernelReconstruction:
    """A cylinder wake (mean-field model), encoded by LRAN with three latent states, read back with kernels and without.

    x^(z) = W [1, z] + sum_j a_j k(z, c_j), see `MultiKernel`, fitted on `states` encoded training states. Scores: the root mean
    square error on encoded test states over the standard deviation of the data, all coordinates together, of the whole,
    `kernels`, of the least-squares map W [1, z] alone, `linear`, and of LRAN's own decoder, `decoder`; `gain`, kernels over
    linear. `random_gain`, the gain where Gaussian noise replaces the states, in training and test; `random_penalty`, the place
    of the penalty that was then chosen, 1 for the largest.
    Source: Otto and Rowley, Linearly Recurrent Autoencoder Networks, 2019, section 4; widths, centers and penalty are ours.
    """

    latent: int = 3
    steps: int = 2000
    trajectories: int = 30
    length: int = 200
    states: int = 2000
    centers: int = 200
    widths: tuple[float, ...] = (0.25, 1.0, 4.0)

    def measure(self, run: Run) -> Scores:
        """One trained network."""
        task = Wake()
        train, test = (task.flow(task.starts(run.numpy, n), 0.1, self.length) for n in (self.trajectories, 20))
        given = Trajectories(torch.from_numpy(train), dt=0.1)
        (model,) = LRAN(latent=self.latent, steps=self.steps).fit_forecasters([Forecasting(given, given)], [run])
        chosen = run.numpy.choice(train.shape[0] * train.shape[1], self.states, replace=False)
        x, truth = train.reshape(-1, 3)[chosen], test.reshape(-1, 3)
        with torch.no_grad():
            z, encoded = (model.lift(torch.from_numpy(states)).numpy() for states in (x, truth))
            decoded = model.decode(torch.from_numpy(encoded)).numpy()
        scale = x.std(axis=0)

        def errors(at: ndarray, wanted: ndarray, unit: ndarray) -> tuple[float, float, MultiKernel]:
            fit = MultiKernel.fit(z, at / unit, self.centers, self.widths, run.numpy)
            linear = _affine(encoded) @ np.linalg.lstsq(_affine(z), at / unit, rcond=None)[0]
            return _size(fit(encoded) - wanted / unit), _size(linear - wanted / unit), fit

        kernels, linear, _ = errors(x, truth, scale)
        random, random_linear, fit = errors(
            run.numpy.standard_normal(x.shape), run.numpy.standard_normal(truth.shape), np.ones(3)
        )
        return Scores(
            {
                "kernels": kernels,
                "linear": linear,
                "decoder": _size((decoded - truth) / scale),
                "gain": kernels / linear,
                "random_gain": random / random_linear,
                "random_penalty": fit.place,
            }
        )


@dataclass(frozen=True)
class MultiKernel:
    """x^(z) = W [1, z] + sum_j a_j k(z, c_j), k(z, c) = mean_l exp(-|z - c|^2/(2 w_l^2)).

    w_l: multiples of the median distance between the centers c. |a|^2 is penalized, W is not; the penalty is that of least
    generalized cross-validation, n |residual|^2/(n - degrees of freedom)^2. place: its place in the grid, from 0 to 1, the
    largest.
    """

    centers: Float[ndarray, "center latent"]
    widths: tuple[float, ...]
    linear: Float[ndarray, "affine dim"]
    weights: Float[ndarray, "center dim"]
    place: float

    @classmethod
    def fit(
        cls,
        z: Float[ndarray, "state latent"],
        x: Float[ndarray, "state dim"],
        count: int,
        widths: tuple[float, ...],
        rng: np.random.Generator,
    ) -> MultiKernel:
        """Penalized least squares; what the affine part explains is projected out first."""
        centers = centers_of(z, count, rng)
        scales = tuple(width * float(np.median(pdist(centers))) for width in widths)
        affine, features = _affine(z), _features(z, centers, scales)
        basis = np.linalg.qr(affine)[0]
        target = x - basis @ (basis.T @ x)
        u, s, vt = np.linalg.svd(features - basis @ (basis.T @ features), full_matrices=False)
        inside = u.T @ target
        outside, free = float(np.sum(target**2) - np.sum(inside**2)), len(z) - affine.shape[1]
        shrunk = [s**2 / (s**2 + penalty * s[0] ** 2) for penalty in _PENALTIES]
        criterion = [
            (outside + np.sum(((1 - factor)[:, None] * inside) ** 2)) / (free - factor.sum()) ** 2 for factor in shrunk
        ]
        best = int(np.argmin(criterion))
        weights = vt.T @ ((s / (s**2 + _PENALTIES[best] * s[0] ** 2))[:, None] * inside)
        linear = np.linalg.lstsq(affine, x - features @ weights, rcond=None)[0]
        return cls(centers, scales, linear, weights, best / (len(_PENALTIES) - 1))

    def __call__(self, z: Float[ndarray, "state latent"]) -> Float[ndarray, "state dim"]:
        """The reconstructed states."""
        return _affine(z) @ self.linear + _features(z, self.centers, self.widths) @ self.weights


def centers_of(
    z: Float[ndarray, "state latent"], count: int, rng: np.random.Generator
) -> Float[ndarray, "center latent"]:
    """Centers of `count` clusters by twenty steps of k-means from random states; a center without states stays."""
    centers = z[rng.choice(len(z), count, replace=False)]
    for _ in range(20):
        nearest = cdist(z, centers, "sqeuclidean").argmin(axis=1)
        sizes = np.bincount(nearest, minlength=count)
        sums = np.stack([np.bincount(nearest, column, minlength=count) for column in z.T], axis=1)
        centers = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centers)
    return centers


def _affine(z: Float[ndarray, "state latent"]) -> Float[ndarray, "state affine"]:
    return np.column_stack([np.ones(len(z)), z])


def _features(z: ndarray, centers: ndarray, widths: tuple[float, ...]) -> Float[ndarray, "state center"]:
    squared = cdist(z, centers, "sqeuclidean")
    return np.mean([np.exp(-squared / (2 * width**2)) for width in widths], axis=0)


def _size(error: Float[ndarray, "state dim"]) -> float:
    return float(np.sqrt(np.mean(error**2)))
