"""Optimised DMD: all snapshots of a trajectory fitted at once by exponentials, which noise in early ones does not bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.koopman.dmd import delayed_pairs, dmd
from dynamark.tasks.numerics.exponentials import fit_exponentials
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["OptDmd", "OptDmdModel"]


@dataclass(frozen=True)
class OptDmd:
    """min over rates a and amplitudes B of |X - e^{t a} B|, from the rates of projected DMD; modes shared by all trajectories.

    Trajectories are channels of one fit, each with its own amplitudes; mode k of the state is the leading direction of its
    amplitudes over trajectories. rank: number of rates; 0 takes the dimension of the state.

    Source: Askham and Kutz 2018; the multi-trajectory reading is ours.
    key: askham2018
    """

    rank: int = 0

    def fit_forecaster(self, problem: Forecasting, run: Run) -> OptDmdModel:
        """Projected DMD, then Levenberg-Marquardt."""
        x = problem.train.observations.double()
        basis, step = dmd(*delayed_pairs(problem.train, 1), self.rank, exact=False)
        values = torch.linalg.eigvals(step @ basis).numpy()
        rates = np.log(np.where(np.abs(values) > 1e-8, values, 1e-8)) / problem.train.dt
        times = problem.train.dt * np.arange(x.shape[1])
        channels = x.transpose(0, 1).flatten(1).numpy()
        rates, amplitudes = fit_exponentials(channels, times, rates.astype(complex))
        by_trajectory = amplitudes.reshape(len(rates), len(x), x.shape[2])
        modes = np.stack([np.linalg.svd(a, full_matrices=False)[2][0] for a in by_trajectory])
        return OptDmdModel(torch.from_numpy(np.exp(rates * problem.train.dt)), torch.from_numpy(modes))


@dataclass(frozen=True)
class OptDmdModel:
    """x_n = b diag(lambda)^n modes, b = x_0 pinv(modes)."""

    values: Tensor
    modes: Tensor

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Powers of the eigenvalues: the cost of a step does not depend on its number."""
        amplitudes = self.eigenfunctions(context.observations)
        powers = self.values ** torch.arange(1, horizon + 1)[:, None]
        return ((amplitudes[:, None] * powers) @ self.modes).real

    def eigenvalues(self) -> Tensor:
        """e^{a dt}."""
        return self.values

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """Amplitudes of the modes in the latest state."""
        return points[:, -1].to(torch.complex128) @ torch.linalg.pinv(self.modes)

    def parameter_count(self) -> int:
        """Eigenvalues and modes, two floats a complex number."""
        return 2 * (self.values.numel() + self.modes.numel())
