"""The rank of random networks by depth: numerical rank, and the effective ranks that really fall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.problems import Run

__all__ = ["LayerRank"]


def _widths(values: Float[Tensor, "draw value"]) -> tuple[Float[Tensor, " draw"], Float[Tensor, " draw"]]:
    """Stable rank |H|_F^2/s_1^2 and participation ratio (sum s^2)^2/sum s^4 of singular values, the largest first."""
    squares = values**2
    total = squares.sum(dim=1)
    return total / squares[:, 0], total**2 / squares.square().sum(dim=1)


@dataclass(frozen=True)
class LayerRank:
    """Rank of the hidden matrices H_l = relu(H_{l-1} W_l), m Gaussian inputs in R^n, W_l n x n with entries N(0, 2/n).

    Scores: `rank_l` for the first three layers, the mean over `draws` of the number of singular values above 1e-10 s_1;
    `formula_error`, the largest |rank_l - m (1 - (1 - 2/pi)^l)|/m; `full`, the smallest share of draws of a layer with rank m;
    `stable_rise` and `participation_rise`, the largest quotient of the mean stable rank, or participation ratio, of one layer
    by that of the layer before, up to `depth` (mean over `few` draws); `stable_1` and `stable_last`, `participation_1` and
    `participation_last`; `orthogonal_change`, the largest relative change of both from the inputs on through orthogonal
    linear layers; `formula_rise`, the smallest increase of the formula from a layer to the next.
    Source: Makwana 2025, theorem 1 and corollary 2.
    """

    inputs: int = 100
    width: int = 400
    depth: int = 8
    draws: int = 100
    few: int = 20

    def measure(self, run: Run) -> Scores:
        """Draw by draw for the first layers, then few draws for all."""
        layers = np.arange(1, self.depth + 1)
        formula = self.inputs * (1 - (1 - 2 / np.pi) ** layers)
        ranks, means = np.empty((self.draws, 3)), np.zeros((2, self.depth))
        for draw in range(self.draws):
            many = draw < self.few
            values = self._values(run, self.depth if many else 3)
            ranks[draw] = (values[:3] > 1e-10 * values[:3, :1]).sum(dim=1).numpy()
            if many:
                means += np.stack([part.numpy() for part in _widths(values)]) / self.few
        shares = (ranks == self.inputs).mean(axis=0)
        rises = (means[:, 1:] / means[:, :-1]).max(axis=1)
        return Scores(
            {
                **{f"rank_{layer}": float(ranks[:, layer - 1].mean()) for layer in (1, 2, 3)},
                "formula_error": float((np.abs(ranks.mean(axis=0) - formula[:3]) / self.inputs).max()),
                "full": float(shares.min()),
                "stable_rise": float(rises[0]),
                "participation_rise": float(rises[1]),
                "stable_1": float(means[0, 0]),
                "stable_last": float(means[0, -1]),
                "participation_1": float(means[1, 0]),
                "participation_last": float(means[1, -1]),
                "orthogonal_change": self._orthogonal_change(run),
                "formula_rise": float(np.diff(formula).min()),
            },
            (Curve("stable_rank_by_layer", layers.astype(float), means[0]),),
        )

    def _values(self, run: Run, depth: int) -> Float[Tensor, "layer value"]:
        """Singular values of each layer of one network."""
        h = torch.randn(self.inputs, self.width, generator=run.generator, dtype=torch.float64)
        values = []
        for _ in range(depth):
            weights = torch.randn(self.width, self.width, generator=run.generator, dtype=torch.float64)
            h = torch.relu(h @ weights * (2 / self.width) ** 0.5)
            values.append(_singular(h))
        return torch.stack(values)

    def _orthogonal_change(self, run: Run) -> float:
        """The largest relative change of both effective ranks through orthogonal linear layers."""
        h = torch.randn(self.inputs, self.width, generator=run.generator, dtype=torch.float64)
        spectra = [_singular(h)]
        for _ in range(self.depth):
            h = (
                h
                @ torch.linalg.qr(torch.randn(self.width, self.width, generator=run.generator, dtype=torch.float64))[0]
            )
            spectra.append(_singular(h))
        return max(float((part / part[0] - 1).abs().max()) for part in _widths(torch.stack(spectra)))


def _singular(h: Float[Tensor, "input unit"]) -> Float[Tensor, " value"]:
    return torch.linalg.svdvals(h)
