"""Variants of matrix sensing: population loss, separated singular values, few, noisy or correlated measurements, coherence."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.base import Curve
from dynamark.tasks.numerics.exact import contract, thin_svd
from dynamark.tasks.numerics.operators import DenseOperator, half_vectorize
from dynamark.tasks.sensing.completion import Completion
from dynamark.tasks.sensing.tasks import AsymmetricSensing, GaussianSensing, LowRankRecovery
from dynamark.tasks.sensing.truth import measurements, spectrum

__all__ = [
    "CoherentCompletion",
    "CorrelatedSensing",
    "FewMeasurements",
    "IncrementalSensing",
    "NoisySensing",
    "PopulationSensing",
]


@functools.lru_cache(maxsize=4)
def _identity(n: int) -> DenseOperator:
    return DenseOperator(torch.eye(n * (n + 1) // 2, dtype=torch.float64), (n, n), symmetric=True)


@dataclass(frozen=True, kw_only=True)
class PopulationSensing(LowRankRecovery):
    """MS-POP: A is the identity on symmetric matrices, the limit of infinitely many measurements (population loss).

    Without sampling error, theoretical constants can be verified exactly.
    """

    share: int = 64
    symmetric: ClassVar[bool] = True
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 20, "columns": 20, "rank": 2, "passes": 2000},
        "standard": {},
    }

    def operator(self, seed: int) -> DenseOperator:
        """The identity on symmetric matrices in half-vectorized form, which is an isometry."""
        return _identity(self.rows)

    def operator_arrays(self, seed: int) -> dict[str, ndarray]:
        """An empty dictionary, because the operator is not random."""
        return {}


@dataclass(frozen=True, kw_only=True)
class IncrementalSensing(GaussianSensing):
    """MS-INC: singular values 1, ratio, ratio^2, ...; gradient descent from small initialization learns them one by one.

    The method is given only an upper bound of the rank, the full dimension.

    key: jin2023
    """

    ratio: float = 0.55
    symmetric: ClassVar[bool] = True
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 20, "columns": 20, "rank": 3, "measurements": 400, "fit_rank": 20, "passes": 3000},
        "standard": {"rank": 5, "measurements": 2000, "fit_rank": 50},
    }

    def spectrum(self) -> ndarray:
        """Singular values 1, ratio, ratio^2, ..., in geometric progression."""
        return np.cumprod([1.0, *[self.ratio] * (self.rank - 1)])

    def ranks(self, steps: ndarray, values: ndarray) -> tuple[Curve, ...]:
        """The effective rank and the leading singular values of the iterates, each by step."""
        modes = (
            Curve(f"singular_value_{i + 1}_by_steps", steps, values[:, i])
            for i in range(min(self.rank, values.shape[1]))
        )
        return (*super().ranks(steps, values), *modes)


@dataclass(frozen=True, kw_only=True)
class FewMeasurements(AsymmetricSensing):
    """MS-HARD (a): few measurements, m = oversampling * degrees of freedom; oversampling = 1 is the information limit."""

    oversampling: float = 1.5
    measurements: int = 0
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 24, "columns": 24, "rank": 2, "condition": 1.0, "passes": 4000},
        "standard": {"rows": 40, "columns": 40, "condition": 1.0, "passes": 10_000},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.measurements:
            object.__setattr__(self, "measurements", round(self.oversampling * self.freedom))


@dataclass(frozen=True, kw_only=True)
class NoisySensing(FewMeasurements):
    """MS-NOISE: y = A(X*) + sigma e/sqrt(m), e ~ N(0, I), with m = oversampling * degrees of freedom.

    The oracle is least squares on the true tangent space.
    """

    oversampling: float = 6.0
    noise: float = 0.1
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 24, "columns": 24, "rank": 2, "condition": 1.0, "passes": 1000},
        "standard": {"rows": 50, "columns": 50, "condition": 1.0},
    }


@functools.lru_cache(maxsize=4)
def _correlated(task: CorrelatedSensing, group: int) -> DenseOperator:
    # A = L G L^T with the Cholesky factor L of C has the distribution of C^{1/2} G C^{1/2}: that of G is rotation-invariant.
    powers = np.cumprod([1.0, *[task.correlation] * (task.rows - 1)])
    i, j = np.indices((task.rows, task.rows))
    root = np.where(i >= j, powers[np.abs(i - j)], 0.0)
    root[:, 1:] *= np.sqrt(1 - task.correlation * task.correlation)
    gaussian = task.rng(group, "operator").standard_normal((task.measurements, task.rows, task.rows))
    symmetric = (gaussian + gaussian.transpose(0, 2, 1)) / np.sqrt(2)
    matrices = torch.from_numpy(contract(contract(root, symmetric), root.T) / np.sqrt(2 * task.measurements))
    return DenseOperator(half_vectorize(matrices), (task.rows, task.rows), symmetric=True)


@dataclass(frozen=True, kw_only=True)
class CorrelatedSensing(GaussianSensing):
    """MS-HARD (c): A_i = C^{1/2} G_i C^{1/2}, C_jk = correlation^|j - k|, so that E A*A X = C X C.

    Step sizes derived from E A*A = I are too large for this task.
    """

    correlation: float = 0.7
    symmetric: ClassVar[bool] = True
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 24, "columns": 24, "rank": 2, "measurements": 400, "passes": 4000},
        "standard": {"rows": 40, "columns": 40, "measurements": 1200, "passes": 10_000},
    }

    def operator(self, seed: int) -> DenseOperator:
        """The dense operator of this seed, with correlated measurement matrices."""
        return _correlated(self, seed // self.share)

    def expected_error(self) -> None:
        """None: the formula needs independent standard normal rows."""


@dataclass(frozen=True, kw_only=True)
class CoherentCompletion(Completion):
    """MS-HARD (d): completion of a coherent matrix, whose first row has half the energy (incoherence n/(2 r))."""

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 100, "columns": 100, "rank": 2, "passes": 2000},
        "standard": {"rows": 200, "columns": 200, "rank": 3},
    }

    def generate(self, seed: int) -> dict[str, ndarray]:
        """The ground truth, with its first row scaled to half the energy, the observed entries and the measurements."""
        rng = self.rng(seed, "data", 0)
        left, right = rng.standard_normal((self.rows, self.rank)), rng.standard_normal((self.columns, self.rank))
        energy = np.sum(contract(left, right.T) ** 2, axis=1)
        left[0] *= np.sqrt(energy[1:].sum() / energy[0])
        u, s, v = thin_svd(left, right)
        truth = {"left": u, "values": s / s[0], "right": v}
        return {**truth, "y": measurements(self.operator(seed), truth), **self.operator_arrays(seed)}

    def spectrum(self) -> ndarray:
        """Nominal singular values only: the actual ones follow from scaling the first row."""
        return spectrum(self.rank, self.condition, self.spacing)
