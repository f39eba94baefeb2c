"""Learned features of the noisy logistic map, judged by exact averages over its invariant density, beside polynomials."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy import ndarray
from numpy.polynomial import chebyshev

from dynamark.methods.koopman.dpnets import LearnedFeatures
from dynamark.tasks.base import Scores
from dynamark.tasks.koopman import spectra
from dynamark.tasks.koopman.processes import LOGISTIC_ORDER, logistic_modes, logistic_path
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["LogisticFeatures", "population_spectrum"]


def operator(nodes: int = 400) -> tuple[ndarray, ndarray, ndarray]:
    """Nodes of Gauss-Legendre quadrature, the invariant mass at each, and the transition matrix between them."""
    y, weights = np.polynomial.legendre.leggauss(nodes)
    y, weights = (y + 1) / 2, weights / 2
    density = np.cos(np.pi * (y[None, :] - (4 * y * (1 - y))[:, None])) ** (2 * LOGISTIC_ORDER)
    transition = density * weights * 4.0**LOGISTIC_ORDER / math.comb(2 * LOGISTIC_ORDER, LOGISTIC_ORDER)
    mass = weights
    for _ in range(200):
        mass = mass @ transition
    return y, mass / mass.sum(), transition


def population_spectrum(features: Callable[[ndarray], ndarray]) -> ndarray:
    """Eigenvalues of E[f(x)' f(x)]^{-1} E[f(x)' f(x+)] under the invariant density."""
    y, mass, transition = operator()
    f = features(y)
    weighted = f.T * mass
    return np.linalg.eigvals(np.linalg.solve(weighted @ f, weighted @ transition @ f)).astype(complex)


def singular_functions(count: int) -> Callable[[ndarray], ndarray]:
    """The leading left singular functions at the nodes: the features for which the scores are best."""
    _, mass, transition = operator()
    root = np.sqrt(mass)
    left = np.linalg.svd(root[:, None] * transition / root)[0][:, :count]
    return lambda _: left / root[:, None]


def captured(features: Callable[[ndarray], ndarray], count: int) -> float:
    """The mean of |P u_i|^2 over the leading singular functions u_i, P the projection on the span of the features."""
    y, mass, _ = operator()
    root = np.sqrt(mass)[:, None]
    basis = np.linalg.qr(root * features(y))[0]
    return float(np.square(basis.T @ (root * singular_functions(count)(y))).sum() / count)


def spectral_error(features: Callable[[ndarray], ndarray]) -> float:
    """Largest distance of the three leading eigenvalues to the three leading true ones: what the paper reports."""
    truth = spectra.leading(logistic_modes()[0], 3)
    return spectra.spectral_error(population_spectrum(features), truth, 3)


@dataclass(frozen=True)
class LogisticFeatures:
    """Train f on a sample of 16384 transitions, then find its spectrum with population covariances."""

    score: Literal["relaxed", "projection", "vamp", "contrastive"] = "relaxed"
    features: int = 7
    samples: int = 16_384
    steps: int = 1000
    rate: float = 5e-5

    def measure(self, run: Run) -> Scores:
        """The spectral error of the learned features, of T_0 .. T_{d-1} at 2x - 1, and of the features of the best score.

        captured: the share of the leading singular functions in the span of the learned features, 1 for those of the best score.
        """
        path = torch.from_numpy(logistic_path(self.samples, run.numpy))[None, :, None]
        given = Trajectories(path)
        method = LearnedFeatures(self.score, self.features, circle=True, steps=self.steps, rate=self.rate)
        model = method.fit_forecasters([Forecasting(given, given)], [run])[0]

        def features(x: ndarray) -> ndarray:
            with torch.no_grad():
                return np.asarray(model.lift(torch.from_numpy(x)[:, None]))

        learned, share = spectral_error(features), captured(features, self.features)
        polynomials = spectral_error(lambda x: chebyshev.chebvander(2 * x - 1, self.features - 1))
        best = spectral_error(singular_functions(self.features))
        values = {"error": learned, "chebyshev": polynomials, "best": best, "difference": learned - polynomials}
        return Scores(values | {"captured": share})
