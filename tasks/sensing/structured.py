"""Sensing by a fast transform, where a stored operator would be too large; and linear networks, for which all is seen."""

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
    """Rows of a Walsh-Hadamard transform after random signs: E A*A = I, a pass costs O(D log D), D = n1 n2.

    The large tier of MS-ASYM (m is six times the degrees of freedom); a stored operator would take 7 GB there.
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
        """The operator of this seed."""
        return _hadamard(self, seed // self.share)

    def operator_arrays(self, seed: int) -> dict[str, ndarray]:
        """Signs and rows of the transform."""
        operator = self.operator(seed)
        return {"signs": operator.signs.numpy(), "places": operator.places.numpy().astype(float)}


@dataclass(frozen=True, kw_only=True)
class StructuredPositive(StructuredSensing):
    """The same for X* = U diag(s) U^T, half-vectorized: the large tier of MS-PSD (m = 10 n r)."""

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
    """DLN: a teacher W* with singular values 8, 4, 2, 1 behind whitened inputs, 1/2 |W - W*|^2: all of W* is seen.

    Spectral methods have it at once; the question is how fast descent learns its modes, through how many layers. The rank is
    told as an upper bound, the full dimension.
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
        """Every entry, as it is."""
        return _all(self.rows, self.columns)

    def operator_arrays(self, seed: int) -> dict[str, ndarray]:
        """None: the operator is not random."""
        return {}

    def spectrum(self) -> ndarray:
        """8, 4, 2, 1 ..., whatever the condition."""
        return np.ldexp(8.0, -np.arange(self.rank))
