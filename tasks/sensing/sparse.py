"""Large matrix completion, in factors: the full matrix is never formed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from dynamark.errors import UserError
from dynamark.tasks.numerics.operators import SampledOperator
from dynamark.tasks.sensing.completion import Completion

__all__ = ["SparseCompletion"]


@dataclass(frozen=True, kw_only=True)
class SparseCompletion(Completion):
    """MC at scale: A(X) = (X_ij)/sqrt(p) over exactly p n1 n2 entries, drawn without replacement, with p a few percent.

    E A*A = I. The ground truth and the estimates are stored in factors. There is no noise and the method is given the
    true rank, because the oracles of the other cases need dense matrices.
    """

    rows: int = 1000
    columns: int = 1000
    passes: int = 2000
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 700, "columns": 700, "rank": 2, "oversampling": 8.0, "passes": 600},
        "standard": {},
        "large": {"rows": 4000, "columns": 4000, "rank": 10},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise or self.fit_rank:
            raise UserError("SparseCompletion does not support noise or fit_rank; use sensing/completion instead")

    @property
    def measurements(self) -> int:
        """The number of observed entries, p n1 n2."""
        return min(round(self.oversampling * self.freedom), self.rows * self.columns)

    def operator(self, seed: int) -> SampledOperator:
        """The sampling operator of this seed: uniformly drawn entries, scaled by 1/sqrt(p)."""
        return _sample(self, seed // self.share)


@functools.lru_cache(maxsize=8)
def _sample(task: SparseCompletion, group: int) -> SampledOperator:
    places = task.rng(group, "operator").choice(
        task.rows * task.columns, task.measurements, replace=False, shuffle=False
    )
    row, column = (torch.from_numpy(index) for index in np.divmod(np.sort(places), task.columns))
    scale = float(np.sqrt(task.rows * task.columns / task.measurements))
    return SampledOperator(row, column, (task.rows, task.columns), scale)
