"""The spectral estimate, which is also the initialization of most other methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dynamark.methods.fields import Count, SearchSpace
from dynamark.methods.sensing.measurements import measure
from dynamark.methods.sensing.start import fitted_rank, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["Spectral"]


@dataclass(frozen=True)
class Spectral:
    """P_k(A*y): the best rank-k approximation of A*y, whose expectation over Gaussian operators is X*.

    Symmetric problems: the best positive semidefinite approximation. Sampled entries: A*y is trimmed first (see
    `SampledMeasurements.proxy`). Costs one pass. The error is of order sqrt(r n / m) |X*|.

    Source: Keshavan, Montanari and Oh, Matrix completion from a few entries, IEEE Trans. Inf. Theory 2010.
    key: keshavan2010
    """

    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        symmetric = problems[0].symmetric
        factors = spectral(measurements, fitted_rank(problems[0], self.rank), symmetric)
        for i, run in enumerate(runs):
            run.snapshot(0, tuple(part[i] for part in factors), measurements.passes)
        members = [tuple(part[i] for part in factors) for i in range(len(problems))]
        return [Estimate(factors, "symmetric" if symmetric else "product") for factors in members]
