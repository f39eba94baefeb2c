"""Sensing with a fast transform, for sizes where a dense operator does not fit; and fully observed linear networks."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.numerics.operators import HadamardOperator, SampledOperator
from dynamark.tasks.sensing.tasks import LowRankRecovery

__all__ = ["DeepLinear", "StructuredPositive", "StructuredSensing"]


@functools.lru_cache(maxsize=8)
def _hadamard(task: StructuredSensing, group: int) -> HadamardOperator:
    n, rng = task.rows, task.rng(group, "operator")
    entries = n * (n + 1) // 2 if task.symmetric else n * task.columns
    signs = torch.from_numpy(2.0 * rng.integers(0, 2, entries) - 1)
    length = 1 << (entries - 1).bit_length()
    places = np.sort(rng.choice(length, task.measurements, replace=False))
    return HadamardOperator(signs, torch.from_numpy(places), (n, task.columns), task.symmetric)


@dataclass(frozen=True, kw_only=True)
class StructuredSensing(LowRankRecovery):
    """A(X) = P H D vec(X): random rows P of a Walsh-Hadamard transform H after random signs D, with E A*A = I.

    One pass costs O(n1 n2 log(n1 n2)). This is the large-scale version of MS-ASYM: m is six times the degrees of
    freedom, and a dense operator would need 7 GB at the large tier.
    """

    rows: int = 100
    columns: int = 80
    measurements: int = 3200
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 32, "columns": 32, "rank": 2, "measurements": 740, "passes": 1000},
        "standard": {},
        "large": {"rows": 300, "columns": 200, "rank": 5, "measurements": 15_000},
    }

    def operator(self, seed: int) -> HadamardOperator:
        """The subsampled Walsh-Hadamard operator of this seed."""
        return _hadamard(self, seed // self.share)

    def operator_arrays(self, seed: int) -> dict[str, ndarray]:
        """The random signs and the indices of the selected rows of the transform."""
        operator = self.operator(seed)
        return {"signs": operator.signs.numpy(), "places": operator.places.numpy().astype(float)}


@dataclass(frozen=True, kw_only=True)
class StructuredPositive(StructuredSensing):
    """X* = U diag(s) U^T, half-vectorized and measured by a subsampled Walsh-Hadamard transform (see `StructuredSensing`).

    This is the large-scale version of MS-PSD, with m = 10 n r measurements.
    """

    columns: int = 100
    measurements: int = 3000
    symmetric: ClassVar[bool] = True
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 40, "columns": 40, "rank": 2, "measurements": 600, "passes": 1000},
        "standard": {},
        "large": {"rows": 200, "columns": 200, "rank": 5, "measurements": 10_000},
    }


@functools.lru_cache(maxsize=4)
def _all(rows: int, columns: int) -> SampledOperator:
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return SampledOperator(row.flatten().contiguous(), column.flatten().contiguous(), (rows, columns))


@dataclass(frozen=True, kw_only=True)
class DeepLinear(LowRankRecovery):
    """DLN: minimize 1/2 |W - W*|_F^2, the loss of a linear network with whitened inputs and a fully observed teacher W*.

    W* has singular values 8, 4, 2, 1. Spectral methods solve the task in one step; it measures how fast gradient
    descent learns the modes, depending on the depth. The method is given only an upper bound of the rank, the full
    dimension.

    key: saxe2014
    """

    rows: int = 64
    columns: int = 64
    rank: int = 4
    fit_rank: int = 64
    share: int = 64
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 16, "columns": 16, "fit_rank": 16, "passes": 2000},
        "standard": {},
    }

    def operator(self, seed: int) -> SampledOperator:
        """The identity: all entries are observed, without scaling or noise."""
        return _all(self.rows, self.columns)

    def operator_arrays(self, seed: int) -> dict[str, ndarray]:
        """An empty dictionary, because the operator is not random."""
        return {}

    def spectrum(self) -> ndarray:
        """Singular values 8, 4, 2, 1, ...; the field `condition` is ignored."""
        return np.ldexp(8.0, -np.arange(self.rank))
