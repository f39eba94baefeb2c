"""The spectrum of recurrent matrices of low rank and of few entries, before training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["RecurrentSpectrum", "recurrent_matrix"]


def recurrent_matrix(units: int, rank: int, sparsity: float, rng: np.random.Generator) -> Float[ndarray, "units units"]:
    """W = (W_1 W_2) o M, M_ij ~ Bernoulli(1 - sparsity).

    W_1 [units, rank] and W_2 [rank, units] have entries N(0, 2/(units + rank)).
    """
    first, second = rng.standard_normal((units, rank)), rng.standard_normal((rank, units))
    mask = rng.uniform(size=(units, units)) >= sparsity
    return 2 / (units + rank) * (first @ second) * mask


@dataclass(frozen=True)
class RecurrentSpectrum:
    """radius_<r>_<s>, norm_<r>_<s>: spectral radius and spectral norm of (W_1 W_2) o M of rank r before the mask, sparsity s %.

    W_1 and W_2 have Glorot's variance 2/(n + r). Without mask the nonzero eigenvalues are those of the r x r matrix W_2 W_1,
    whose entries have variance 4 n/(n + r)^2, so that the radius is close to 2 sqrt(n r)/(n + r) by the circular law.
    Source: Tumma et al. 2024, section 4.
    """

    units: int = 128
    ranks: tuple[int, ...] = (1, 4, 16, 64, 128)
    sparsities: tuple[float, ...] = (0.0, 0.5, 0.9)

    def measure(self, run: Run) -> Scores:
        """Radius and norm of one draw for each rank and sparsity."""
        values = {}
        for r in self.ranks:
            for s in self.sparsities:
                w = recurrent_matrix(self.units, r, s, run.numpy)
                name = f"{r}_{round(100 * s)}"
                values[f"radius_{name}"] = float(np.abs(np.linalg.eigvals(w)).max())
                values[f"norm_{name}"] = float(np.linalg.norm(w, 2))
        return Scores(values)
