"""What biases are for in learned features of a state with one coordinate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy import ndarray
from torch import Tensor

from dynamark.methods.koopman.dpnets import PairNetwork, feature_loss
from dynamark.methods.koopman.networks import seeded
from dynamark.methods.training import Recipe, train
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["FeatureRank"]

_HIDDEN, _FEATURES = (64, 128, 64), 7
# Singular values below this part of the largest do not count.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class FeatureRank:
    """A leaky ReLU network without hidden biases is homogeneous: f(x) = c+ max(x, 0) + c- min(x, 0) in one dimension.

    Seven features on 401 points of [-2, 2], and the spectrum of x+ = e^{-1/2} x + sqrt(1 - e^{-1}) N(0, 1) from 1,000 pairs by
    least squares on 1 and features trained with the relaxed and with the VAMP score, from one start.
    biases: False trains the network that has biases without them too.
    Scores: `rank_without` and `rank_with`, numerical ranks at the start; `gap_without` and `gap_with`, the largest difference of
    the four leading eigenvalues between both scores.
    Source: Kostic et al. 2024, Learning invariant representations of time-homogeneous stochastic dynamical systems, appendix.
    """

    biases: bool = True
    steps: int = 20
    pairs: int = 1000

    def measure(self, run: Run) -> Scores:
        """One start of each network and one sample."""
        x = run.numpy.standard_normal((self.pairs, 1))
        y = np.exp(-0.5) * x + np.sqrt(1 - np.exp(-1)) * run.numpy.standard_normal(x.shape)
        grid = torch.linspace(-2, 2, 401, dtype=torch.float64)[:, None]
        scores = {}
        for name, biases in (("without", False), ("with", self.biases)):
            start = self._network(biases, run).double().requires_grad_(False)
            scores[f"rank_{name}"] = float(torch.linalg.matrix_rank(start.now(grid), rtol=_TOLERANCE))
            spectra = [self._spectrum(biases, score, x, y, run) for score in ("relaxed", "vamp")]
            scores[f"gap_{name}"] = float(np.abs(spectra[0] - spectra[1]).max())
        return Scores(scores)

    def _network(self, biases: bool, run: Run) -> PairNetwork:
        with seeded(Run(run.entropy)):
            return PairNetwork((1, *_HIDDEN, _FEATURES), biases)

    def _spectrum(self, biases: bool, score: Any, x: ndarray, y: ndarray, run: Run) -> Complex[ndarray, " mode"]:
        pair = (torch.from_numpy(x).float(), torch.from_numpy(y).float())

        def loss(network: Any, before: Tensor, after: Tensor) -> Tensor:
            f, g = network(before, after)
            return feature_loss(f, g, score, 1.0)

        recipe = Recipe(self.steps, 1e-3, schedule="constant", clip=None)
        (trained,) = train([self._network(biases, run)], loss, lambda member, own: pair, [Run(run.entropy)], recipe)
        assert isinstance(trained, PairNetwork)
        features = trained.now.double().requires_grad_(False)
        psi_x, psi_y = (_with_constant(features(torch.from_numpy(part))) for part in (x, y))
        values = np.linalg.eigvals(np.linalg.lstsq(psi_x, psi_y, rcond=_TOLERANCE)[0]).astype(complex)
        return values[np.argsort(-np.abs(values), kind="stable")][:4]


def _with_constant(f: Float[Tensor, "point feature"]) -> Float[ndarray, "point all"]:
    return np.concatenate([np.ones((len(f), 1)), f.numpy()], axis=1)
