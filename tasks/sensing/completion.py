"""Matrix completion: recover a low-rank matrix from a random subset of its entries."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.numerics.operators import SampledOperator
from dynamark.tasks.sensing.tasks import LowRankRecovery
from dynamark.tasks.sensing.truth import incoherence

__all__ = ["Completion"]


@dataclass(frozen=True, kw_only=True)
class Completion(LowRankRecovery):
    """MC: A(X) = (X_ij)/sqrt(p) over a Bernoulli(p) mask, p = oversampling * degrees of freedom / (n1 n2).

    With this scaling, E A*A = I. The noise standard deviation refers to entries multiplied by sqrt(p) (see `Recovery`).
    """

    rows: int = 400
    columns: int = 400
    rank: int = 5
    oversampling: float = 4.0

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 100, "columns": 100, "rank": 3, "passes": 2000},
        "standard": {},
    }

    @property
    def probability(self) -> float:
        """The probability p that an entry is observed, at most 1."""
        return min(1.0, self.oversampling * self.freedom / (self.rows * self.columns))

    def operator(self, seed: int) -> SampledOperator:
        """The sampling operator of this seed: a Bernoulli(p) mask, scaled by 1/sqrt(p)."""
        return _mask(self, seed // self.share)

    def operator_arrays(self, seed: int) -> dict[str, ndarray]:
        """Row and column indices of the observed entries."""
        operator = self.operator(seed)
        return {"row": operator.row.numpy().astype(float), "column": operator.column.numpy().astype(float)}

    def incoherence(self, seed: int) -> float:
        """The incoherence mu of the ground truth: the larger value of its left and right singular subspaces."""
        data = self.data(seed)
        return max(incoherence(data["left"]), incoherence(data["right"]))


@functools.lru_cache(maxsize=8)
def _mask(task: Completion, group: int) -> SampledOperator:
    mask = task.rng(group, "operator").random((task.rows, task.columns)) < task.probability
    row, column = (torch.from_numpy(places) for places in np.nonzero(mask))
    return SampledOperator(row, column, (task.rows, task.columns), 1 / float(np.sqrt(task.probability)))
