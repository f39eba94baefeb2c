"""Gradient starvation: a strong feature that is learned first keeps a weak one from being learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["Starvation", "descended"]


def descended(
    features: Float[ndarray, "sample feature"],
    mask: Float[ndarray, "feature net"],
    decoupling: Float[ndarray, " net"],
    decay: Float[ndarray, " net"],
    step: float,
    steps: int,
) -> Float[ndarray, "feature net"]:
    """w after gradient descent from 0 on mean log(1 + e^{-w'z}) + (decoupling/2) mean (w'z)^2 + (decay/2) |w|^2, z = y x.

    All nets at once; a net learns only the features of its mask.
    """
    w = np.zeros_like(mask)
    weight = step * mask
    for _ in range(steps):
        margins = features @ w
        slope = decoupling * margins - 1 / (1 + np.exp(margins))
        w = w - weight * (features.T @ slope / len(features) + decay * w)
    return w


@dataclass(frozen=True)
class Starvation:
    """rho = b w_2/(a w_1), the share of the weak feature of x = (a y (1 + noise e), b y (1 + noise e')) in a linear classifier.

    a = 1, b = `weak`, e, e' ~ N(0, 1). Cross entropy from 0: rho starts at b^2/a^2 and the strong feature saturates the gradient.
    Spectral decoupling (s/2) mean f^2 with large s is least squares, w ~ Sigma^{-1} E[y x]; both features have the same relative
    noise, so rho tends to 1. Scores: `rho_plain`, `rho_decoupled` (s = 1), `rho_light` (s = .1), `rho_strong` (s = 3),
    `rho_decay` (weight decay `decay` instead); `weak_share`, w_2 of the plain net over w_2 of a net without the strong feature.
    Source: Pezeshki, Kaba, Bengio, Courville, Precup and Lajoie, Gradient Starvation, NeurIPS 2021.
    """

    samples: int = 200
    weak: float = 0.1
    noise: float = 0.3
    step: float = 0.3
    steps: int = 20_000
    decay: float = 0.01

    def measure(self, run: Run) -> Scores:
        """Train six networks on the same samples."""
        spread = 1 + self.noise * run.numpy.standard_normal((self.samples, 2))
        features = spread * np.array([1.0, self.weak])
        names = ("plain", "light", "decoupled", "strong", "decay", "alone")
        mask = np.ones((2, len(names)))
        mask[0, -1] = 0.0
        decoupling = np.array([0.0, 0.1, 1.0, 3.0, 0.0, 0.0])
        decay = np.array([0.0, 0.0, 0.0, 0.0, self.decay, 0.0])
        w = descended(features, mask, decoupling, decay, self.step, self.steps)
        rho = self.weak * w[1, :-1] / w[0, :-1]
        values = {f"rho_{name}": float(share) for name, share in zip(names, rho, strict=False)}
        return Scores(values | {"weak_share": float(w[1, 0] / w[1, -1])})
