"""Preconditioned gradient descent on factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import SampledMeasurements, measure
from dynamark.methods.sensing.start import fitted_rank, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["ScaledGradientDescent", "inverse_gram"]


def inverse_gram(factor: Tensor, damping: Tensor | float = 0.0) -> Tensor:
    """(G^T G + damping I)^{-1} [seed, k, k]; infinite or NaN where it is singular, never an error."""
    gram = factor.mT @ factor
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return torch.linalg.inv_ex(gram + damping * eye)[0]


@dataclass(frozen=True)
class ScaledGradientDescent:
    """F <- F - eta Z G (G^T G)^{-1}, G <- G - eta Z^T F (F^T F)^{-1} together; symmetric X <- X - eta Z X (X^T X)^{-1}.

    From the spectral start; Z = A*(A(X^) - y). The number of steps does not depend on the condition of X*. Exact rank only:
    with a surplus the Gram matrices become singular. Two passes a step.

    step: eta for dense operators, `sampled_step` for sampled entries, where 0.5 can diverge.

    Source: Tong, Ma and Chi, Accelerating ill-conditioned low-rank matrix estimation via scaled gradient descent, JMLR 2021
    (eta = 0.5 of the experiments).
    key: tong2021
    """

    step: float = 0.5
    sampled_step: float = 0.3
    rank: int | None = None

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate a problem, all members together."""
        measurements = measure(problems)
        step = self.sampled_step if isinstance(measurements, SampledMeasurements) else self.step
        symmetric = problems[0].symmetric

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            if symmetric:
                (x,) = state
                residual, z = measurements.normal(x @ x.mT)
                return (x - step * (z @ x) @ inverse_gram(x),), residual
            f, g = state
            residual, z = measurements.normal(f @ g.mT)
            return (f - step * (z @ g) @ inverse_gram(g), g - step * (z.mT @ f) @ inverse_gram(f)), residual

        first = spectral(measurements, fitted_rank(problems[0], self.rank), symmetric)
        return iterate(measurements, runs, first, advance, "symmetric" if symmetric else "product")
