"""Generated series against true ones: the scores on generators whose faults are known, and Koopman variational autoencoders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.methods.koopman.kovae import KoopmanVAE, KoopmanVAEModel
from dynamark.methods.koopman.variational import PriorKind
from dynamark.tasks.base import Scores
from dynamark.tasks.numerics.distributions import energy_distance
from dynamark.tasks.numerics.generators import discriminative, memorized
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["KnownGenerators", "SineVAE", "gaussian_fit", "sines"]

_CHANNELS, _TIMES, _NOISE = 5, 24, 0.02

Series = Float[ndarray, "series time channel"]


def sines(count: int, rng: np.random.Generator) -> Series:
    """x_j(t) = (sin(f_j t + p_j) + 1)/2, f and p uniform in (0, 0.1), five channels, t = 0..23."""
    f, p = rng.uniform(0, 0.1, (2, count, 1, _CHANNELS))
    return np.asarray((np.sin(f * np.arange(_TIMES)[:, None] + p) + 1) / 2)


def gaussian_fit(train: Series, count: int, rng: np.random.Generator) -> Float[ndarray, "drawn time channel"]:
    """Draws of the Gaussian distribution with the mean and covariance of whole series."""
    flat = train.reshape(len(train), -1)
    drawn = rng.multivariate_normal(flat.mean(0), np.cov(flat.T), count, method="eigh")
    return drawn.reshape(count, *train.shape[1:])


def _distance(generated: Series, true: Series) -> float:
    return energy_distance(*(part.reshape(len(part), -1) for part in (generated, true)))


@dataclass(frozen=True)
class KnownGenerators:
    """The scores of generators of sines: energy distance, discriminative score and share of copies, against `count` true series.

    true: further true series; copy: the training set; gaussian: its mean and covariance of whole series; independent: its mean
    and variance of each number; noise: true series plus N(0, 0.02^2); mean: the training mean, as every series.
    """

    count: int = 1000

    def measure(self, run: Run) -> Scores:
        """`distance_<generator>`, `discriminative_<generator>` and `memorized_<generator>`."""
        rng = run.numpy
        train, true, again = (sines(self.count, rng) for _ in range(3))
        mean, sd = train.mean(0), train.std(0)
        generated = {
            "true": again,
            "copy": train,
            "gaussian": gaussian_fit(train, self.count, rng),
            "independent": mean + sd * rng.standard_normal(train.shape),
            "noise": again + _NOISE * rng.standard_normal(again.shape),
            "mean": np.broadcast_to(mean, train.shape).copy(),
        }
        values = {}
        for name, series in generated.items():
            values[f"distance_{name}"] = _distance(series, true)
            values[f"discriminative_{name}"] = discriminative(true, series)
            values[f"memorized_{name}"] = memorized(train, again if name != "true" else true, series)
        return Scores(values)


@dataclass(frozen=True)
class SineVAE:
    """A Koopman variational autoencoder trained on `count` sines: the scores of as many generated series, and its eigenvalues.

    prior, prediction, spectrum, steps, rate: as in `KoopmanVAE`. distance: energy distance to fresh sines; gaussian: that of
    draws of the Gaussian fit; largest_gap: the largest | |lambda| - 1 | of the two eigenvalues of largest modulus.
    """

    prior: PriorKind = "own"
    prediction: float = 0.005
    spectrum: float = 0.0
    steps: int = 3000
    rate: float = 7e-4
    count: int = 1000

    def measure(self, run: Run) -> Scores:
        """Train one model and let it generate."""
        rng = run.numpy
        train, true = sines(self.count, rng), sines(self.count, rng)
        model = self._trained(train, run)
        empty = Trajectories(torch.zeros(1, 0, _CHANNELS, dtype=torch.float64))
        drawn = model.sample(empty, _TIMES, self.count, run.generator)[0].numpy()
        moduli = model.eigenvalues().abs().numpy()
        return Scores(
            {
                "distance": _distance(drawn, true),
                "gaussian": _distance(gaussian_fit(train, self.count, rng), true),
                "discriminative": discriminative(true, drawn),
                "memorized": memorized(train, true, drawn),
                "largest_gap": float(np.abs(moduli[:2] - 1).max()),
                "spread": float(drawn.std(0).mean() / true.std(0).mean()),
            }
        )

    def _trained(self, train: Series, run: Run) -> KoopmanVAEModel:
        paths = Trajectories(torch.from_numpy(train))
        method = KoopmanVAE(
            prior=self.prior, prediction=self.prediction, spectrum=self.spectrum, steps=self.steps, rate=self.rate
        )
        return method.fit_forecasters([Forecasting(paths, paths, 0)], [run])[0]
